"""Skeletons: joints of bodies over time, whatever recorded them."""
