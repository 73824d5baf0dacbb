"""Features of frozen encoders, their files, and probes on them."""
