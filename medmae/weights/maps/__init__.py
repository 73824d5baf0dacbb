"""Key maps from published checkpoint layouts to ours, one file a source."""
