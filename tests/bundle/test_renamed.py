"""Names that recipes had are told with what they are called now."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

from medmae.bundle.check.allowed import refusal
from medmae.bundle.check.refuse import BundleRefusedError
from medmae.bundle.renamed import RENAMED, renamed, renamed_in
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import shipped

NAME = "image_mae_pretraining"
OLD, NEW = "medmae.data.augment_images.ImageAugment", "medmae.data.augment.image.ImageAugment"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped()[NAME], tmp_path / NAME))


def edit(bundle: Path, old: str, new: str) -> None:
    train = bundle / "configs" / "train.yaml"
    assert old in train.read_text()
    train.write_text(train.read_text().replace(old, new))


def test_old_names_are_refused_and_what_they_are_now_is_not() -> None:
    for old, new in RENAMED.items():
        assert refusal(old) is not None
        found = re.findall(r"medmae(?:\.\w+)+", new)
        assert found
        for name in found:
            assert refusal(name) is None or (refusal(old + ".x") and importlib.util.find_spec(name)), (old, name)


def test_the_longest_key_counts_and_a_module_keeps_its_names() -> None:
    assert renamed(OLD) == NEW
    assert renamed("medmae.bundle.finish.finish_pretraining") == "medmae.recipes.Pretraining"
    assert renamed(NEW) is None
    assert renamed_in(f"$isinstance(@x, {OLD})") == f"{OLD} is {NEW} now"


@pytest.mark.parametrize("trust", [False, True])
def test_an_old_bundle_is_told_the_new_name(bundle: Path, trust: bool) -> None:
    edit(bundle, NEW, OLD)
    with pytest.raises((BundleRefusedError, ValueError), match=re.escape(f"is {NEW} now")):
        run_bundle(bundle, "train", trust=trust)


SAID = {"val_loader": "it is validation now", "held": "those that it takes"}


@pytest.mark.parametrize("argument", SAID)
def test_an_argument_that_no_class_takes_is_told_in_a_line(bundle: Path, tmp_path: Path, argument: str) -> None:
    from data_prep.tiny.images import make

    edit(bundle, "validation: '@validate::dataset'", f"{argument}: '@validate::dataset'")
    where = {"dataset_dir": str(make(tmp_path / "images")[0]), "output_dir": str(tmp_path / "out")}
    tiny = {"method::_target_": "medmae.methods.mae.mae_tiny", "image_size": 32, "patch_size": 8, "channels": 1}
    with pytest.raises(ValueError, match=f"Training.*'{argument}': .*{SAID[argument]}"):
        run_bundle(bundle, "train", overrides={**where, **tiny, "read_size": 32})
