"""Finding bundles and their configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from medmae.bundle.shipped import configs, find_bundle, find_config, shipped


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "mine é"
    (folder / "configs").mkdir(parents=True)
    for name in ("metadata.json", "train.yaml", "infer.v2.json", "logging.conf"):
        (folder / "configs" / name).write_text("{}")
    return folder


def test_a_bundle_is_found_by_path(bundle: Path) -> None:
    assert find_bundle(str(bundle)) == bundle


def test_every_shipped_bundle_is_found_by_name_from_anywhere(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, folder in shipped().items():
        assert find_bundle(name) == folder
        assert "train" in configs(folder)


def test_an_unknown_bundle_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(FileNotFoundError, match="no bundle 'nix'"):
        find_bundle("nix")


def test_metadata_and_logging_are_not_configurations(bundle: Path) -> None:
    assert configs(bundle) == ["infer.v2", "train"]


@pytest.mark.parametrize("name", ["train", "train.yaml", "train.json"])
def test_a_configuration_is_found_with_or_without_suffix(bundle: Path, name: str) -> None:
    assert find_config(bundle, name).name == "train.yaml"


def test_an_unknown_configuration_is_refused_with_the_names_that_exist(bundle: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no configuration 'trian'.*infer\.v2, train"):
        find_config(bundle, "trian")
    with pytest.raises(FileNotFoundError):
        find_config(bundle, "../../secret")


@pytest.mark.parametrize("name", shipped())
def test_every_recipe_that_trains_keeps_checkpoints_that_a_kill_cannot_halve(name: str) -> None:
    from monai.bundle import ConfigParser

    if "train" not in configs(shipped()[name]):
        pytest.skip("this bundle trains nothing under Lightning")
    trainer = ConfigParser.load_config_files([str(find_config(shipped()[name], "train"))])["train"]["trainer"]
    if trainer["_target_"] != "medmae.recipes.Trainer":  # which always has both
        assert {"_target_": "medmae.training.resume.AtomicCheckpointIO"} in trainer["plugins"]
        assert "medmae.training.Checkpoints" in [callback["_target_"] for callback in trainer["callbacks"]]
