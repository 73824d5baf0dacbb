"""What a place is that weights go out to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from medmae.weights.write import STATE_SUFFIXES

Written = tuple[str, str]  # sha256 of the weights, and what whoever loads them must know


@dataclass(frozen=True)
class Target:
    """A layout that ``medmae export`` writes; each file of this folder may define some.

    Attributes:
        name: Its name.
        write: Writes a trained encoder, or a whole method, to a path.
        whole: Whether it holds more than the encoder, so that ``write`` takes the method.
        suffixes: What its file may be called; none where it is a folder.
        scaled: Whether it says the scale of the input, or applies it.
        drop_class_token: Writes an encoder without its class token, where the layout may have none; None elsewhere.
    """

    name: str
    write: Callable[..., Written]
    whole: bool = False
    suffixes: tuple[str, ...] = STATE_SUFFIXES
    scaled: bool = False
    drop_class_token: Callable[..., Written] | None = None


def require_parts(method: nn.Module, kinds: Mapping[str, type[nn.Module]], *, target: str, what: str) -> None:
    """Refuses a method with other parts, or others of the same name, whose keys would mean nothing there.

    Args:
        method: Any.
        kinds: Its parts by name, all of them.
        target: Of which layout.
        what: Whose parts these are, for instance ``an MAE``.

    Raises:
        ValueError: With the parts that it has.
    """
    parts = dict(method.named_children())
    same = parts.keys() >= kinds.keys() and all(isinstance(parts[name], kind) for name, kind in kinds.items())
    others = {key.partition(".")[0] for key in method.state_dict()} - kinds.keys()
    if not same or others:
        found = ", ".join(f"{name} ({type(part).__name__})" for name, part in parts.items())
        raise ValueError(
            f"{target} holds the encoder, decoder and head of {what}, and {type(method).__name__} has {found}: "
            "export its encoder, to timm, monai, unetr, onnx or encoder"
        )
