from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from medmae.data import Manifest, Samples, Slices
from medmae.data.volumes.slices import fit, longest_edge, unfit
from medmae.errors import DataError


def test_items_pool_cases_contrasts_and_slices_above_the_foreground(prepared):
    data = Samples(source=prepared({"a": "train", "b": "train", "c": "test"}), view=Slices(size=None))
    assert len(data) == 2 * 2 * 5  # slice 0 shows no head
    assert {(about.case, about.contrast, about["slice"]) for about in map(data.describe, range(len(data)))} == {
        (case, name, z) for case in "ab" for name in ("T1", "T2") for z in range(1, 6)
    }


def test_an_item_is_the_slice_that_locate_names(prepared):
    path = prepared({"a": "train"})
    data = Samples(source=path, view=Slices(size=None))
    for index in (0, 3, 9, -1):
        item = data[index]
        about = data.describe(index)
        name, z = about["contrast"], about["slice"]
        shard = np.load(path.parent / "shards" / "a.npy")
        np.testing.assert_array_equal(item["image"][0].numpy(), shard[z, data.source.contrast_names.index(name)])
        assert data.source.contrast_names[item["contrast"]] == name
        assert item["index"] == index % len(data)
        assert item["image"].dtype == torch.float32
        assert item["contrast"].dtype == torch.int64


def test_contrast_numbers_are_the_same_in_a_subset(prepared):
    data = Samples(source=prepared({"a": "train"}), view=Slices(contrasts=["T2"], size=None))
    assert {int(data[i]["contrast"]) for i in range(len(data))} == {1}
    assert data.source.contrast_names == ("T1", "T2")


def test_slices_become_centred_squares_without_resizing_when_the_edge_fits(prepared):
    data = Samples(source=prepared({"a": "train"}, shape=(3, 20, 16)), view=Slices(size=20))
    image = data[0]["image"]
    assert image.shape == (1, 20, 20)
    assert (image[..., :2] == 0).all()
    assert (image[..., -2:] == 0).all()
    torch.testing.assert_close(
        image[..., 2:-2], Samples(source=data.source, view=Slices(size=None))[0]["image"], rtol=0, atol=0
    )


def test_resizing_stays_in_range_and_unfit_undoes_fit():
    image = torch.rand(1, 11, 8)
    assert fit(image, size=32).shape == (1, 32, 32)
    assert 0 <= fit(image, size=32).min() <= fit(image, size=32).max() <= 1
    torch.testing.assert_close(unfit(fit(image, size=11), shape=(11, 8)), image, rtol=0, atol=0)
    smooth = torch.linspace(0, 1, 12).outer(torch.ones(12))[None]
    torch.testing.assert_close(unfit(fit(smooth, size=48), shape=(12, 12)), smooth, rtol=0, atol=0.02)


def test_without_resizing_slices_are_padded_and_come_back_exactly(prepared):
    path = prepared({"a": "train"})
    stored, padded = (Samples(source=path, view=Slices(size=size, resize=False))[3]["image"] for size in (None, 31))
    _, H, W = stored.shape
    assert padded.shape == (1, 31, 31)
    top, left = (31 - H) // 2, (31 - W) // 2
    assert torch.equal(padded[:, top : top + H, left : left + W], stored)
    assert padded.sum() == stored.sum()
    assert torch.equal(unfit(padded, shape=(H, W), resize=False), stored)


def test_without_resizing_slices_that_are_larger_are_refused_with_the_size_that_would_do(prepared):
    source = Manifest.read(prepared({"a": "train"}))
    edge = longest_edge(source.rows)
    assert len(Samples(source=source, view=Slices(size=edge, resize=False)))
    with pytest.raises(DataError, match=f"case a .*--method::image_size {edge}"):
        Samples(source=source, view=Slices(size=edge - 1, resize=False))
    with pytest.raises(ValueError, match="do not fit into 4 x 4 unless they are resized"):
        fit(torch.zeros(1, 5, 3), size=4, resize=False)


def test_workers_open_their_own_files(prepared):
    data = Samples(source=prepared({"a": "train"}), view=Slices(size=16))
    first = data[0]["image"]
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(copy[0]["image"], first)
    batch = next(iter(DataLoader(data, batch_size=4, num_workers=1, multiprocessing_context="fork")))
    assert batch["image"].shape == (4, 1, 16, 16)
    assert batch["contrast"].tolist() == [int(data[i]["contrast"]) for i in range(4)]


def test_a_constant_contrast_is_left_out(prepared):
    path = prepared({"a": "train"})
    path.write_text(path.read_text().replace('"flags": []', '"flags": ["constant"]', 1))
    data = Samples(source=path, view=Slices(size=None))
    assert {data.describe(i).contrast for i in range(len(data))} == {"T2"}


def test_nothing_left_is_refused(prepared):
    path = prepared({"a": "train"})
    with pytest.raises(DataError, match="no slice is left"):
        Samples(source=path, view=Slices(), split="test")
    with pytest.raises(DataError, match="no slice is left"):
        Samples(source=path, view=Slices(min_foreground=0.9))


def test_a_truncated_shard_is_named(prepared):
    path = prepared({"a": "train"})
    shard = path.parent / "shards" / "a.npy"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"a\.npy: the shard cannot be read"):
        Samples(source=path, view=Slices())[0]


def test_a_pickled_shard_is_never_loaded(prepared):
    path = prepared({"a": "train"})
    np.save(path.parent / "shards" / "a.npy", np.array([{"payload": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="the shard cannot be read"):
        Samples(source=path, view=Slices())[0]
