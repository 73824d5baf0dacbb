"""What tensors cannot tell: heads, epsilons, the form of GELU, how kinds are fused, and which number means which word.

Our files say them in their headers; loading compares where they do. A network with other heads, or other words, has the
same shapes and other outputs, and would be loaded without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from medmae.errors import DataError
from medmae.weights.folders import said_by_config
from medmae.weights.header import entry, read_entry
from medmae.weights.networks import networks_header
from medmae.weights.scales import scale_header

Unseen = dict[
    str, dict[str, float | str]
]  # {"num_heads": {"encoder.blocks.0.attn": 12}, "eps": {"encoder.norm": 1e-6}}

_FIELD = "unseen"
_NAMES: dict[str, type[int] | type[float] | type[str]] = {
    "num_heads": int,
    "eps": float,
    "approximate": str,  # of every GELU: none, or tanh
    "vocabulary_sha256": str,
    "fusion": str,  # of kinds of data: early and shared have the same tensors
    "sharing": str,  # of their decoder: so have shared and joint
}
_SAME = "that it was trained with: the same --method::_target_, or for `medmae import` --set"
_REMEDY = {
    "num_heads": f"build the network with the num_heads (and decoder_heads) {_SAME} num_heads=",
    "eps": f"build the network with the norm_eps {_SAME} norm_eps=",
    "approximate": "build the network with the form of GELU of the weights: gelu='tanh' where theirs is tanh, else "
    "'exact'; theirs is ",
    "vocabulary_sha256": "build the network with the vocabulary of the weights, which their header has; theirs is ",
    "fusion": f"build the network with the fusion {_SAME} fusion=",
    "sharing": f"build the network with the decoder {_SAME} decoder=",
}


def unseen_of(module: nn.Module, *, prefix: str = "") -> Unseen:
    """Heads, epsilons, forms of GELU, ways of fusion, hashes of vocabularies, by names of modules behind ``prefix``."""
    return {
        name: {
            prefix + path: value
            for path, part in module.named_modules()
            if isinstance(value := getattr(part, name, None), kind)
        }
        for name, kind in _NAMES.items()
    }


def header(module: nn.Module, *, prefix: str = "") -> dict[str, str]:
    """Entries for the metadata of a safetensors file whose keys are those of ``module`` behind ``prefix``."""
    return {
        **entry(_FIELD, unseen_of(module, prefix=prefix)),
        **scale_header(module, prefix=prefix),
        **networks_header(module, prefix=prefix),
    }


def read_unseen(path: str | Path) -> Unseen:
    """What the header of a file says; nothing of other files, and of those that were written without.

    Raises:
        DataError: If the header says it in another form than :func:`header`.
    """
    return read_entry(path, _FIELD, _parsed, empty={name: {} for name in _NAMES})


def published_unseen(encoder: nn.Module, path: str | Path, *, eps: float | None) -> Unseen:
    """What the published code of a layout, or the ``config.json`` of a folder, says of an encoder.

    Args:
        encoder: That is to receive the weights.
        path: The file or folder.
        eps: Of every norm, by the published code.
    """
    said = {**({} if eps is None else {"eps": eps}), **said_by_config(path)}
    return {name: dict.fromkeys(unseen_of(encoder)[name], value) for name, value in said.items()}


def refuse_others(module: nn.Module, said: Mapping[str, Mapping[str, float | str]], *, path: str | Path) -> None:
    """Refuses weights of a network with other heads, epsilons, forms of GELU, ways of fusion or words.

    Args:
        module: Is to receive the weights.
        said: Of the file, by our names; parts that ``module`` lacks are not looked at.
        path: The file.

    Raises:
        DataError: With the first part that differs, both values, and what to do.
    """
    for name, ours in unseen_of(module).items():
        for part, value in ours.items():
            theirs = said.get(name, {}).get(part, value)
            if theirs != value:
                raise DataError(
                    f"the weights were trained with {name}={_told(theirs)} in {part}, and this network has "
                    f"{_told(value)}",
                    path=path,
                    field=name,
                    value=_told(theirs),
                    remedy=f"{_REMEDY[name]}{_told(theirs)}",
                )


def _told(value: float | str) -> str:
    return value[:12] if isinstance(value, str) else f"{value:g}"


def _parsed(said: Mapping[str, Mapping[str, float | str]]) -> Unseen:
    return {
        name: {key: value if kind is str else float(value) for key, value in said.get(name, {}).items()}
        for name, kind in _NAMES.items()
    }
