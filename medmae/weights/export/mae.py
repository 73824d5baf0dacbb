"""A whole MAE under the keys of facebookresearch/mae."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import PatchHead
from medmae.nn.positions import SinCos
from medmae.nn.vit import MaskedViT
from medmae.weights.export.anatomy import Anatomy, refuse
from medmae.weights.export.target import Target, Written, require_parts
from medmae.weights.maps.mae import MAE as NAMES
from medmae.weights.write import save_by_suffix


def require_mae(method: nn.Module, target: str) -> None:
    """Refuses what has other parts than an MAE.

    Raises:
        ValueError: With what it has.
    """
    parts: dict[str, type[nn.Module]] = {"encoder": MaskedViT, "decoder": MaskedDecoder, "head": PatchHead}
    require_parts(method, parts, target=target, what="an MAE")


def _write(method: nn.Module, out: Path) -> Written:
    require_mae(method, "mae")
    encoder = method.get_submodule("encoder")
    assert isinstance(encoder, MaskedViT)
    sizes = Anatomy.of(encoder)
    reasons = {
        "its positions are no sin-cos tables": not isinstance(sizes.positions, SinCos),
        "its queries, keys and values have no biases as MAE's have": sizes.qkv_bias is not True,
    }
    refuse("facebookresearch/mae", reasons)
    return save_by_suffix(NAMES.write(method.state_dict()), out, entry="model"), "the keys of facebookresearch/mae"


MAE = Target("mae", _write, whole=True)
