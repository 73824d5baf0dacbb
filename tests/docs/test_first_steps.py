"""The Python of README and the notebook does what it says, in an empty folder."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import medmae

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "first_steps.ipynb"


def cells() -> list[dict]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def python_of_the_readme() -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    return block


def run(text: str, names: dict[str, object], *, source: Path) -> None:
    exec(compile(text, str(source), "exec"), names)


def test_the_notebook_is_kept_without_outputs():
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert code
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"]] == []


def test_the_way_in_fits_ten_lines_and_uses_all_of_it():
    block = python_of_the_readme()
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    assert [name for name in medmae.__all__ if name.islower() and f"medmae.{name}(" not in block] == []


@pytest.mark.slow
def test_the_python_of_the_readme_runs_as_printed(tmp_path, monkeypatch):
    from data_prep.tiny import make

    make("images", tmp_path / "made")
    shutil.move(tmp_path / "made" / "raw", tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    run(python_of_the_readme(), names, source=ROOT / "README.md")
    assert names["found"].features.shape == (40, names["encoder"].dim)
    assert names["scores"]["tasks"]
    assert (tmp_path / "runs" / "mae" / "report.html").is_file()


@pytest.mark.slow
def test_every_cell_of_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for cell in cells():
        if cell["cell_type"] == "code":
            run("".join(cell["source"]), names, source=NOTEBOOK)
    assert names["run"].report.is_file()
    assert len(names["found"]) == 40
    assert names["scores"]["tasks"]
