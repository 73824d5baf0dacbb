"""Weights out: the encoder as timm, MONAI, Hugging Face and ONNX have it; what a target cannot hold is refused."""
