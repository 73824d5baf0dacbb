"""The description and the addresses of a built distribution, which are read where the repository is not at hand."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")


class CustomMetadataHook(MetadataHookInterface):
    """With ``MEDMAE_URL``, the address of the repository's files, links lead there; else they become plain words."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatch."""
        url = os.environ.get("MEDMAE_URL", "").rstrip("/")
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": described(text, url=url)}
        if url:
            metadata["urls"] = {"Source": url, **{name: f"{url}/{page}" for name, page in _PAGES.items()}}


_PAGES = {"Documentation": "docs/quickstart.md", "Questions": "docs/faq.md", "Changelog": "CHANGELOG.md"}


def described(text: str, *, url: str) -> str:
    """A README whose relative links and pictures work elsewhere, or are none."""

    def replaced(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        if url:
            return f"{picture}[{words}]({url}/{target})"
        return "" if picture else words

    return _LINK.sub(replaced, text)
