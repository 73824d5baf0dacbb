"""A copy of a shipped bundle: whole, its own, and able to run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from medmae.bundle.check.whole import check_bundle
from medmae.bundle.copying import copy_bundle
from medmae.bundle.shipped import shipped
from medmae.errors import DataError


@pytest.mark.parametrize("name", shipped())
def test_a_copy_has_all_files_and_passes_the_static_checks(tmp_path: Path, name: str) -> None:
    made = copy_bundle(name, tmp_path / "deep" / "my_own_task")
    parts = [path for part in ("configs", "docs", "LICENSE") for path in [shipped()[name] / part]]
    files = [file.relative_to(shipped()[name]) for part in parts for file in [part, *part.rglob("*")] if file.is_file()]
    assert sorted(file.relative_to(made) for file in made.rglob("*") if file.is_file()) == sorted(files)
    assert [outcome.findings for outcome in check_bundle(made, make_data=None) if outcome.state != "ok"] == []
    assert [path.name for path in made.parent.iterdir()] == ["my_own_task"]


def test_a_copy_says_its_own_name_and_no_longer_the_other(tmp_path: Path) -> None:
    made = copy_bundle("mr_mt_unet_synthesis", tmp_path / "t1-to.t2")
    texts = {file.name: file.read_text() for file in made.rglob("*") if file.is_file()}
    assert not [name for name, text in texts.items() if re.search(r"\bmr_mt_unet_synthesis\b", text)]
    assert yaml.safe_load(texts["train.yaml"])["training"]["bundle"] == "t1-to.t2"
    assert "medmae run t1-to.t2 train" in texts["README.md"]
    assert "--model_dir t1-to.t2/models" in texts["README.md"]  # its results lie in it
    assert "runs/mr_edge_mae_pretraining/models" in texts["README.md"]  # another bundle's do not


def test_a_copy_of_a_read_only_installation_can_be_edited(tmp_path: Path, monkeypatch) -> None:
    home = tmp_path / "installed"
    (home / "configs").mkdir(parents=True)
    for part in ("configs/train.yaml", "LICENSE"):
        (home / part).write_text("old: 1")
        (home / part).chmod(0o444)
    (home / "configs").chmod(0o555)
    monkeypatch.setattr("medmae.bundle.copying.shipped", lambda: {"old": home})
    monkeypatch.setattr("medmae.bundle.copying._PARTS", ("configs", "LICENSE"))
    made = copy_bundle("old", tmp_path / "new")
    assert made.stat().st_mode & 0o200
    assert all(path.stat().st_mode & 0o200 for path in made.rglob("*"))
    assert (made / "configs" / "train.yaml").read_text() == "new: 1"


def test_what_is_there_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("folder", "file", "link"):
        with pytest.raises(DataError, match="there is something already"):
            copy_bundle("image_mae_pretraining", tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert not list((tmp_path / "folder").iterdir())


@pytest.mark.parametrize(
    ("name", "why"), [("image_cmae_pretraining", "came with medmae"), ("my bundle", "no name"), ("1", "no name")]
)
def test_a_name_that_would_be_read_otherwise_is_refused(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        copy_bundle("image_mae_pretraining", tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_unknown_bundle_is_refused_with_the_names_that_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no shipped bundle 'nix'.*image_mae_pretraining"):
        copy_bundle("nix", tmp_path / "x")


@pytest.mark.slow
def test_a_copy_passes_all_checks_when_it_is_run(tmp_path: Path) -> None:
    from data_prep.tiny import make

    outcomes = check_bundle(copy_bundle("image_mae_pretraining", tmp_path / "my_own_task"), make_data=make)
    assert len(outcomes) == 27
    assert [outcome for outcome in outcomes if outcome.state not in ("ok", "warning")] == []
