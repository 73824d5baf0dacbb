"""Pages of the documentation that are written elsewhere or made: mkdocs calls these functions by their names.

The README is the site's first page, pages of the bundles and of the project lie beside their code, and a reference page
is made for each package, from its docstrings. Links between them are those of the files, and lead to the pages here.
"""

from __future__ import annotations

import ast
import json
import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "docs/first_steps.ipynb"
NO_REFERENCE = {"medmae.cli"}  # `medmae --help` is its reference
LOADED = re.compile(r"""<(?:script|img|link rel="stylesheet")[^>]*? (?:src|href)="https?:[^"]*""")
log = logging.getLogger("mkdocs.plugins.pages")
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts all pages of a folder where the navigation names the folder."""
    pages = {*_elsewhere().values(), *_reference(), *_own()}
    config.nav = [_unfolded(entry, pages) for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that do not lie in ``docs``."""
    for source, page in _elsewhere().items():
        content = (ROOT / source).read_text(encoding="utf-8")
        text = _notebook(content) if source == NOTEBOOK else content
        files.append(File.generated(config, page, content=_relinked(text, source=source, page=page)))
    for page, text in _reference().items():
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "LICENSE", abs_src_path=str(ROOT / "LICENSE")))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:  # noqa: ANN401 (mkdocs' Page)
    """Leads links of pages in ``docs`` to what lies outside of it to the pages made of that."""
    source = f"docs/{page.file.src_uri}"
    return _relinked(markdown, source=source, page=page.file.src_uri) if (ROOT / source).is_file() else markdown


def on_post_page(output: str, *, page: Any, **_: object) -> None:  # noqa: ANN401
    """Warns, and so fails, where a page would load something from elsewhere."""
    for found in LOADED.findall(output):
        log.warning("%s loads something from elsewhere: %s", page.file.src_uri, found)


def _elsewhere() -> dict[str, str]:
    """Files of the repository, and the pages that they become."""
    recipes = sorted((ROOT / "bundles").glob("*/docs/README.md"))
    return {
        "README.md": "index.md",
        "CONTRIBUTING.md": "contributing.md",
        "CHANGELOG.md": "changelog.md",
        "SECURITY.md": "security-policy.md",
        NOTEBOOK: "first_steps.md",
        **{str(file.relative_to(ROOT)): f"recipes/{file.parents[1].name}.md" for file in recipes},
    }


def _own() -> list[str]:
    return [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]


def _unfolded(entry: Any, pages: set[str]) -> Any:  # noqa: ANN401 (a part of YAML)
    if isinstance(entry, dict):
        return {title: _unfolded(inner, pages) for title, inner in entry.items()}
    if isinstance(entry, list):
        return [_unfolded(inner, pages) for inner in entry]
    if isinstance(entry, str) and entry.endswith("/"):
        return sorted((page for page in pages if page.startswith(entry)), key=lambda page: page.removesuffix(".md"))
    return entry


def _relinked(text: str, *, source: str, page: str) -> str:
    """Links relative to ``source``, a file of the repository, as links relative to ``page``, a page of the site."""
    elsewhere = _elsewhere()

    def lead(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        inside = elsewhere.get(target) or target.removeprefix("docs/")
        return posixpath.relpath(inside, posixpath.dirname(page) or ".") + (link[2] or "")

    return LINK.sub(lead, text)


def _notebook(content: str) -> str:
    """A notebook as a page: its text, its code, and what that printed."""
    parts = []
    for cell in json.loads(content)["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        printed = "".join("".join(output.get("text", "")) for output in cell.get("outputs", []))
        parts += [f"```text\n{printed.rstrip()}\n```"] if printed else []
    return "\n\n".join(parts)


def _reference() -> dict[str, str]:
    """A page a package, with the docstrings of the modules that lie in it."""
    return {f"reference/{name}.md": "\n\n".join(_page(name, folder)) + "\n" for name, folder in _packages()}


def _packages() -> Iterator[tuple[str, Path]]:
    for root in ("medmae", "data_prep"):
        for file in sorted((ROOT / root).rglob("__init__.py")):
            name = ".".join(file.parent.relative_to(ROOT).parts)
            if name not in NO_REFERENCE:
                yield name, file.parent


def _page(name: str, folder: Path) -> Iterator[str]:
    yield f"---\ntitle: {name}\n---"
    yield f"::: {name}\n    options: {{ heading_level: 1, members: {json.dumps(_defined(folder / '__init__.py'))} }}"
    for file in sorted(folder.glob("*.py")):
        if not file.stem.startswith("_"):
            yield f"::: {name}.{file.stem}"


def _defined(file: Path) -> list[str]:
    """Public functions and classes that a module itself defines."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    names = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return [name for name in names if not name.startswith("_")]
