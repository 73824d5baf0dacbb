"""One data set for every view: order, labels, shares, hashes and refusals."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from medmae.data import Pictures, Samples
from medmae.data.images.source import read_images
from medmae.data.labels import Labels
from medmae.data.views import About, plain
from medmae.errors import DataError
from medmae.kinds import Kind


@pytest.fixture
def table(tmp_path):
    """Twenty grey images of two classes and five patients."""
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    whose = np.array([f"p{number % 5}" for number in range(20)])
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(20) % 2, subjects=whose)
    return read_images(tmp_path / "set.npz")


def samples(table, *, size=8, dtype="float32", **options):
    return Samples(source=table, view=Pictures(size=size, channels=1, dtype=dtype), **{"split": None, **options})


def test_the_hash_tells_apart_sources_choices_and_ways_of_reading(table):
    ways = [
        samples(table),
        samples(table, split="train"),
        samples(table, size=4),
        samples(table, dtype="uint8"),
        samples(table, limit=3),
        samples(table, classes=["1", "0"]),
        samples(table, fraction=0.5),
        samples(replace(table, made_of="others")),
    ]
    assert len({some.sha256 for some in ways}) == len(ways)
    assert samples(table).sha256 == samples(table, in_memory=True).sha256 == samples(table, size=[8, 8]).sha256


def test_a_position_means_the_same_however_samples_are_read_but_not_among_others(table):
    order = samples(table).order_sha256
    assert order == samples(table, size=4).order_sha256 == samples(table, dtype="uint8").order_sha256
    others = [samples(table, limit=3), samples(table, split="train"), samples(replace(table, made_of="others"))]
    assert order not in {some.order_sha256 for some in others}


def test_kinds_say_what_the_tensors_are(table):
    assert samples(table).kinds == {"image": Kind.image(channels=1)}
    assert samples(table, dtype="uint8").kinds["image"].peak == 255
    unknown = Samples(source=table, view=Pictures(channels=None))
    assert unknown.kinds["image"].channels == ("0",)


def test_a_share_of_the_samples_keeps_whole_subjects_or_the_first_in_order(table):
    assert set(samples(table, fraction=0.4).subjects) == {"p0", "p1"}
    assert samples(table, fraction=0.4, fraction_by="images").describe(7)["case"] == "000007"
    assert len(samples(table, fraction=0.4, fraction_by="images")) == 8
    with pytest.raises(ValueError, match="fraction_by must be 'subjects' or 'images', got 'slices'"):
        samples(table, fraction=0.4, fraction_by="slices")
    with pytest.raises(ValueError, match=r"fraction must lie in \(0, 1\], got 0"):
        samples(table, fraction=0)


def test_several_labels_and_numbers_are_labels_too(table):
    findings = Labels(task="multi_label", names=("edema", "nodule"), values=np.eye(2, dtype=np.float32)[[0, 1] * 10])
    some = samples(replace(table, targets=findings), limit=3)
    assert (some.task, some.classes) == ("multi_label", ("edema", "nodule"))
    assert torch.equal(some[2]["label"], torch.tensor([0.0, 1.0]))
    assert some.labels.shape == (3, 2)
    with pytest.raises(DataError, match="classes cannot be left out of multi_label labels"):
        samples(replace(table, targets=findings), classes=["edema"])
    number = Labels(task="regression", names=("age",), values=np.array([[60.0]] * 19 + [[np.nan]], dtype=np.float32))
    assert number.known.tolist() == [True] * 19 + [False]


def test_targets_are_part_of_the_hash_of_a_table(table):
    age = Labels(task="regression", names=("age",), values=np.full((20, 1), 60, dtype=np.float32))
    older = replace(age, values=age.values + 1)
    hashes = {replace(table, targets=targets).sha256 for targets in (None, age, older)}
    assert len(hashes) == 3


def test_a_description_is_a_mapping_of_what_is_known(table):
    about = samples(table).describe(3)
    assert about == {"case": "000003", "subject": "p3", "label": "1"}
    assert (about.case, about.label, about.contrast) == ("000003", "1", None)
    assert dict(About("a", "b", contrast="T1", place={"slice": 3})) == {
        **{"case": "a", "subject": "b"},
        **{"contrast": "T1", "slice": 3},
    }


def test_an_index_beyond_the_last_is_refused_and_a_negative_one_counts_from_there(table):
    some = samples(table)
    assert some[-1]["index"] == 19
    with pytest.raises(IndexError):
        some[20]


def test_an_empty_data_set_is_refused_with_what_was_asked_for(table):
    with pytest.raises(DataError, match=r"no image is left to read .*'train', \['7'\]|no class 7"):
        samples(table, split="train", classes=["7"])
    with pytest.raises(DataError, match="no image is left to read"):
        samples(table, classes=[])
    with pytest.raises(ValueError, match="limit must be positive"):
        samples(table, limit=0)
    with pytest.raises(ValueError, match="split must be one of"):
        samples(table, split="training")


def test_options_become_json_by_public_attributes_and_functions_by_name():
    @dataclass(frozen=True)
    class Cut:
        size: tuple[int, ...] = (1, 2)
        _cache: int = 3

    class Other:
        def __init__(self):
            self.matrix, self._big = np.eye(2), object()

    assert plain({"cut": Cut(), "other": Other(), "by": plain}) == {
        "cut": {"class": "Cut", "size": [1, 2]},
        "other": {"class": "Other", "matrix": [[1.0, 0.0], [0.0, 1.0]]},
        "by": "medmae.data.views.plain",
    }


def test_samples_that_no_memory_can_keep_are_refused_with_what_to_do(table, monkeypatch):
    def full(self):
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", lambda self: self if self.ndim == 0 else full(self))
    with pytest.raises(DataError, match=r"no room to keep.*No space left.*--in_memory false"):
        samples(table, in_memory=True)
    assert len(samples(table)) == 20
