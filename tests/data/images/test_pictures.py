"""Images of any source as samples of one size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from medmae.data import Pictures, Samples
from medmae.data.images.shapes import cover, with_channels
from medmae.errors import DataError


@pytest.fixture
def source(tmp_path):
    """Writes ``count`` grey images of two classes, in turn, of ``patients`` if these are given."""

    def write(count=20, *, shape=(12, 10), patients=None):
        rng = np.random.default_rng(0)
        arrays = {"images": rng.integers(0, 256, (count, *shape), dtype=np.uint8), "labels": np.arange(count) % 2}
        if patients is not None:
            arrays["subjects"] = np.array([f"p{number % patients}" for number in range(count)])
        np.savez(tmp_path / "set.npz", **arrays)
        return tmp_path / "set.npz"

    return write


def test_an_item_has_the_asked_size_channels_and_type(source):
    data = Samples(source=source(), view=Pictures(size=(8, 16), channels=3))
    item = data[0]
    assert item["image"].shape == (3, 8, 16)
    assert item["image"].dtype == torch.float32
    assert 0 <= item["image"].min() <= item["image"].max() <= 1
    assert torch.equal(item["image"][0], item["image"][2])
    assert Samples(source=source(), view=Pictures(dtype="uint8", channels=1))[0]["image"].dtype == torch.uint8


def test_drawn_splits_hold_every_image_once_and_each_class_by_the_same_shares(source):
    path = source(40)
    parts = [Samples(source=path, view=Pictures(size=None), split=split) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == 40
    assert [np.bincount(part.labels).tolist() for part in parts] == [[14, 14], [2, 2], [4, 4]]
    assert not set(parts[0].subjects) & set(parts[2].subjects)


def test_drawn_splits_keep_the_images_of_a_patient_together(source):
    path = source(40, patients=5)
    parts = [set(Samples(source=path, view=Pictures(), split=split).subjects) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == 5


def test_a_patient_in_two_splits_is_refused(tmp_path):
    images = np.zeros((2, 4, 4), dtype=np.uint8)
    arrays = {f"{split}_{name}": value for split in ("train", "test") for name, value in (("images", images),)}
    whose = {f"{split}_subjects": np.array(["p1", "p2"]) for split in ("train", "test")}
    np.savez(tmp_path / "x.npz", **arrays, **whose)
    with pytest.raises(DataError, match="more than one split"):
        Samples(source=tmp_path / "x.npz", view=Pictures())


def test_chosen_classes_are_numbered_in_their_order_and_others_left_out(source):
    data = Samples(source=source(), view=Pictures(), split=None, classes=["1"])
    assert data.classes == ("1",)
    assert len(data) == 10
    assert set(data.labels.tolist()) == {0}
    with pytest.raises(DataError, match="no class 7"):
        Samples(source=source(), view=Pictures(), classes=["7"])


def test_a_limit_takes_images_evenly(source):
    data = Samples(source=source(20), view=Pictures(), split=None, limit=3)
    assert [data.describe(i)["case"] for i in range(3)] == ["000000", "000010", "000019"]


def test_images_in_memory_are_those_on_disk_and_are_read_once(source):
    path = source()
    plain = Samples(source=path, view=Pictures(size=8))
    kept = Samples(source=path, view=Pictures(size=8), in_memory=True)
    for _ in range(2):
        assert all(torch.equal(plain[i]["image"], kept[i]["image"]) for i in range(len(plain)))
    object.__setattr__(kept.source, "read", None)  # nothing is left to be read
    assert torch.equal(kept[3]["image"], plain[3]["image"])


@pytest.mark.slow
def test_what_a_worker_read_is_in_memory_for_all(source):
    data = Samples(source=source(), view=Pictures(size=8), in_memory=True)
    list(DataLoader(data, num_workers=1, batch_size=4))
    assert bool(data._kept.there.all())


def test_a_missing_split_is_refused_unless_it_may_be_empty(source):
    with pytest.raises(DataError, match="no image is left"):
        Samples(source=source(2), view=Pictures(), split="val")
    assert len(Samples(source=source(2), view=Pictures(), split="val", may_be_empty=True)) == 0


def test_channels_that_no_rule_turns_into_others_are_refused_with_the_image(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.zeros((3, 4, 4, 5), dtype=np.uint8))
    assert Samples(source=tmp_path / "x.npz", view=Pictures(channels=5), split=None)[0]["image"].shape[0] == 5
    with pytest.raises(DataError, match="5 channels, and 3 are wanted"):
        Samples(source=tmp_path / "x.npz", view=Pictures(channels=3), split=None)[0]


def test_colour_becomes_the_grey_that_pillow_makes():
    from PIL import Image

    colour = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    ours = with_channels(torch.from_numpy(colour).permute(2, 0, 1), 1)[0].numpy()
    theirs = np.asarray(Image.fromarray(colour).convert("L"))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize(
    ("size", "columns"), [((10, 10), slice(5, 15)), ((5, 10), slice(0, 20)), ((10, 5), slice(7, 12))]
)
def test_a_cover_is_the_largest_centred_part_of_the_shape(size, columns):
    image = torch.zeros(1, 10, 20)
    image[..., columns] = 1
    assert cover(image, size=size).shape == (1, *size)
    assert cover(image, size=size).mean() > 0.99
