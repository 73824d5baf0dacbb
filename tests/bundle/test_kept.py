"""The settings of a run stay with it, and run again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import yaml
from monai.bundle import ConfigWorkflow

from medmae.bundle.handed import as_data
from medmae.bundle.kept import keep_settings
from medmae.bundle.run import run_bundle
from medmae.errors import DataError

TRAIN = """
# A toy.
bundle_root: .
dataset_dir: ./data
output_dir: $@bundle_root + '/out'
checkpoint: null
factor: 2
words: [a, b]
imports: [$import pathlib]
inner: {_target_: builtins.dict, factor: '@factor'}
result: "$'|'.join([@dataset_dir, *@words, str(@inner['factor'])])"
run: ["$pathlib.Path(@output_dir, 'result.txt').write_text(@result)"]
"""
SMALL = "factor: 3\ninner::more: 4\n"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundles" / "toy"
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "train.yaml").write_text(TRAIN)
    (folder / "configs" / "small.yaml").write_text(SMALL)
    (folder / "configs" / "metadata.json").write_text('{"version": "0.1.0"}')
    return folder


def kept(out: Path) -> list[Path]:
    return sorted((out / "settings").iterdir())


def test_they_are_whole_absolute_and_run_again_by_monai_from_anywhere(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"dataset_dir": "study#2", "words": "[$1, 'it''s @x 5%']"}
    out = run_bundle(bundle, "train,small", options=options, trust=True)
    first = (out / "result.txt").read_text()
    assert first == "study#2|$1|it's @x 5%|3"  # the run itself has it as typed
    (file,) = kept(out)
    assert file.name.startswith("train+small-20")
    content = yaml.safe_load(file.read_text())
    assert content["factor"] == 3
    assert content["inner"]["more"] == 4
    assert "--dataset_dir 'study#2'" in file.read_text().splitlines()[0]
    (out / "result.txt").unlink()
    monkeypatch.chdir("/")
    again = ConfigWorkflow(str(file), workflow_type=None, logging_file=False)
    again.initialize()
    again.run()
    assert (out / "result.txt").read_text() == f"{tmp_path}/study#2|$1|it's @x 5%|3"


def test_a_second_run_keeps_its_own_beside_them(bundle):
    out = run_bundle(bundle, "train", trust=True)
    (first,) = kept(out)
    before = first.read_bytes()
    run_bundle(bundle, "train", trust=True, overrides={"factor": 9})
    assert len(kept(out)) == 2
    assert first.read_bytes() == before


def test_two_runs_of_one_second_are_told_apart(tmp_path):
    files = [keep_settings({"factor": number}, tmp_path, name="train") for number in range(4)]
    assert [yaml.safe_load(file.read_text()) for file in files] == [{"factor": number} for number in range(4)]


def test_what_a_call_makes_is_written_as_that_call(tmp_path):
    made = {"a": {"_target_": partial(dict, {"_target_": "x#y", "size": [1, 2]})}, "b": as_data(Path("c$d"))}
    file = keep_settings(made, tmp_path, name="train")
    again = ConfigWorkflow(str(file), workflow_type=None, logging_file=False)
    again.parser.parse()
    assert again.parser.get_parsed_content("a") == {"_target_": "x#y", "size": [1, 2]}
    assert again.parser.get_parsed_content("b") == "c$d"


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(
        DataError, match=r"out: the settings of the run cannot be kept there \(Not a directory\); nothing"
    ):
        keep_settings({}, tmp_path / "out", name="train")
