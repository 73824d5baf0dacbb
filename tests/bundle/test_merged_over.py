"""A configuration that is merged over another brings it; what nothing depends on cannot be set."""

from __future__ import annotations

from pathlib import Path

import pytest

from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import find_configs, shipped


def names(bundle: Path, config: str) -> list[str]:
    return [path.stem for path in find_configs(bundle, config)]


def test_a_configuration_brings_what_it_is_merged_over_once() -> None:
    bundle = shipped()["pathology_he_mmae_pretraining"]
    assert names(bundle, "evaluate") == ["inference", "evaluate"]
    assert names(bundle, "inference,evaluate,demo") == ["inference", "evaluate", "demo"]
    assert names(bundle, "train, demo") == ["train", "demo"]


def test_one_may_be_merged_over_one_that_is_merged_and_a_circle_ends(tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    configs.mkdir()
    for name, base in (("a", None), ("b", "a"), ("c", "b"), ("d", "e"), ("e", "d")):
        (configs / f"{name}.yaml").write_text("x: 1\n" if base is None else f"merged_over: {base}\n")
    assert names(tmp_path, "c") == ["a", "b", "c"]
    assert names(tmp_path, "d") == ["e", "d"]
    (configs / "b.yaml").write_text("merged_over: z\n")
    with pytest.raises(FileNotFoundError, match="no configuration"):
        find_configs(tmp_path, "c")


@pytest.mark.parametrize(("config", "key"), [("downstream", "precision"), ("evaluate", "num_workers")])
def test_an_option_that_nothing_depends_on_is_refused(config: str, key: str) -> None:
    with pytest.raises(ValueError, match=f"nothing that this configuration runs depends on '{key}'"):
        run_bundle("image_mae_pretraining", config, options={key: "1"})
