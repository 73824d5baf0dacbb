"""Completion of clouds: how far what a method makes of the rest is from the whole."""
