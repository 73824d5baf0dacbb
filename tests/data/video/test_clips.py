"""Clips of prepared videos."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from medmae.data.augment.clip import ClipAugment
from medmae.data.manifest import Manifest
from medmae.data.samples import Samples
from medmae.data.video.clip_crops import CentreCrop, MultiScale, WholeFrame
from medmae.data.video.clips import Clips
from medmae.data.video.sampling import DenseFrames, DenseSeconds, Segments
from medmae.errors import DataError
from medmae.evaluate.classify.labelled import labelled
from medmae.files import sha256_of


def rewrite(folder, frames):
    """Other frames for video ``a``, as if it had been prepared from them."""
    shard, manifest = folder / "shards" / "a.npy", folder / "manifest.jsonl"
    before = sha256_of(shard)
    np.save(shard, frames)
    manifest.write_text(manifest.read_text().replace(before, sha256_of(shard)))


@pytest.fixture
def prepared(tmp_path):
    """A manifest of videos whose frames are all of one value, their number: ``prepared({"a": (40, 1)})``."""

    def write(videos, *, size=(24, 32), **changes):
        (tmp_path / "shards").mkdir()
        lines = []
        for number, (case, (count, channels)) in enumerate(videos.items()):
            frames = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, *size, channels), np.uint8)
            np.save(tmp_path / "shards" / f"{case}.npy", frames)
            lines.append(
                {
                    "case": case,
                    "subject": f"p{number}",
                    "session": None,
                    "split": "train",
                    "kind": "video",
                    "dtype": "uint8",
                    "shard": f"shards/{case}.npy",
                    "shard_sha256": sha256_of(tmp_path / "shards" / f"{case}.npy"),
                    "first": 0,
                    "count": count,
                    "size": list(size),
                    "channels": channels,
                    "fps": 25.0,
                    "times": None,
                    "label": "ab"[number % 2],
                    "value": 10.0 * number,
                    "captions": [],
                    "content_sha256": case,
                    "flags": [],
                    **changes,
                }
            )
        (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return tmp_path

    return write


def frames_of(image):
    """Numbers of the frames of a clip ``(C, T, H, W)`` uint8."""
    return image[0, :, 0, 0].tolist()


def samples(folder, **options):
    view = Clips(
        **{"size": 16, "channels": 1, "dtype": "uint8", "sampling": DenseFrames(frames=8, stride=2), **options}
    )
    return Samples(source=folder, view=view, split="train")


def test_a_clip_has_the_frames_that_were_sampled(prepared):
    data = samples(prepared({"a": (40, 1), "b": (10, 1)}))
    assert data[0]["image"].shape == (1, 8, 16, 16)
    found = frames_of(data[0]["image"])
    assert found == list(range(found[0], found[0] + 16, 2))
    assert frames_of(data[1]["image"]) == [0, 2, 4, 6, 8, 8, 8, 8]
    assert [int(data[index]["label"]) for index in (0, 1)] == [0, 1]
    assert data.describe(0)["frame"] == found[0]
    assert data.describe(0)["second"] == f"{found[0] / 25:.2f}"


def test_a_part_of_a_video_starts_where_its_row_says(prepared):
    data = samples(prepared({"a": (40, 1)}, first=20, count=10))
    assert frames_of(data[0]["image"]) == [20, 22, 24, 26, 28, 28, 28, 28]


def test_what_is_drawn_depends_on_seed_epoch_and_index_alone(prepared):
    folder = prepared({"a": (200, 1), "b": (200, 1)})
    data, again = samples(folder, clips_per_video=3), samples(folder, clips_per_video=3)
    first = [frames_of(data[index]["image"]) for index in range(6)]
    assert first == [frames_of(again[index]["image"]) for index in (0, 1, 2, 3, 4, 5)]
    assert len({tuple(frames) for frames in first}) > 3
    data.set_epoch(1)
    assert first != [frames_of(data[index]["image"]) for index in range(6)]
    data.set_epoch(0)
    assert first == [frames_of(data[index]["image"]) for index in range(6)]
    assert first != [frames_of(samples(folder, clips_per_video=3, seed=1)[index]["image"]) for index in range(6)]


def test_all_views_of_a_test_are_samples_and_never_change(prepared):
    folder = prepared({"a": (60, 1), "b": (60, 1)})
    data = samples(folder, test_views=(5, 3))
    assert len(data) == 30
    starts = [frames_of(data[index]["image"])[0] for index in range(15)]
    assert starts == [start for start in (0, 10, 22, 32, 44) for _ in range(3)]
    data.set_epoch(7)
    assert [frames_of(data[index]["image"])[0] for index in range(15)] == starts
    assert data.describe(17) == data.describe(17)
    assert (data.describe(17)["case"], data.describe(17)["view"]) == ("b", 2)


def test_the_three_crops_of_a_test_show_left_middle_and_right(prepared):
    folder = prepared({"a": (10, 1)}, size=(16, 48))
    frames = np.zeros((10, 16, 48, 1), np.uint8)
    frames[:, :, 16:32], frames[:, :, 32:] = 100, 200
    rewrite(folder, frames)
    data = samples(folder, test_views=(1, 3))
    assert [int(data[index]["image"].float().mean()) for index in range(3)] == [0, 100, 200]


def test_grey_is_repeated_and_colour_becomes_grey(prepared):
    folder = prepared({"a": (10, 1), "b": (10, 3)})
    assert [samples(folder, channels=3)[index]["image"].shape[0] for index in (0, 1)] == [3, 3]
    grey = samples(folder, channels=1)[1]["image"]
    assert grey.shape[0] == 1
    assert frames_of(grey) == [0, 2, 4, 6, 8, 8, 8, 8]


def test_floats_lie_between_0_and_1(prepared):
    image = samples(prepared({"a": (200, 1)}), dtype="float32")[0]["image"]
    assert image.dtype == torch.float32
    assert image.max() <= 1
    np.testing.assert_allclose(np.diff(image[0, :, 0, 0]) * 255, 2, rtol=1e-4)


def test_all_frames_of_a_clip_are_cut_alike(prepared):
    folder = prepared({"a": (40, 1)}, size=(32, 48))
    ramp = np.broadcast_to(np.arange(48, dtype=np.uint8) * 5, (40, 32, 48))[..., None]
    rewrite(folder, ramp)
    data = samples(folder, crop=MultiScale(), clips_per_video=10)
    seen = set()
    for index in range(10):
        image = data[index]["image"]
        assert (image == image[:, :1]).all()
        seen.add((int(image.min()), int(image.max())))
    assert len(seen) > 3
    whole = samples(folder, crop=WholeFrame())[0]["image"]
    assert whole.min() < 10
    assert whole.max() > 225


@pytest.mark.parametrize("options", [{}, {"test_views": (1, 3)}])
@pytest.mark.parametrize("size", [(8, 16), (16, 8)])
def test_a_square_stays_a_square_whatever_the_shape_of_the_clip(prepared, options, size):
    folder = prepared({"a": (40, 1)}, size=(32, 48))
    frame = np.zeros((32, 48), dtype=np.uint8)
    frame[12:20, 20:28] = 255  # in the middle of every box
    rewrite(folder, np.broadcast_to(frame, (40, 32, 48))[..., None])
    image = samples(folder, size=size, **options)[len(options)]["image"][0, 0]
    assert image.shape == size
    height, width = image.sum(dim=0).max(), image.sum(dim=1).max()
    assert float(height) == pytest.approx(float(width), rel=0.15)
    assert height > 1


def test_clips_are_augmented_in_training_and_never_in_a_test(prepared):
    folder = prepared({"a": (40, 1)})
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8) * 5, (40, 24, 32))[..., None]
    rewrite(folder, ramp)
    flipped = ClipAugment(flip=1.0)
    plain, augmented = (samples(folder, augment=augment)[0]["image"] for augment in (None, flipped))
    assert torch.equal(augmented, plain.flip(-1))
    tested = [samples(folder, augment=augment, test_views=(1, 1))[0]["image"] for augment in (None, flipped)]
    assert torch.equal(*tested)


def test_numbers_can_be_learnt_instead_of_classes(prepared):
    data = samples(prepared({"a": (20, 1), "b": (20, 1)}), target="value", clips_per_video=2)
    assert data.task == "regression"
    assert data.labels[:, 0].tolist() == [0, 0, 10, 10]


def test_videos_without_a_number_are_told_when_numbers_are_to_be_learnt(prepared):
    with pytest.raises(DataError, match=r"no clip to learn from has a value.*write the values into the table"):
        labelled(samples(prepared({"a": (20, 1), "b": (20, 1)}, value=None), target="value"))


def test_videos_without_times_cannot_be_sampled_by_seconds(prepared):
    folder = prepared({"a": (20, 1)}, fps=None)
    with pytest.raises(DataError, match="nothing tells when the frames of 1 videos are shown: a"):
        samples(folder, sampling=DenseSeconds(frames=8))
    assert len(samples(folder, sampling=Segments(frames=8))) == 1


def test_times_of_a_row_count(prepared):
    folder = prepared({"a": (5, 1)}, times=[0.0, 0.1, 0.2, 1.2, 1.3])
    image = samples(folder, sampling=DenseSeconds(frames=5, step=0.3))[0]["image"]
    assert frames_of(image) == [0, 2, 2, 2, 3]


def test_other_shards_than_the_row_says_are_told(prepared):
    folder = prepared({"a": (20, 1)})
    rewrite(folder, np.zeros((5, 24, 32, 1), np.uint8))
    with pytest.raises(DataError, match="other frames than its row says"):
        samples(folder)[0]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"times": [0.0]}, "'times' must be null or have 20 entries"),
        ({"count": 0}, "'first' and 'count' are 0 and 0"),
        ({"channels": "3"}, "'channels' is '3'"),
    ],
)
def test_bad_rows_are_refused_with_their_line(prepared, change, fault):
    with pytest.raises(DataError, match=f"line 1: {fault}"):
        Manifest.read(prepared({"a": (20, 1)}, **change))


def test_options_out_of_range_are_refused():
    for options in ({"size": 0}, {"channels": 2}, {"clips_per_video": 0}, {"dtype": "int8"}, {"target": "name"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            Clips(**options)
    for options in ({"size": [16, 224, 224]}, {"size": [224]}, {"test_views": 5}, {"test_views": [5, 3, 2]}):
        with pytest.raises(ValueError, match="must be two positive numbers"):
            Clips(**options)
    with pytest.raises(ValueError, match="one view"):
        Clips(crop=WholeFrame(), test_views=(5, 3))


def test_what_a_clip_depends_on_is_part_of_the_samples_hash(prepared):
    folder = prepared({"a": (40, 1)})
    hashes = {samples(folder, **options).sha256 for options in ({}, {"seed": 1}, {"crop": MultiScale()}, {"size": 8})}
    assert len(hashes) == 4
    assert samples(folder).sha256 == samples(folder, crop=CentreCrop()).sha256
