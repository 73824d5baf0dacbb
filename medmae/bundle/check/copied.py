"""A private copy of a bundle that was checked, for MONAI's own commands: they read files, and read them otherwise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import yaml

from medmae.bundle.check.documents import load
from medmae.bundle.check.source import Bundle


def write_copy(bundle: Bundle, out: Path) -> None:
    """Writes configurations anew, in ASCII, from what was parsed and checked; other files are copied.

    Args:
        bundle: That passed the static checks.
        out: Folder of the copy.

    Raises:
        ValueError: If what is written would be read as something else.
    """
    for name in bundle.files:
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name not in bundle.documents:
            with bundle.opener(name) as source, path.open("xb") as file:
                shutil.copyfileobj(source, file)
            continue
        content, is_json = bundle.documents[name], name.endswith(".json")
        text = json.dumps(content) if is_json else yaml.safe_dump(content, sort_keys=False)
        if load(text, json_format=is_json) != content:
            raise ValueError(f"{name} cannot be written anew as it was read")
        path.write_text(text, encoding="ascii")
