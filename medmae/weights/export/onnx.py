"""A plain network as ONNX; needs ``pip install onnx onnxscript onnxruntime``."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from medmae.files import atomic_write, sha256_of
from medmae.nn.heads import FeatureMap
from medmae.nn.vit import MaskedViT
from medmae.weights.export.target import Target, Written

_LIMIT = 2**31  # bytes, of a protobuf message


def save_onnx(network: nn.Module, path: str | Path, *, example: Tensor) -> str:
    """Writes a network of one tensor in, one tensor out; batches of any size.

    Args:
        network: Such as :class:`medmae.nn.heads.FeatureMap`; put into evaluation mode.
        path: The file, written atomically.
        example: What goes in, ``(B, C, *size)`` with B of at least 2.

    Returns:
        sha256 of the file.

    Raises:
        ValueError: If the weights pass 2 GB, the most that one ONNX file can hold.
        ModuleNotFoundError: If the onnx packages are missing.
    """
    size = sum(value.nbytes for value in network.state_dict().values())
    if size >= _LIMIT:
        raise ValueError(f"one ONNX file holds at most {_LIMIT:,} bytes, and the weights are {size:,}")
    program = torch.onnx.export(
        network.eval(),
        (example,),
        dynamo=True,
        input_names=["data"],
        output_names=["features"],
        dynamic_shapes=({0: "batch"},),
        verbose=False,
    )
    if program is None:
        raise AssertionError("the exporter of torch gave nothing back")
    with atomic_write(path) as file:
        file.write(program.model_proto.SerializeToString())
    return sha256_of(path)


def _write(encoder: MaskedViT, out: Path) -> Written:
    patches = encoder.patches
    data = torch.zeros(2, patches.channels, *patches.size)
    return save_onnx(FeatureMap(encoder=encoder), out, example=data), "data (B, C, *size) -> features (B, D, *grid)"


ONNX = Target("onnx", _write, suffixes=(".onnx",), scaled=True)
