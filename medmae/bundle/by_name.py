"""Methods and weights by the names that a command line gives them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medmae.arguments import UNKNOWN, arguments
from medmae.bundle.overrides import check_value, parse_options, read_value
from medmae.methods.base import Method
from medmae.methods.registry import create, methods
from medmae.weights.exchange import import_file
from medmae.weights.report import ImportReport


def method_by_name(name: str, *, preset: str, settings: Sequence[str] = ()) -> Method:
    """A method of a preset, some constructor arguments set anew.

    Args:
        name: As ``medmae list`` shows it.
        preset: One of its presets.
        settings: ``key=value`` each, such as ``image_size=160,256``.

    Raises:
        ValueError: If a name, a preset or an argument does not exist, with those that do.
    """
    options: dict[str, object] = dict(parse_options([f"--{setting}" for setting in settings]))
    known = (arguments(methods()[name].cls) if name in methods() else None) or {}
    for option in options.keys() & known.keys():
        now = UNKNOWN if known[option] is None else known[option]
        options[option] = read_value(option, str(options[option]), now)
        check_value(option, options[option], now)
    return create(name, preset=preset, **options)


def import_by_name(
    path: str | Path,
    out: str | Path,
    *,
    method: str,
    preset: str,
    settings: Sequence[str],
    source: str | None,
    encoder_only: bool,
    adapt: Sequence[Any],
    file_grid: str | None,
    sha256: str | None,
) -> ImportReport:
    """:func:`medmae.weights.exchange.import_file` for a method by name; the file tells what it was made for.

    Raises:
        ValueError: If something does not exist or fit; nothing is written.
    """
    about = {"method": method, "preset": preset, "settings": " ".join(settings), "source": source or "medmae"}
    return import_file(
        path,
        out,
        method=method_by_name(method, preset=preset, settings=settings),
        source=source,
        encoder_only=encoder_only,
        adapt=adapt,
        file_grid=_integers(file_grid) if file_grid is not None else None,
        sha256=sha256,
        about={**about, "medmae": version("medmae")},
    )


def _integers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise ValueError(f"a grid is whole numbers with commas between them, such as 10,16; got {text!r}")
    return tuple(int(part) for part in parts)
