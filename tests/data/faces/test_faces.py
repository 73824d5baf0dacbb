"""The view of faces: what a sample holds, how it is cropped and mirrored, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_prep.tiny import make
from medmae.data import Faces, Samples
from medmae.data.faces.flip import mirrored, other_sides
from medmae.errors import DataError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make("faces", tmp_path_factory.mktemp("faces"))[0]


def test_a_sample_is_a_face_with_units_and_landmarks_and_people_are_in_one_split(prepared):
    parts = {split: Samples(source=prepared, view=Faces(size=32), split=split) for split in ("train", "val", "test")}
    sample = parts["train"][0]
    assert sample["image"].shape == (3, 32, 32)
    assert 0 <= sample["image"].min() < sample["image"].max() <= 1
    assert sample["landmarks"].shape == (68, 2)
    assert sample["target"].shape == sample["intensity"].shape == (12,)
    assert torch.equal(sample["target"], (sample["intensity"] >= 2).float())
    assert torch.equal(sample["label"], sample["target"])
    people = [set(part.subjects) for part in parts.values()]
    assert all(people)
    assert len(set.union(*people)) == sum(map(len, people))


def test_eyes_stand_where_the_mean_face_has_them(prepared):
    samples = Samples(source=prepared, view=Faces(size=64), split=None)
    eyes = torch.stack([samples[index]["landmarks"][36:48].mean(dim=0) for index in range(len(samples))])
    assert (eyes - torch.tensor([0.5, 0.4])).abs().max() < 0.03


def test_units_are_given_in_the_order_asked_for_and_unknown_ones_are_refused(prepared):
    all_of_them = Samples(source=prepared, view=Faces(size=16), split=None)
    some = Samples(source=prepared, view=Faces(size=16, units=["AU12", "AU1"]), split=None)
    assert some.classes == ("AU12", "AU1")
    np.testing.assert_array_equal(some.labels, all_of_them.labels[:, [6, 0]])
    with pytest.raises(DataError, match="no recording has these action units") as fault:
        Samples(source=prepared, view=Faces(units=["AU99"]))
    assert "AU12" in str(fault.value)


def test_every_nth_frame_is_taken(prepared):
    assert len(Samples(source=prepared, view=Faces(size=16, every=2), split=None)) == 24


def test_draws_are_of_seed_epoch_and_index_alone(prepared):
    view = Faces(size=32, crop=0.7, flip=0.5)
    one, other = (Samples(source=prepared, view=view, split="train") for _ in range(2))
    assert torch.equal(one[3]["image"], other[3]["image"])
    one.set_epoch(1)
    assert not torch.equal(one[3]["image"], other[3]["image"])


def test_landmarks_go_where_the_crop_goes(prepared):
    whole = Samples(source=prepared, view=Faces(size=64), split="train")[0]
    part = Samples(source=prepared, view=Faces(size=64, crop=0.6, seed=4), split="train")[0]
    scale = (part["landmarks"][45] - part["landmarks"][36]).norm() / (
        whole["landmarks"][45] - whole["landmarks"][36]
    ).norm()
    assert 1.0 < scale < 1 / 0.55
    x, y = (part["landmarks"][30] * 64).long().clamp(0, 63)
    nose = (whole["landmarks"][30] * 64).long()
    near = part["image"][:, y, x]
    torch.testing.assert_close(near, whole["image"][:, nose[1], nose[0]], atol=0.15, rtol=0)


def test_a_mirrored_face_is_mirrored_in_all_that_has_a_side():
    names = ("AU1", "AU12L", "AU12R")
    image, landmarks = torch.rand(3, 8, 8), torch.rand(68, 2)
    target, intensity = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([3.0, 4.0, 0.0])
    turned = mirrored(image, landmarks, target, intensity, names=names)
    assert torch.equal(turned[0], image.flip(2))
    torch.testing.assert_close(turned[1][45], torch.stack([1 - landmarks[36, 0], landmarks[36, 1]]))
    assert turned[2].tolist() == [1, 0, 1]
    assert turned[3].tolist() == [3, 0, 4]
    again = mirrored(*turned, names=names)
    assert all(
        torch.allclose(one, other) for one, other in zip(again, (image, landmarks, target, intensity), strict=True)
    )


def test_one_side_alone_is_not_mirrored():
    with pytest.raises(ValueError, match="there is no AU12R"):
        other_sides(("AU1", "AU12L"))
