from __future__ import annotations

import numpy as np
import pytest
import torch

from medmae.data import Crops, Samples
from medmae.errors import DataError


def test_a_crop_is_the_window_that_locate_names(prepared):
    path = prepared({"a": "train"}, shape=(12, 20, 16))
    data = Samples(source=path, view=Crops(size=(4, 8, 8), crops_per_volume=3))
    assert len(data) == 2 * 3
    for index in range(len(data)):
        name, window = data.describe(index)["contrast"], data.view.window((12, 20, 16), data.item(index))
        shard = np.load(path.parent / "shards" / "a.npy")[:, data.source.contrast_names.index(name)]
        np.testing.assert_array_equal(data[index]["image"][0].numpy(), shard[window])
        assert data.source.contrast_names[data[index]["contrast"]] == name


def test_where_a_crop_lies_depends_on_seed_epoch_and_index_alone(prepared):
    path = prepared({"a": "train"}, shape=(12, 20, 16))

    def images(seed, epoch):
        data = Samples(source=path, view=Crops(size=(4, 8, 8), seed=seed))
        data.set_epoch(epoch)
        return torch.stack([data[i]["image"] for i in reversed(range(len(data)))])

    assert torch.equal(images(0, 3), images(0, 3))
    assert not torch.equal(images(0, 3), images(0, 4))
    assert not torch.equal(images(0, 3), images(1, 3))


def test_a_smaller_volume_is_padded_centred(prepared):
    path = prepared({"a": "train"}, shape=(2, 5, 6))
    image = Samples(source=path, view=Crops(size=(4, 8, 4)))[0]["image"]
    assert image.shape == (1, 4, 8, 4)
    assert (image[0, 0] == 0).all()
    assert (image[0, 3] == 0).all()
    assert (image[0, 1:3, 1:6] > 0).all()
    assert (image[0, :, 0] == 0).all()


def test_nothing_left_or_no_size_is_refused(prepared):
    path = prepared({"a": "train"})
    with pytest.raises(DataError, match="no crop is left"):
        Samples(source=path, view=Crops(), split="val")
    with pytest.raises(ValueError, match="must be positive"):
        Samples(source=path, view=Crops(size=(0, 8, 8)))
