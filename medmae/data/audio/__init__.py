"""Sound: one reader of files and of the sound tracks of videos, what is done to it once, and the views of it."""
