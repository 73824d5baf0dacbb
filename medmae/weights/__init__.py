"""Weights in and out: safetensors first, strict key maps, a table of what matched."""
