"""The last section: configuration, versions and hashes, so that the run can be repeated and its files recognised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from markupsafe import Markup

from medmae.report.folder import RunFolder
from medmae.report.page import Section, details, note, table
from medmae.report.text import count, plain

TITLE = "Configuration"


def provenance(folder: RunFolder) -> Section:
    """Build the section from ``run.json``."""
    info = folder.info
    hashes = {**_mapping(info.get("hashes"))}
    if folder.data.get("manifest_sha256"):
        hashes.setdefault("manifest", folder.data["manifest_sha256"])
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
