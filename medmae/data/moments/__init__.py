"""Moments: the sound, the face, the pictures and the words of one recording, on one clock."""
