from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from medmae.data import Crops, Pairs, Samples, Slices, Stacks
from medmae.data.volumes.slices import fit
from medmae.errors import DataError
from medmae.files import sha256_of
from medmae.training import Checkpoints, ResumableLoader
from medmae.training import fit as train
from tests.training.toys import module, trainer

TEN = {f"p{number:02d}": "train" for number in range(10)}


def pairs(path, **options):
    """Pairs of slices; options of the slices, of the pairs and of the data set."""
    cut = Slices(**({"size": None} | {key: options.pop(key) for key in ("size", "min_foreground") if key in options}))
    named = {"source": "T1", "target": "T2"}
    named |= {key: options.pop(key) for key in ("source", "target", "neighbours", "lesions") if key in options}
    return Samples(source=path, view=Pairs(cut=cut, **named), **options)


def subjects(data):
    return sorted({data.describe(index)["subject"] for index in range(len(data))})


def test_an_item_is_one_slice_of_both_contrasts(prepared):
    path = prepared({"a": "train", "b": "train"}, contrasts=("FLAIR", "T1", "T2"))
    data = pairs(path, source="T2", target="FLAIR")
    assert len(data) == 2 * 5  # slice 0 shows no head
    for index in (0, 4, 5, -1):
        item, about = data[index], data.describe(index)
        shard, z = np.load(path.parent / "shards" / f"{about.case}.npy"), about["slice"]
        np.testing.assert_array_equal(item["image"][0].numpy(), shard[z, 2])
        np.testing.assert_array_equal(item["target"][0].numpy(), shard[z, 0])
        assert item["index"] == index % len(data)
        assert item["image"].dtype == item["target"].dtype == torch.float32
    assert data.describe(6) == {"case": "b", "subject": "b", "source": "T2", "target": "FLAIR", "slice": 2}


def test_only_cases_with_both_contrasts_are_read(prepared):
    path = prepared(
        {"a": "train", "b": "train", "c": "train", "d": "test"},
        contrasts={"a": ("T1", "T2"), "b": ("T1",), "c": ("FLAIR", "T2"), "d": ("T2", "T1")},
    )
    assert subjects(pairs(path)) == ["a"]
    assert subjects(pairs(path, split=None)) == ["a", "d"]
    last = pairs(path, split="test")[0]
    shard = np.load(path.parent / "shards" / "d.npy")
    np.testing.assert_array_equal(last["image"][0].numpy(), shard[1, 1])  # by name, not by place


def test_a_case_whose_target_is_constant_is_no_pair(prepared):
    path = prepared({"a": "train", "b": "train"})
    path.write_text(path.read_text().replace('"flags": []', '"flags": ["constant"]', 1))
    assert subjects(pairs(path)) == ["b"]


def test_both_contrasts_are_fitted_alike(prepared):
    path = prepared({"a": "train"}, shape=(3, 20, 16))
    item = pairs(path, size=32)[0]
    shard = torch.from_numpy(np.load(path.parent / "shards" / "a.npy"))
    assert torch.equal(item["image"], fit(shard[1, :1], size=32))
    assert torch.equal(item["target"], fit(shard[1, 1:], size=32))


def test_neighbours_are_the_slices_around_and_the_last_one_is_repeated_beyond_the_ends(prepared):
    path = prepared({"a": "train"}, shape=(6, 8, 8))
    path.write_text(path.read_text().replace('"foreground": [0.0', '"foreground": [0.5'))
    data = pairs(path, neighbours=2)
    shard = np.load(path.parent / "shards" / "a.npy")[:, 0]
    for index, wanted in {0: [0, 0, 0, 1, 2], 1: [0, 0, 1, 2, 3], 3: [1, 2, 3, 4, 5], 5: [3, 4, 5, 5, 5]}.items():
        np.testing.assert_array_equal(data[index]["image"].numpy(), shard[wanted])
        assert data[index]["target"].shape == (1, 8, 8)
    assert pairs(path, neighbours=2, size=16)[0]["image"].shape == (5, 16, 16)


@pytest.mark.parametrize(("fraction", "count"), [(1.0, 10), (0.7, 7), (0.34, 3), (0.36, 4), (0.001, 1)])
def test_a_fraction_keeps_whole_subjects(prepared, fraction, count):
    data = pairs(prepared(TEN), fraction=fraction)
    assert subjects(data) == sorted(TEN)[:count]
    assert len(data) == 5 * count


def test_all_sessions_of_a_subject_are_kept_or_left_out_together(prepared):
    path = prepared({"a1": "train", "a2": "train", "b1": "train", "b2": "train"})
    text = path.read_text()
    for case in ("a1", "a2", "b1", "b2"):
        text = text.replace(f'"subject": "{case}"', f'"subject": "{case[0]}"')
    path.write_text(text)
    data = pairs(path, fraction=0.5)
    assert sorted({data.describe(index)["case"] for index in range(len(data))}) == ["a1", "a2"]


def test_a_seed_shuffles_the_subjects_alike_every_time_and_smaller_shares_are_part_of_larger(prepared):
    path = prepared(TEN)
    some = [subjects(pairs(path, fraction=0.3, fraction_seed=seed)) for seed in (0, 0, 1, 2)]
    assert some[0] == some[1]
    assert len({tuple(names) for names in some}) > 1
    assert set(some[0]) < set(subjects(pairs(path, fraction=0.7, fraction_seed=0)))


def test_by_slices_the_first_ones_are_kept_to_the_number_even_through_a_subject(prepared):
    path = prepared(TEN)
    data, everything = pairs(path, fraction=0.35, fraction_by="slices"), pairs(path)
    assert sorted(set(data.subjects)) == subjects(data)
    assert len(subjects(data)) == 4 < len(subjects(everything))
    assert len(data) == int(0.35 * 50) == 17
    assert [data.describe(index) for index in range(17)] == [everything.describe(index) for index in range(17)]
    assert subjects(data) == sorted(TEN)[:4]


def test_a_contrast_that_the_data_lack_is_named_with_those_that_are_there(prepared):
    path = prepared({"a": "train"})
    with pytest.raises(DataError, match=r"no contrast FLAIR in this data set \[contrasts = \['T1', 'T2'\]\]"):
        pairs(path, target="FLAIR")


def test_a_split_without_a_pair_is_refused_with_what_its_cases_have(prepared):
    path = prepared({"a": "train", "b": "test"}, contrasts={"a": ("T1", "T2"), "b": ("T1",)})
    with pytest.raises(DataError, match=r"no slice is left to read.*a case needs 2 of the contrasts T1, T2.*have T1$"):
        pairs(path, split="test")
    with pytest.raises(DataError, match="the split is empty"):
        pairs(path, split="val")
    with pytest.raises(DataError, match=r"no slice is left to read \[.*'min_foreground': 0.9"):
        pairs(path, min_foreground=0.9)
    with pytest.raises(DataError, match=r"no slice is left to read \[.*\[0.1, 'slices', None\]"):
        pairs(path, fraction=0.1, fraction_by="slices")
    assert len(pairs(path, split="val", may_be_empty=True)) == 0
    assert len(pairs(path, min_foreground=0.9, may_be_empty=True)) == 0


def test_a_cut_chooses_no_contrasts_and_a_crop_has_no_neighbours():
    for view, more in ((Stacks, {}), (Pairs, {"source": "T1", "target": "T2"})):
        with pytest.raises(ValueError, match=r"names the contrasts, got \['T1'\] of its cut, too"):
            view(cut=Slices(contrasts=["T1"]), **more)
    with pytest.raises(ValueError, match="neighbours are those of a slice, got 1 of Crops"):
        Pairs(cut=Crops(), source="T1", target="T2", neighbours=1)


def test_kinds_tell_neighbours_contrasts_and_axes(prepared):
    path = prepared({"a": "train"})
    assert pairs(path, neighbours=1).kinds["image"].channels == ("slice 0", "slice 1", "slice 2")
    assert pairs(path).kinds["target"].roles == ("row", "column")
    stack = Samples(source=path, view=Stacks(cut=Crops(size=(4, 8, 8))))
    assert stack.kinds["image"].channels == ("T1", "T2")
    assert stack.kinds["image"].roles == ("depth", "row", "column")


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"source": "T2"}, r"each contrast can be named once, got \['T2', 'T2'\]"),
        ({"fraction": 0.0}, r"fraction must lie in \(0, 1\], got 0.0"),
        ({"fraction": 1.2, "fraction_by": "slices"}, r"fraction must lie in \(0, 1\], got 1.2"),
        ({"fraction_by": "patients"}, "fraction_by must be 'subjects' or 'slices', got 'patients'"),
        ({"fraction_by": "slices", "fraction_seed": 1}, "got fraction_seed=1"),
        ({"neighbours": -1}, "neighbours must be >= 0, got -1"),
        ({"size": 0}, "size must be positive or None, got 0"),
    ],
)
def test_options_out_of_range_are_refused(prepared, bad, match):
    with pytest.raises(ValueError, match=match):
        pairs(prepared({"a": "train"}), **bad)


def test_workers_open_their_own_files(prepared):
    data = pairs(prepared({"a": "train"}))
    first = data[0]
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(copy[0]["target"], first["target"])


def test_crops_of_a_pair_are_cut_at_the_same_place(prepared):
    path = prepared({"a": "train", "b": "train"}, shape=(12, 20, 16))
    data = Samples(source=path, view=Pairs(cut=Crops(size=(4, 8, 8), crops_per_volume=3), source="T2", target="T1"))
    assert len(data) == 2 * 3

    def windows(index):
        return data.view.cut.window((12, 20, 16), data.item(index))

    for index in (*range(6), -1):
        item, window = data[index], windows(index)
        shard = np.load(path.parent / "shards" / f"{data.describe(index).case}.npy")
        np.testing.assert_array_equal(item["image"][0].numpy(), shard[:, 1][window])
        np.testing.assert_array_equal(item["target"][0].numpy(), shard[:, 0][window])
        assert item["index"] == index % 6
    assert len({tuple(part.start for part in windows(index)) for index in range(6)}) > 3
    middle = data.describe(0)["slice"]
    assert data.describe(0) == {"case": "a", "subject": "a", "source": "T2", "target": "T1", "slice": middle}
    assert middle == windows(0)[0].start + 2


def test_crops_move_with_the_epoch_and_keep_to_a_fraction_of_the_subjects(prepared):
    path = prepared(TEN, shape=(12, 20, 16))

    def images(epoch):
        data = Samples(source=path, view=Pairs(cut=Crops(size=(4, 8, 8)), source="T1", target="T2"), fraction=0.2)
        data.set_epoch(epoch)
        assert len(data) == 2 * 8
        return torch.stack([data[index]["image"] for index in range(len(data))])

    assert torch.equal(images(1), images(1))
    assert not torch.equal(images(1), images(2))


def marked(path, case, volume, *, name="lesion_mask"):
    """Adds a label map ``(S, H, W)`` to a case of a prepared data set."""
    shard = path.parent / "shards" / f"{case}_{name}.npy"
    np.save(shard, volume.astype(np.uint8))
    label = {"name": name, "shard": f"shards/{shard.name}", "shard_sha256": sha256_of(shard)}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["labels"] += [label] if row["case"] == case else []
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")


def test_lesions_lie_where_label_maps_mark_them_and_nowhere_in_a_case_without(prepared):
    path = prepared({"a": "train", "b": "train"})
    volume = np.random.default_rng(0).random((6, 20, 16)) > 0.8
    marked(path, "a", volume * 3)
    marked(path, "a", np.ones((6, 20, 16)), name="brain_mask")
    data = pairs(path, size=24, lesions=True)
    assert "lesion" not in pairs(path)[0]
    expected = fit(torch.from_numpy(volume[3]).float()[None], size=24)
    assert torch.equal(data[2]["lesion"], expected)
    assert data.describe(2)["slice"] == 3
    assert (data[7]["lesion"] == 0).all()
    assert data[7]["lesion"].shape == (1, 24, 24)
    crops = Samples(source=path, view=Pairs(cut=Crops(size=(4, 8, 8)), source="T1", target="T2", lesions=True))
    window = crops.view.cut.window((6, 20, 16), crops.item(0))
    np.testing.assert_array_equal(crops[0]["lesion"][0].numpy(), volume[window])


def test_a_data_set_that_marks_no_lesions_is_told_of(prepared):
    with pytest.warns(UserWarning, match="no case of this data set marks lesions"):
        pairs(prepared({"a": "train"}), lesions=True)


@pytest.mark.parametrize("now", [{"source": "T2", "target": "T1"}, {"target": "FLAIR"}])
def test_a_training_is_not_resumed_in_the_other_direction_or_towards_another_contrast(prepared, tmp_path, now):
    path = prepared({"a": "train"}, shape=(9, 64, 64), contrasts=("T1", "T2", "FLAIR"))

    def go_on(checkpoint, epochs, **options):
        data = ResumableLoader(dataset=pairs(path, **options), batch_size=8)
        keeper = Checkpoints(folder=tmp_path / "checkpoints")
        run = trainer(tmp_path, epochs=epochs, callbacks=[keeper], enable_checkpointing=True)
        train(trainer=run, module=module(), train_loader=data, checkpoint=checkpoint)

    go_on(None, 1)
    go_on("newest", 2)
    with pytest.raises(DataError, match=r"settings changed.*data\.view\.target"):
        go_on("newest", 3, **now)
