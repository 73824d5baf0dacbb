"""Reading weight files: tensors come out, or an error that says what is wrong; no code in a file is ever run."""

from __future__ import annotations

import argparse
import re
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from medmae.errors import DataError
from medmae.reading import reading
from medmae.weights.arrays import read_arrays
from medmae.weights.damage import FETCH, damaged, refuse_other_files, refuse_wrong_hash
from medmae.weights.folders import require_files
from medmae.weights.wrappers import unwrapped

State = dict[str, Tensor]

_PICKLED = frozenset({".bin", ".ckpt", ".pt", ".pth"})
_MAX_HEADER = 100_000_000  # bytes, the limit of the safetensors format
_CONVERT = (
    "do not run it; if you trust who made it, load it on a machine you can lose, with their own code, and write the "
    "tensors alone: safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
)


def load_state(path: str | Path, *, sha256: str | None = None) -> State:
    """Reads ``.safetensors``, ``.npz``, or a ``.pt``/``.pth``/``.ckpt``/``.bin`` of tensors alone (code is never run).

    A published file's ``model``, ``model_state_dict``, ``state_dict``, (DeepSpeed) ``module`` or ``teacher`` entry is
    unpacked; training arguments in an ``argparse.Namespace`` beside it are the one thing besides tensors and plain
    values that is let in.

    Args:
        path: The file; or a folder of Hugging Face, of whose files the weights are read.
        sha256: Its published hash, compared before anything is read from it.

    Raises:
        DataError: If the file is missing, damaged, something else, or holds NaN, infinities or more than tensors.
        ValueError: If ``sha256`` is no such hash.
    """
    files = require_files(path)
    if len(files) > 1:
        if sha256 is not None:
            raise ValueError(f"{path} holds its weights in {len(files)} files, of which no hash is published")
        parts = [load_state(file) for file in files]
        if sum(map(len, parts)) != len({key for part in parts for key in part}):
            raise DataError("a key stands in two of its files", path=path)
        return {key: value for part in parts for key, value in part.items()}
    path = files[0]
    refuse_other_files(path)
    if sha256 is not None:
        refuse_wrong_hash(path, sha256)
    if path.suffix == ".safetensors":
        state = _read_safetensors(path)
    elif path.suffix in _PICKLED:
        state = _read_pickled(path)
    elif path.suffix == ".npz":
        state = read_arrays(path)
    else:
        kinds = ", ".join([".safetensors", ".npz", *sorted(_PICKLED)])
        raise DataError(
            "no known kind of weight file", path=path, field="suffix", value=path.suffix, remedy=f"name it {kinds}"
        )
    _refuse_not_finite(state, path)
    return state


def _read_safetensors(path: Path) -> State:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if size >= 8 and length > _MAX_HEADER:
        raise damaged(path, f"no safetensors file: its header claims {length:,} bytes, more than the format allows")
    if size < 8 + length:
        raise damaged(path, f"truncated: the header alone needs {8 + length:,} bytes")
    try:
        with reading(path, what="the weights", remedy=FETCH):
            return load_file(path)
    except DataError as error:
        if not isinstance(error.__cause__, SafetensorError):
            raise
        cut = "file not fully covered" in str(error)
        cause = "truncated, or longer than its header says" if cut else "no readable safetensors file"
        raise damaged(path, f"{cause}: {error}") from error


def _read_pickled(path: Path) -> State:
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    if zipped:
        _refuse_bad_archive(path)
    try:
        # Published MAE files carry the training arguments beside the tensors; nothing else is allowed.
        with torch.serialization.safe_globals([argparse.Namespace]):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types here, none of which names the file
        raise _explained(path, error) from error
    loaded = unwrapped(loaded, path=path)
    if not isinstance(loaded, dict) or not all(isinstance(key, str) and _is_dense(v) for key, v in loaded.items()):
        raise damaged(path, "holds no state dict of dense tensors", remedy="save model.state_dict()")
    size = path.stat().st_size
    larger = next((key for key, value in loaded.items() if value.numel() * value.element_size() > size), None)
    if larger is not None:
        shape = tuple(loaded[larger].shape)
        raise damaged(path, f"repeats its numbers: {larger} {shape} takes more bytes than the file has")
    return loaded


def _refuse_bad_archive(path: Path) -> None:
    """Refuses bombs and programs, and compares every checksum, which torch does not: a flipped bit is a weight too."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.filename.endswith("/constants.pkl") for entry in entries):
                raise damaged(path, "a TorchScript program, not a state dict", remedy=_CONVERT)
            unpacked = sum(entry.file_size for entry in entries)
            if unpacked > path.stat().st_size:  # torch compresses nothing
                raise damaged(path, f"no file of torch.save: its archive would unpack to {unpacked:,} bytes")
            spoilt = archive.testzip()
    except DataError:
        raise
    except Exception as error:  # zipfile raises what its parts do: zlib, struct, codecs
        raise damaged(path, "truncated: the table at the end of the archive is missing or broken") from error
    if spoilt:
        raise damaged(path, f"damaged: the checksum of {spoilt} is wrong")


def _explained(path: Path, error: Exception) -> DataError:
    names = sorted(set(re.findall(r"GLOBAL ([\w.]+)", str(error))))
    if names:
        return damaged(path, f"holds more than tensors: its pickle calls {', '.join(names)}", remedy=_CONVERT)
    return damaged(path, f"cannot be read as weights: truncated, damaged or something else ({type(error).__name__})")


def _is_dense(value: object) -> bool:
    """Whether values can be copied from it; a sparse, quantised or storage-less tensor would fail amid loading."""
    return isinstance(value, Tensor) and value.layout == torch.strided and not (value.is_quantized or value.is_meta)


def _refuse_not_finite(state: State, path: Path) -> None:
    bad = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if bad:
        shown = ", ".join(bad[:8]) + (", ..." if len(bad) > 8 else "")
        remedy = "take an earlier checkpoint of that training, from before its loss stopped being finite"
        raise damaged(path, f"NaN or infinite values in {len(bad)} of {len(state)} tensors: {shown}", remedy=remedy)
