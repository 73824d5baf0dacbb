"""docs/transfer.md does what it says: all of its blocks are run, in order, in an empty folder."""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path

import pytest
import torch

from medmae import cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "transfer.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def empty_folder(monkeypatch):
    """Not pytest's own, which stays: the page writes files of hundreds of megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.chdir(folder)
        yield Path(folder)
        monkeypatch.undo()


def run_commands(text: str) -> None:
    lines = text.replace("\\\n", " ").splitlines()
    assert all(line.startswith("medmae ") for line in lines)
    for line in lines:
        with pytest.raises(SystemExit) as stop:
            cli.main(shlex.split(line)[1:])
        assert stop.value.code == 0, line


@pytest.mark.slow
def test_every_line_of_the_page_runs(empty_folder, capsys):
    pytest.importorskip("einops", reason="MONAI's UNETR needs it")
    torch.manual_seed(0)
    names: dict[str, object] = {"__name__": "transfer"}
    shown = ""
    for kind, text in BLOCK.findall(PAGE.read_text()):
        if kind == "python":
            exec(compile(text, str(PAGE), "exec"), names)
            shown = capsys.readouterr().out
        elif kind == "text":
            assert text in shown
        else:
            assert kind == ""
            run_commands(text)
    assert names["report"].fits
    assert torch.isfinite(names["value"])
    assert names["features"].shape == (2, 61, 768)
    written = {"vit_base_patch16_224", "pretraining", "start", "unetr"}
    assert {path.stem for path in empty_folder.glob("*.safetensors")} == written
