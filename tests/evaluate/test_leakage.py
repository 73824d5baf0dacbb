"""Whom weights have seen: patients are compared with patients, images with images of one source."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from medmae.data.images.source import read_images
from medmae.errors import DataError
from medmae.evaluate.data_summary import summarise_data
from medmae.evaluate.leakage import require_unseen, subjects_seen


def record(folder, table, **more):
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"data": summarise_data(table), **more}))
    return folder


@pytest.fixture
def images(tmp_path):
    """Thirty images, five of each patient, in files."""
    (tmp_path / "images").mkdir()
    for number in range(30):
        Image.new("L", (4, 4), number).save(tmp_path / "images" / f"p{number // 5}_{number % 5}.png")
    return tmp_path / "images"


@pytest.mark.parametrize("patterns", [(r"^(p\d)", None), (None, r"^(p\d)")])
def test_one_source_split_by_patients_and_then_by_images_is_refused_unless_that_is_declared(images, tmp_path, patterns):
    first, second = (read_images(images, subject_from=pattern) for pattern in patterns)
    run = record(tmp_path / "run", first)
    with pytest.raises(DataError, match="split these same images by"):
        require_unseen(model_dir=run, manifest=second)
    with pytest.warns(UserWarning, match="transductive evaluation"):
        require_unseen(model_dir=run, manifest=second, allow=True)


def test_images_of_two_sources_are_not_the_same_for_their_numbers(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        pixels = np.random.default_rng(seed).integers(0, 255, (20, 4, 4), dtype=np.uint8)
        np.savez(tmp_path / f"{name}.npz", images=pixels)
    run = record(tmp_path / "run", read_images(tmp_path / "a.npz"))
    with pytest.warns(UserWarning, match="nobody can tell whether they are the same"):
        require_unseen(model_dir=run, manifest=read_images(tmp_path / "b.npz", seed=1))
    with pytest.raises(DataError, match="pre-training has seen"):  # the same source, of other splits
        require_unseen(model_dir=run, manifest=read_images(tmp_path / "a.npz", seed=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        require_unseen(model_dir=run, manifest=read_images(tmp_path / "a.npz"))


def test_what_earlier_weights_have_seen_is_still_compared_by_its_own_kind(images, tmp_path):
    first = record(tmp_path / "first", read_images(images))
    second = record(
        tmp_path / "second", read_images(images, subject_from=r"^(p\d)"), pretrained_on=sorted(subjects_seen(first))
    )
    np.savez(tmp_path / "other.npz", images=np.zeros((6, 4, 4), np.uint8), subjects=[f"q{n}" for n in range(6)])
    with pytest.warns(UserWarning, match="has seen 21 subjects that cannot be compared with the patients"):
        require_unseen(model_dir=second, manifest=read_images(tmp_path / "other.npz"))


def _seen(tmp_path, table):
    return record(tmp_path / "run", table)


def test_files_that_were_trained_on_are_known_under_any_name(images, tmp_path):
    run = _seen(tmp_path, read_images(images, subject_from=r"^(p\d)"))
    (tmp_path / "copy").mkdir()
    for path in images.iterdir():
        shutil.copy(path, tmp_path / "copy" / f"x{path.name}")
    with pytest.raises(DataError, match=r"has seen .* of the files .* under other names"):
        require_unseen(
            model_dir=run, manifest=read_images(tmp_path / "copy", subject_from=r"^(xp\d)", fractions=(0, 0, 1))
        )
    with pytest.warns(UserWarning, match="transductive evaluation"):
        require_unseen(
            model_dir=run,
            manifest=read_images(tmp_path / "copy", subject_from=r"^(xp\d)", fractions=(0, 0, 1)),
            allow=True,
        )


def test_patients_that_are_only_spelled_otherwise_are_the_same(images, tmp_path):
    run = _seen(tmp_path, read_images(images, subject_from=r"^(p\d)", fractions=(1, 0, 0)))
    pixels = np.random.default_rng(0).integers(0, 255, (6, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "other.npz", images=pixels, subjects=[f"P-00{n}" for n in range(6)])
    with pytest.raises(DataError, match="has seen 5 of the subjects to evaluate: P-00"):
        require_unseen(model_dir=run, manifest=read_images(tmp_path / "other.npz", fractions=(0, 0, 1)))


def test_weights_that_are_not_those_of_the_record_are_refused(images, tmp_path):
    run = record(tmp_path / "run", read_images(images, subject_from=r"^(p\d)"), hashes={"model.pt": "0" * 64})
    (run / "model.pt").write_bytes(b"others")
    with pytest.raises(DataError, match="these weights are not those of the run"):
        require_unseen(model_dir=run, manifest=read_images(images, subject_from=r"^(p\d)"))
