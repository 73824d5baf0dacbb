"""How a run was made and is used; and configuration, versions and hashes, to repeat it and recognise its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from markupsafe import Markup

from medmae.report.folder import RunFolder
from medmae.report.page import Section, details, note, table
from medmae.report.text import count, plain

TITLE, RUN_TITLE = "Configuration", "This run"
FACTS = {"finished": "Finished", "command": "Command", "hardware": "Hardware", "code": "Code"}


def this_run(folder: RunFolder) -> Section | None:
    """When, by which command, where and by which code it was made, where it lies, and how its encoder is loaded."""
    info, paths = folder.info, _mapping(folder.info.get("paths"))
    rows = [[name, _told(key, str(info[key]))] for key, name in FACTS.items() if info.get(key)]
    if paths.get("output_dir"):
        rows.append(["Folder", _code(str(paths["output_dir"]))])
    if paths.get("weights"):
        rows.append(["Load the encoder", _code(f"import medmae; encoder = medmae.load_encoder({paths['weights']!r})")])
    return Section(title=RUN_TITLE, blocks=[table(["", ""], rows, wrap={1})]) if rows else None


def _told(key: str, value: str) -> Markup | str:
    return _code(value) if key == "command" else value.replace("T", " ", 1) if key == "finished" else value


def provenance(folder: RunFolder) -> Section:
    """Build the section from ``run.json``."""
    info = folder.info
    hashes = {**_mapping(info.get("hashes"))}
    if folder.data.get("manifest_sha256"):
        hashes.setdefault("manifest", folder.data["manifest_sha256"])
    if folder.data.get("made_of"):
        hashes.setdefault("contents of the data set", folder.data["made_of"])
    return Section(
        title=TITLE,
        blocks=[
            _fold("Settings", _flatten(info.get("config")), missing="run.json holds no configuration."),
            _fold("Versions", _mapping(info.get("versions")).items(), missing="run.json holds no package versions."),
            _fold("SHA-256 of files", hashes.items(), missing="run.json holds no hashes."),
        ],
    )


def _fold(title: str, items: Iterable[tuple[str, object]], *, missing: str) -> Markup:
    rows = [[_code(str(key)), _code(plain(value))] for key, value in items]
    if not rows:
        return note(missing)
    return details(f"{title} ({count(len(rows), 'entry', 'entries')})", table(["Name", "Value"], rows, wrap={1}))


def _code(text: str) -> Markup:
    return Markup("<code>{}</code>").format(text)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _flatten(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Walk a nested configuration as dotted names and plain values."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flatten(item, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, value
