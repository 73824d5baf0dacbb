"""What every run of a bundle does, once."""
