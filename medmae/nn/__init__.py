"""The masked ViT: encoder over visible tokens, decoders, positions, heads."""
