"""What must stand beside every registered method."""

import re
from pathlib import Path

import pytest

from medmae.methods.registry import methods

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", methods())
def test_every_method_has_a_page_with_its_results_and_stands_in_the_readme(name):
    page = (ROOT / "docs" / "methods" / f"{name}.md").read_text(encoding="utf-8")
    section = re.search(r"^## Measured results\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert section, "the page has no section of measured results"
    assert re.search(r"^(\|.*\||Not measured yet\b)", section[1], re.MULTILINE), "neither a table nor why there is none"
    assert f"docs/methods/{name}.md" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", methods())
def test_every_method_has_its_golden_case(name):
    assert (ROOT / "tests" / "golden" / f"test_{name}.py").is_file()


@pytest.mark.parametrize("name", methods())
def test_every_method_file_names_its_paper_and_its_reference(name):
    text = (ROOT / "medmae" / "methods" / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
    assert "Paper: " in text
    assert "Reference: " in text
