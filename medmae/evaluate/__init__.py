"""What a pre-trained encoder is worth: reconstruction, statistics, the report."""
