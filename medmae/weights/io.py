"""Reading and writing weight files, and loading them with a table of what matched."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from medmae.errors import DataError
from medmae.files import atomic_write, sha256_of
from medmae.weights.maps.base import KeyMap

State = dict[str, Tensor]


@dataclass(frozen=True)
class ImportReport:
    """What happened to each key.

    Attributes:
        matched: Our keys that were loaded.
        missing: Our keys that the file does not have.
        unexpected: Keys of the file that we do not have.
        reshaped: Keys whose shapes differ, with both shapes.
        dead: Keys of the file that its own network never uses.
    """

    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)

    def table(self) -> str:
        """The report as text, one group a line."""
        groups = ("matched", "missing", "unexpected", "reshaped", "dead")
        lines = []
        for group in groups:
            keys = getattr(self, group)
            shown = "" if group == "matched" else ", ".join(keys[:8]) + (", ..." if len(keys) > 8 else "")
            lines.append(f"{group:>10} {len(keys):5d}  {shown}".rstrip())
        return "\n".join(lines)


def import_state(
    module: nn.Module, state: State, *, key_map: KeyMap | None = None, strict: bool = True
) -> ImportReport:
    """Loads a state dict into ``module``.

    Args:
        module: Receives the weights.
        state: Theirs.
        key_map: How their keys are called here; None if they are ours.
        strict: Refuse missing, unexpected or reshaped keys. Without it what fits is loaded, and the report says
            what did not; shapes are never adapted.

    Raises:
        ValueError: With the whole table, and ``module`` unchanged.
    """
    renamed, dead = key_map.apply(state) if key_map else (dict(state), [])
    own = module.state_dict()
    reshaped = [
        f"{key} {tuple(value.shape)} -> {tuple(own[key].shape)}"
        for key, value in renamed.items()
        if key in own and own[key].shape != value.shape
    ]
    fitting = {key: value for key, value in renamed.items() if key in own and own[key].shape == value.shape}
    report = ImportReport(
        matched=sorted(fitting),
        missing=sorted(own.keys() - renamed.keys()),
        unexpected=sorted(renamed.keys() - own.keys()),
        reshaped=reshaped,
        dead=dead,
    )
    if strict and (report.missing or report.unexpected or report.reshaped):
        raise ValueError(f"the weights do not fit {type(module).__name__}:\n{report.table()}")
    module.load_state_dict(fitting, strict=False)
    return report


def save_safetensors(state: State, path: str | Path, *, metadata: dict[str, str] | None = None) -> str:
    """Writes tensors atomically; returns the file's sha256."""
    payload = save({key: value.detach().cpu().contiguous() for key, value in state.items()}, metadata=metadata)
    with atomic_write(path) as file:
        file.write(payload)
    return sha256_of(path)


def save_pt(state: State, path: str | Path) -> str:
    """Writes a plain state dict atomically, as MONAI's tools want it; returns the file's sha256."""
    with atomic_write(path) as file:
        torch.save({key: value.detach().cpu().contiguous() for key, value in state.items()}, file)
    return sha256_of(path)


def load_state(path: str | Path) -> State:
    """Reads ``.safetensors``, or a ``.pt``/``.pth`` that holds only tensors (code in it is never run).

    A published file's ``model`` or ``state_dict`` entry is unpacked.

    Raises:
        DataError: If the file is missing, damaged, or holds anything else than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("no such weight file", path=path)
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise DataError(f"not a readable safetensors file ({error})", path=path, remedy="fetch it again") from error
    try:
        # Published MAE files carry the training arguments beside the tensors; nothing else is allowed.
        with torch.serialization.safe_globals([argparse.Namespace]):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types here, none of which names the file
        raise DataError(
            f"cannot be read as weights ({type(error).__name__})",
            path=path,
            field="sha256",
            value=sha256_of(path),
            remedy="the file is damaged or holds more than tensors: fetch it again, or convert it to safetensors",
        ) from error
    for entry in ("model", "state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(entry), dict):
            loaded = loaded[entry]
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise DataError("holds no state dict of tensors", path=path, remedy="save model.state_dict()")
    return loaded


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Loads weights of our own layout, strictly.

    Raises:
        DataError: If the file is missing or damaged, or belongs to a network of another size.
    """
    state = load_state(path)
    try:
        import_state(module, state)
    except ValueError as error:
        remedy = "build the network with the sizes it was trained with, for instance the same --method::_target_"
        raise DataError(str(error), path=path, remedy=remedy) from error
