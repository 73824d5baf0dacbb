"""The documentation site: `make docs` builds it; here is what that finds wrong, and how files become pages."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import griffe
import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = '''"""Room with :func:`open_it`, :class:`~house.other.Lamp`, :mod:`.other`.

A :class:`torch.nn.Module` and :func:`lost`.
"""
LIMIT = 3
LEAST, MOST = 1, 9
def open_it():
    """Opens :data:`MOST`; at most :data:`LIMIT`, see :meth:`Lamp.light` and :func:`house.gone`.

    >>> open_it()
    [1, 2]
    """
class Door:
    """A door."""
    def shut(self):
        """As :meth:`handle`; never :func:`_hidden`."""
class Gate(Door):
    """A gate."""
    def handle(self):
        """See :meth:`shut`."""
def _hidden():
    """Hidden."""
'''
OTHER = '''"""Other."""
class Lamp:
    """A lamp."""
    def light(self):
        """Lights."""
'''


def tool(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages():
    return tool("pages")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package, read as the site reads ours."""
    roles = tool("roles")
    roles.OURS = ("house",)
    folder = tmp_path_factory.mktemp("site") / "house"
    folder.mkdir()
    for name, text in {"__init__": "", "room": MODULE, "other": OTHER}.items():
        (folder / f"{name}.py").write_text(text)
    return griffe.load("house", search_paths=[folder.parent], extensions=griffe.load_extensions(roles.Roles))


@pytest.mark.parametrize(
    ("where", "written"),
    [
        ("room", "[`open_it`][house.room.open_it]"),  # where it stands
        ("room", "[`house.other.Lamp`][house.other.Lamp]"),
        ("room", "[`other`][house.other]"),  # beside the module
        ("room", "A `torch.nn.Module` and"),  # another package's
        ("room", "[`lost`][lost]"),  # nobody's: the build fails
        ("room.open_it", "Opens `MOST`;"),
        ("room.open_it", " `LIMIT`,"),  # it is there, but has no text of its own
        ("room.open_it", "[`Lamp.light`][house.other.Lamp.light]"),  # the only one in the package
        ("room.open_it", "[`house.gone`][house.gone]"),
        ("room.open_it", "```pycon\n>>> open_it()\n[1, 2]\n```"),
        ("room.Door.shut", " `_hidden`."),
        ("room.Gate.handle", "[`shut`][house.room.Door.shut]"),  # inherited
    ],
)
def test_roles_become_links_and_examples_code(package, where, written):
    assert written in package[where].docstring.value


def test_links_of_files_lead_to_the_pages_that_these_become(pages):
    text = (
        "[a](docs/quickstart.md#see) [b](LICENSE) [c](SECURITY.md) [d](https://x.org/y.md) ![e](docs/images/report.png)"
    )
    assert pages._relinked(text, source="README.md", page="index.md") == (
        "[a](quickstart.md#see) [b](LICENSE) [c](security-policy.md) [d](https://x.org/y.md) ![e](images/report.png)"
    )
    back = pages._relinked("[a](../README.md) [b](methods/mae.md)", source="docs/security.md", page="security.md")
    assert back == "[a](index.md) [b](methods/mae.md)"


def test_every_package_and_every_bundle_has_a_page(pages):
    reference, elsewhere = pages._reference(), pages._elsewhere()
    assert "::: medmae.masking.base\n" in reference["reference/medmae.masking.md"]
    assert "reference/medmae.cli.md" not in reference
    assert elsewhere["bundles/mr_edge_mae_pretraining/docs/README.md"] == "recipes/mr_edge_mae_pretraining.md"
    assert all((ROOT / source).is_file() for source in elsewhere)


def test_a_notebook_becomes_a_page_with_what_it_printed(pages):
    printed = {"output_type": "stream", "text": ["1\n"]}
    text = {"cell_type": "markdown", "source": ["# A\n", "b"]}
    code = {"cell_type": "code", "source": ["print(1)"], "outputs": [printed]}
    page = pages._notebook(json.dumps({"cells": [text, code]}))
    assert page == "# A\nb\n\n```python\nprint(1)\n```\n\n```text\n1\n```"


def test_what_a_page_loads_from_elsewhere_is_an_error(pages, caplog):
    class Page:
        class file:  # noqa: N801 (mkdocs' name)
            src_uri = "a.md"

    pages.on_post_page('<a href="https://x.org"></a><script src="own.js"></script>', page=Page)
    assert caplog.text == ""
    pages.on_post_page('<script async src="https://x.org/a.js"></script>', page=Page)
    assert "a.md loads something from elsewhere" in caplog.text
