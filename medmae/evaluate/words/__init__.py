"""Words and clips: what hidden words cost, and finding, asking and naming clips by words."""
