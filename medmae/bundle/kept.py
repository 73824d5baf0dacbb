"""The settings of a run, kept with it: a configuration that MONAI's own command runs again as it is."""

from __future__ import annotations

import ast
import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

import medmae
from medmae.bundle.handed import handed
from medmae.bundle.overrides import is_path
from medmae.bundle.places import is_expression
from medmae.bundle.shipped import BASE_KEY
from medmae.errors import DataError

FOLDER = "settings"
_SPECIAL = frozenset("#$@%")  # what MONAI's parser does not leave as it is
_LATER = frozenset({"newest"})  # words in the place of a path


def keep_settings(config: Mapping[str, Any], folder: Path, *, name: str, command: Sequence[str] = ()) -> Path:
    """Writes ``settings/<name>-<time>.yaml``, beside those of earlier runs in the same folder.

    Paths are absolute, values that a user gave are in their places, and there is nothing to merge.

    Args:
        config: Ids and values as MONAI's parser has them.
        folder: Of the results.
        name: Of the configuration; commas become ``+``, for MONAI splits names of files at commas.
        command: What was typed, for a reader.

    Returns:
        The file.

    Raises:
        DataError: If nothing can be written there.
    """
    content = {key: _plain(value, key) for key, value in config.items() if key not in ("_meta_", BASE_KEY)}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    now = datetime.now(UTC)
    about = f"# medmae {medmae.__version__}, {now:%Y-%m-%d %H:%M:%S} UTC: {shlex.join(command)}\n"
    about += "# The same again: python -m monai.bundle run --config_file THIS_FILE\n"
    stem = f"{name.replace(',', '+')}-{now:%Y%m%dT%H%M%SZ}"
    try:
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        return _write_new(folder / FOLDER, stem, about + text)
    except OSError as error:
        raise DataError(
            f"the settings of the run cannot be kept there ({error.strerror}); nothing was done",
            path=folder,
            field="output_dir",
            value=str(folder),
            remedy="choose another --output_dir, or free space",
        ) from error


def as_yaml(value: Any) -> str:  # noqa: ANN401
    """A value as it is typed after ``--key``, or as a recipe has it."""
    if isinstance(value, str):
        return value
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _write_new(folder: Path, stem: str, text: str) -> Path:
    """A file that is not there yet; two runs of one second are told apart by a number."""
    for number in range(1, 1000):
        path = folder / (f"{stem}.yaml" if number == 1 else f"{stem}-{number}.yaml")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            continue
        return path
    raise OSError(0, "a thousand runs began within one second")


def _plain(value: Any, key: str = "") -> Any:  # noqa: ANN401
    """What YAML can hold, and MONAI reads back as the same."""
    if isinstance(value, Mapping):
        made = value.get("_target_")
        if isinstance(made, partial) and made.func is handed:
            return _plain(made.keywords["was"], key)
        if isinstance(made, partial):
            return _called(made, key)
        return {str(name): _plain(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path) or (isinstance(value, str) and not is_expression(value)):
        return _text(str(value), key)
    return value


def _called(made: partial, key: str) -> Any:  # noqa: ANN401
    """A value that is made by a call, such as a text that MONAI would read as something else."""
    if made.func is str:
        return _text(str(made.args[0]), key)
    function: Any = made.func
    given = ", ".join(map(repr, made.args))
    ast.literal_eval(f"[{given}]")  # plain values, which are written as they are
    return _expression(f"__import__({function.__module__!r}, fromlist=['*']).{function.__qualname__}({given})")


def _text(text: str, key: str) -> str:
    """A text, absolute where it is a path; one that MONAI would read otherwise is an expression with that value."""
    if key and is_path(key) and text not in _LATER:
        text = str(Path(text).absolute())
    return _expression(repr(text)) if _SPECIAL & set(text) else text


def _expression(python: str) -> str:
    """For MONAI to evaluate; its signs inside of texts are written as Python's escapes."""
    return "$" + "".join(f"\\x{ord(sign):02x}" if sign in _SPECIAL else sign for sign in python)
