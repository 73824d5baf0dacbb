"""Video: readers of every kind of file, sampling of clips, and the view of them."""
