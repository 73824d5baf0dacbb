"""Faces: aligned crops of frames, action units and landmarks of each."""
