"""From a file of one layout to a file of another: what ``medmae import`` and ``medmae export`` do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

import torch
from torch import nn

from medmae.errors import check_choice
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import FeatureMap, PatchHead
from medmae.nn.vit import MaskedViT
from medmae.weights.adapt import Adaptation
from medmae.weights.export.anatomy import Anatomy, refuse
from medmae.weights.export.hugging_face import TrainedMAE, save_vit_mae
from medmae.weights.export.monai import CLASS_TOKEN_LOST, monai_state
from medmae.weights.export.onnx import save_onnx
from medmae.weights.export.timm import timm_state
from medmae.weights.io import load_weights, save_safetensors
from medmae.weights.maps.mae import MAE
from medmae.weights.pretrained import load_encoder
from medmae.weights.report import ImportReport
from medmae.weights.sources import source as key_map_of
from medmae.weights.unseen import header

Target = Literal["encoder", "timm", "monai", "unetr", "onnx", "mae", "vit_mae"]

_WHOLE = ("mae", "vit_mae")  # targets that hold the decoder, too
_MONAI = ("monai", "unetr")
_SCALED = ("encoder", "onnx")  # targets that say the scale of the input, or apply it


class HasEncoder(Protocol):
    """What a method is here."""

    encoder: MaskedViT


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The file, or the folder of Hugging Face.
        sha256: Of the weights.
        note: What whoever loads it must know.
    """

    path: Path
    sha256: str
    note: str


def import_file(
    path: str | Path,
    out: str | Path,
    *,
    method: nn.Module,
    source: str | None,
    encoder_only: bool = False,
    adapt: Collection[Adaptation] = (),
    file_grid: Sequence[int] | None = None,
    sha256: str | None = None,
    about: Mapping[str, str] | None = None,
) -> ImportReport:
    """Reads a published file into a method, strictly, and writes it under our keys.

    Args:
        path: Theirs.
        out: Ours, a safetensors file: of the whole method, or of its encoder.
        method: Of the wanted sizes.
        source: Name of the layout; see :func:`medmae.weights.sources.sources`. None: the keys are ours already.
        encoder_only: Take the encoder alone; what else the file holds is left behind.
        adapt: See :func:`medmae.weights.adapt.adapt_state`.
        file_grid: See :func:`medmae.weights.io.import_state`.
        sha256: Published hash of the file.
        about: What is written into the file's header.

    Raises:
        DataError: If the file is damaged or does not fit; nothing is written.
    """
    load = partial(load_encoder, into=["encoder"]) if encoder_only else load_weights
    key_map = None if source is None else key_map_of(source)
    report = load(method, path, key_map=key_map, adapt=adapt, file_grid=file_grid, sha256=sha256)
    state = method.state_dict()
    if encoder_only:
        state = {key: value for key, value in state.items() if key.startswith("encoder.")}
    said = header(method.get_submodule("encoder"), prefix="encoder.") if encoder_only else header(method)
    save_safetensors(state, out, metadata={**(about or {}), **said})
    return report


def export_file(
    path: str | Path, out: str | Path, *, method: nn.Module, to: str, drop_class_token: bool = False
) -> Exported:
    """Reads weights of ours, strictly, and writes them as another package has them.

    Args:
        path: Of a method; for targets that hold the encoder alone, of an encoder, too.
        out: A file; a folder for ``vit_mae``.
        method: Of the sizes of the weights.
        to: Whose layout. ``encoder`` is our own, without what pre-training alone needs.
        drop_class_token: For MONAI; see :func:`medmae.weights.export.monai.to_monai`.

    Raises:
        DataError: If the file is damaged or does not fit the method.
        ValueError: If the target cannot hold the network; nothing is written.
    """
    check_choice(to, get_args(Target), name="to")
    if drop_class_token and to not in _MONAI:
        raise ValueError(f"dropping the class token is for {' and '.join(_MONAI)}; {to} holds it")
    if to in _WHOLE:
        _require_mae(method, to)
        load_weights(method, path)
    else:
        load_encoder(method, path, into=["encoder"])
    encoder = cast(HasEncoder, method).encoder
    if to in _MONAI:
        digest, note = _monai(encoder, Path(out), unetr=to == "unetr", drop_class_token=drop_class_token)
    else:
        digest, note = _WRITERS[to](method if to in _WHOLE else encoder, Path(out))
    scale = encoder.scaling.scale
    if to not in _SCALED and not scale.identity:
        note += f"; their files hold no scale: give it data as (data - mean) / std, mean {scale.mean}, std {scale.std}"
    return Exported(Path(out), digest, note)


def _require_mae(method: nn.Module, to: str) -> None:
    """Refuses what has other parts than an MAE, or others of the same name; their keys would mean nothing there."""
    kinds = {"encoder": MaskedViT, "decoder": MaskedDecoder, "head": PatchHead}
    parts = dict(method.named_children())
    same = parts.keys() >= kinds.keys() and all(isinstance(parts[name], kind) for name, kind in kinds.items())
    others = {key.partition(".")[0] for key in method.state_dict()} - kinds.keys()
    if not same or others:
        found = ", ".join(f"{name} ({type(part).__name__})" for name, part in parts.items())
        raise ValueError(
            f"{to} holds the encoder, decoder and head of an MAE, and {type(method).__name__} has {found}: "
            "export its encoder, to timm, monai, unetr, onnx or encoder"
        )


def _encoder(encoder: MaskedViT, out: Path) -> tuple[str, str]:
    return save_safetensors(
        encoder.state_dict(), out, metadata=header(encoder)
    ), "medmae.weights.pretrained.load_encoder reads it"


def _timm(encoder: MaskedViT, out: Path) -> tuple[str, str]:
    note = "for a VisionTransformer of these sizes with num_classes=0"
    if encoder.norm_eps != 1e-6:
        note += f", whose norms have an epsilon of {encoder.norm_eps:g}"
    return save_safetensors(timm_state(encoder), out), note


def _monai(encoder: MaskedViT, out: Path, *, unetr: bool, drop_class_token: bool) -> tuple[str, str]:
    sizes = Anatomy.of(encoder)
    token = sizes.class_token != "none" and not drop_class_token
    refuse("a UNETR", {CLASS_TOKEN_LOST: unetr and token})
    prefix = "vit." if unetr else ""
    state = {prefix + key: value for key, value in monai_state(encoder, drop_class_token=drop_class_token).items()}
    network = "UNETR (strict=False, for the rest of it is new)" if unetr else f"ViT(classification={token})"
    note = (
        f"for a {network} with qkv_bias={sizes.qkv_bias}; a file holds no epsilon: set that of every LayerNorm to "
        f"{sizes.eps:g} for equal outputs, as the functions of medmae.weights.export do"
    )
    return save_safetensors(state, out), note


def _onnx(encoder: MaskedViT, out: Path) -> tuple[str, str]:
    patches = encoder.patches
    data = torch.zeros(2, patches.channels, *patches.size)
    return save_onnx(FeatureMap(encoder=encoder), out, example=data), "data (B, C, *size) -> features (B, D, *grid)"


def _mae(method: nn.Module, out: Path) -> tuple[str, str]:
    return save_safetensors(MAE.write(method.state_dict()), out), "the keys of facebookresearch/mae"


def _vit_mae(method: TrainedMAE, out: Path) -> tuple[str, str]:
    return save_vit_mae(method, out), "ViTMAEForPreTraining.from_pretrained and ViTMAEModel.from_pretrained read it"


_WRITERS: dict[str, Callable[..., tuple[str, str]]] = {
    "encoder": _encoder,
    "timm": _timm,
    "onnx": _onnx,
    "mae": _mae,
    "vit_mae": _vit_mae,
}
