"""From a file of one layout to a file of another: what ``medmae import`` and ``medmae export`` do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from torch import nn

from medmae.nn.alone import alone
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.vit import MaskedViT
from medmae.weights.adapt import Adaptation
from medmae.weights.io import load_weights, save_safetensors
from medmae.weights.pretrained import load_encoder
from medmae.weights.report import ImportReport
from medmae.weights.sources import source as key_map_of
from medmae.weights.targets import target as target_of
from medmae.weights.targets import targets
from medmae.weights.unseen import header
from medmae.weights.write import require_suffix


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
    require_suffix(out, (".safetensors",))
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
    path: str | Path,
    out: str | Path,
    *,
    method: nn.Module,
    to: str,
    drop_class_token: bool = False,
    kind: str | None = None,
) -> Exported:
    """Reads weights of ours, strictly, and writes them as another package has them.

    Args:
        path: Of a method; for targets that hold the encoder alone, of an encoder, too.
        out: A file; a folder for Hugging Face.
        method: Of the sizes of the weights.
        to: Whose layout, a name of :func:`medmae.weights.targets.targets`.
        drop_class_token: For MONAI; see :func:`medmae.weights.export.monai.to_monai`.
        kind: Of an encoder of several kinds of data, which one is written, as a ViT of its own; see
            :func:`medmae.nn.alone.alone`. None writes all of it, which ``encoder`` alone holds.

    Raises:
        DataError: If the file is damaged or does not fit the method.
        ValueError: If the target cannot hold the network; nothing is written.
    """
    target = target_of(to)
    write = target.drop_class_token if drop_class_token else target.write
    if write is None:
        able = " and ".join(name for name, other in targets().items() if other.drop_class_token)
        raise ValueError(f"dropping the class token is for {able}; {to} holds it")
    require_suffix(out, target.suffixes)
    part = _encoder_in(method)
    if target.whole:
        load_weights(method, path)
        digest, note = write(method, Path(out))
    else:
        load_encoder(method, path, into=[part], part=part)
        encoder = _of_kind(method.get_submodule(part), kind, to=to)
        digest, note = write(encoder, Path(out))
        if isinstance(encoder, FusedEncoder):
            return Exported(Path(out), digest, note)
    scale = cast(MaskedViT, method.get_submodule(part) if target.whole else encoder).scaling.scale
    if not target.scaled and not scale.identity:
        note += f"; their files hold no scale: give it data as (data - mean) / std, mean {scale.mean}, std {scale.std}"
    return Exported(Path(out), digest, note)


def _of_kind(encoder: nn.Module, kind: str | None, *, to: str) -> nn.Module:
    """The encoder, or of one of several kinds the ViT of the one that is wanted."""
    if not isinstance(encoder, FusedEncoder):
        if kind is not None:
            raise ValueError(f"kind={kind!r} is of encoders of several kinds of data, and this one takes one")
        return encoder
    if kind is None and to != "encoder":
        raise ValueError(
            f"{to} holds one kind of data, and this encoder takes {', '.join(encoder.vits)}: say which, kind"
        )
    return encoder if kind is None else alone(encoder, kind)


def _encoder_in(method: nn.Module) -> str:
    """Name of the encoder, in a method and its file: that of a classifier is a part of its network."""
    if isinstance(getattr(method, "encoder", None), FusedEncoder):
        return "encoder"
    found = [name for name, part in method.named_modules() if isinstance(part, MaskedViT)]
    return found[0] if len(found) == 1 else "encoder"
