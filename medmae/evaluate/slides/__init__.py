"""Maps of whole slides."""
