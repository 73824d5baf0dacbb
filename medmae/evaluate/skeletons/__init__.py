"""Skeletons of which joints were hidden: how far from the truth they are rebuilt, and how that looks."""
