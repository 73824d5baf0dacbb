"""What a run was set to: kept in its checkpoints, and compared when it is resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from torch import nn

from medmae.errors import DataError
from medmae.nn.scaling import InputScale
from medmae.nn.words import WordEmbedding

# Settings that may change: they change when a run ends, or how fast it gets there, not what it does until then.
_FREE = frozenset({"epochs", "recompute", "compiled"})
# What the position in the data and the schedule are counted in.
_COUNTED = frozenset({"global_batch"})
_PLAIN = (bool, int, float, str)


def describe(value: object) -> Any:  # noqa: ANN401
    """The settings of an object as plain numbers, texts, lists and dicts: its public attributes of such types.

    Tensors are left out: what a network is shows in the shapes of its weights. See :func:`describe_method`, too.
    """
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    public = {name: item for name, item in vars(value).items() if not name.startswith("_") and name != "training"}
    kept = {name: item for name, item in public.items() if _is_plain(item) or is_dataclass(item)}
    return {"type": type(value).__name__, **{name: describe(item) for name, item in kept.items()}}


def describe_method(method: nn.Module) -> dict[str, Any]:
    """The settings of a method and of its parts: encoder, decoder, heads, ...; of input its scales and vocabulary."""
    parts = {name: describe(part) for name, part in method.named_children()}
    inputs: dict[str, Any] = {}
    for name, part in method.named_modules():
        if isinstance(part, InputScale):
            inputs[name] = part.scale.as_dict()
        elif isinstance(part, WordEmbedding):
            inputs[name] = {"vocabulary_sha256": part.vocabulary_sha256}
    return {**describe(method), "parts": {name: part for name, part in parts.items() if len(part) > 1}, **inputs}


def _is_plain(value: object) -> bool:
    if value is None or isinstance(value, _PLAIN):
        return True
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    return isinstance(value, list | tuple) and all(map(_is_plain, value))


def differences(before: Mapping[str, Any], now: Mapping[str, Any], *, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """What differs: dotted name -> (value then, value now)."""
    found: dict[str, tuple[Any, Any]] = {}
    for name in sorted({*before, *now}):
        first, second = before.get(name), now.get(name)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            found |= differences(first, second, prefix=f"{prefix}{name}.")
        elif first != second:
            found[prefix + name] = (first, second)
    return found


def require_same_shapes(before: Mapping[str, list[int]], now: Mapping[str, list[int]], *, path: object) -> None:
    """Refuses weights of another architecture.

    Raises:
        DataError: With the names and shapes that differ.
    """
    changed = differences(before, now)
    if changed:
        some = "; ".join(f"{name}: {old} then, {new} now" for name, (old, new) in list(changed.items())[:5])
        raise DataError(
            f"the checkpoint is of another architecture ({some})",
            path=str(path),
            field="tensors that differ",
            value=len(changed),
            remedy="resume with the method and sizes of the stopped run, or start anew",
        )


def require_resumable(
    before: Mapping[str, Any], now: Mapping[str, Any], *, path: object, allow_changes: bool
) -> list[str]:
    """Which settings changed since a checkpoint.

    Returns:
        A line for each difference.

    Raises:
        DataError: If the number of samples a step changed, which the position in the data is counted in; or anything
            else but the number of epochs, unless ``allow_changes``.
    """
    changed = differences(before, now)
    lines = [f"{name}: {old} then, {new} now" for name, (old, new) in changed.items()]
    if _COUNTED & changed.keys():
        raise DataError(
            f"the run was stopped with another number of samples a step ({'; '.join(lines)})",
            path=str(path),
            field="batch_size x processes x accumulate_grad_batches",
            value=tuple(changed["global_batch"]),
            remedy="choose them so that their product is what it was: position and schedule are counted in it",
        )
    if changed.keys() - _FREE and not allow_changes:
        raise DataError(
            f"settings changed since the checkpoint ({'; '.join(lines)})",
            path=str(path),
            field="changed",
            value=sorted(changed),
            remedy="go back to those of the stopped run, or pass --allow_changes true if you mean it",
        )
    return lines
