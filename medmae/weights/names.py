"""What the files of a training are called."""

PRETRAINING = "pretraining.safetensors"  # the whole method
