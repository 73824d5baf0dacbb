"""Whatever a page calls by its dotted name exists."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), *(ROOT / "bundles").rglob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"]
)
DOTTED = re.compile(r"(?<![\w./-])((?:medmae|data_prep)(?:\.[A-Za-z_]\w*)+)")


def exists(name: str) -> bool:
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        try:
            for part in parts[cut:]:
                found = getattr(found, part)
        except AttributeError:
            return False
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_dotted_name_on_a_page_exists(page):
    names = sorted(set(DOTTED.findall(page.read_text(encoding="utf-8"))))
    assert [name for name in names if not exists(name)] == []


def test_a_name_that_is_gone_is_noticed():
    assert exists("medmae.kinds.Kind")
    assert not exists("medmae.kinds.Sort")
    assert not exists("medmae.no_such_room.Thing")
