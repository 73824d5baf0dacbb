"""Whose a unit is: one set of rules for volumes, slides, images, videos and whatever comes."""
