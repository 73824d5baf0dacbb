"""Writing weight files, whole or not at all, in the format that their names say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save

from medmae.errors import DataError
from medmae.files import atomic_write, sha256_of
from medmae.weights.read import State

STATE_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


def save_safetensors(state: State, path: str | Path, *, metadata: dict[str, str] | None = None) -> str:
    """Writes tensors atomically; returns the file's sha256.

    Raises:
        DataError: If the file is called something else: no reader would take it for what it is.
    """
    require_suffix(path, (".safetensors",))
    payload = save(_separate(state), metadata=metadata)
    with atomic_write(path) as file:
        file.write(payload)
    return sha256_of(path)


def save_by_suffix(state: State, path: str | Path, *, entry: str | None = None) -> str:
    """Writes tensors for another package, in the format that the name says; returns the file's sha256.

    Args:
        state: Under their keys.
        path: ``.safetensors``, or ``.pt``, ``.pth``, ``.bin`` as ``torch.save`` writes them.
        entry: Under which their code looks for the tensors in a file of ``torch.save``.

    Raises:
        DataError: If it is called something else.
    """
    require_suffix(path, STATE_SUFFIXES)
    if Path(path).suffix == ".safetensors":
        return save_safetensors(state, path)
    return save_pt(state, path, entry=entry)


def require_suffix(path: str | Path, suffixes: Sequence[str]) -> None:
    """Refuses a name that says another format than the one that would be written under it.

    Raises:
        DataError: With the suffixes that there are; none stands for a folder.
    """
    suffix = Path(path).suffix
    if suffixes and suffix not in suffixes:
        raise DataError(
            "the name says another format than the one that is written",
            path=path,
            field="suffix",
            value=suffix,
            remedy=f"call it {' or '.join(suffixes)}",
        )
    if not suffixes and suffix in (*STATE_SUFFIXES, ".ckpt", ".onnx"):
        remedy = "name a folder, without suffix"
        raise DataError("a folder is written, and this is the name of a file", path=path, remedy=remedy)


def save_pt(state: State, path: str | Path, *, entry: str | None = None) -> str:
    """Writes a plain state dict atomically, as MONAI's tools want it, or one in an entry; returns the file's sha256."""
    separate = _separate(state)
    with atomic_write(path) as file:
        torch.save(separate if entry is None else {entry: separate}, file)
    return sha256_of(path)


def _separate(state: State) -> State:
    """Contiguous tensors on the CPU, each alone in its memory.

    safetensors refuses tensors that share memory (tied weights), and torch would write all of the memory of which
    a tensor is a part.
    """
    separate: State = {}
    used: set[int] = set()
    for key, value in state.items():
        value = value.detach().cpu().contiguous()
        storage = value.untyped_storage()
        if storage.data_ptr() in used or storage.nbytes() != value.nbytes:
            value = value.clone()
        used.add(value.untyped_storage().data_ptr())
        separate[key] = value
    return separate
