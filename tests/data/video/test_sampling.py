"""Which frames a clip has: VideoMAE's rules in frames, the same in seconds, and the views of a test."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.data.video.clip_crops import CentreCrop, MultiScale, RandomResized, WholeFrame
from medmae.data.video.sampling import DenseFrames, DenseSeconds, DenseSpan, Segments, Timeline
from medmae.data.video.times import settle_times


def rng(seed=0):
    return np.random.default_rng(seed)


# ------------------------------------------------------------------------------------------------------------- frames
def test_a_video_of_30_frames_is_stepped_through_and_its_last_step_repeated():
    found = DenseFrames(frames=16, stride=4).draw(Timeline(30), rng())
    assert found.tolist() == [0, 4, 8, 12, 16, 20, 24, 28] + [28] * 8


@pytest.mark.parametrize("count", [64, 65, 100, 300])
def test_longer_videos_give_16_frames_with_a_step_of_exactly_4_anywhere(count):
    starts = set()
    for seed in range(200):
        found = DenseFrames(frames=16, stride=4).draw(Timeline(count), rng(seed))
        assert set(np.diff(found)) == {4}
        assert 0 <= found[0] <= count - 64
        starts.add(int(found[0]))
    assert len(starts) >= min(count - 63, 60)
    assert min(starts) <= 4
    assert max(starts) >= count - 64 - 8 or max(starts) == count - 64


def test_a_single_frame_is_repeated():
    assert DenseFrames().draw(Timeline(1), rng()).tolist() == [0] * 16


def test_the_dense_test_of_300_frames_has_clips_at_0_14_29_44_59_of_75():
    found = DenseFrames(frames=16, stride=4).views(Timeline(300), 5)
    assert found.shape == (5, 16)
    assert (found[:, 0] // 4).tolist() == [0, 14, 29, 44, 59]
    assert (np.diff(found, axis=1) == 4).all()


def test_the_dense_test_of_a_short_video_is_padded_with_its_last_strided_frame():
    found = DenseFrames(frames=16, stride=4).views(Timeline(30), 3)
    assert found.tolist() == [[0, 4, 8, 12, 16, 20, 24, 28] + [28] * 8] * 3


def test_one_view_is_the_middle():
    assert DenseFrames(frames=4, stride=2).views(Timeline(20), 1).tolist() == [[6, 8, 10, 12]]
    assert Segments(frames=4).views(Timeline(20), 1).tolist() == [[2, 7, 12, 17]]


def test_spans_of_fine_tuning_end_anywhere_and_have_steps_of_64_over_15():
    for seed in range(50):
        found = DenseSpan(frames=16, stride=4).draw(Timeline(100), rng(seed))
        start = found[0]
        expected = np.linspace(start, start + 64, 16).clip(start, start + 63).astype(int)
        assert found.tolist() == expected.tolist()
        assert found[-1] <= 99
    assert (
        DenseSpan().draw(Timeline(32), rng()).tolist()
        == np.linspace(0, 32, 8).clip(0, 31).astype(int).tolist() + [31] * 8
    )


def test_segments_have_one_frame_of_each_part_in_order():
    for seed in range(20):
        found = Segments(frames=8).draw(Timeline(80), rng(seed))
        assert (found // 10).tolist() == list(range(8))
    assert (np.diff(Segments(frames=16).draw(Timeline(5), rng())) >= 0).all()


def test_the_segment_test_takes_starts_then_centres():
    found = Segments(frames=16).views(Timeline(160), 2)
    assert found.tolist() == [list(range(0, 160, 10)), list(range(5, 160, 10))]


# ------------------------------------------------------------------------------------------------------------ seconds
@pytest.mark.parametrize("fps", [25, 30, 50, 59.94])
def test_clips_in_seconds_span_the_same_time_at_every_rate(fps):
    video = Timeline(int(10 * fps), np.arange(int(10 * fps)) / fps)
    found = DenseSeconds(frames=8, step=0.2).draw(video, rng())
    times = video.seconds[found]
    np.testing.assert_allclose(np.diff(times), 0.2, atol=1 / fps + 1e-6)
    np.testing.assert_allclose(times[-1] - times[0], 1.4, atol=1 / fps + 1e-6)


def test_of_a_variable_rate_the_frame_that_is_shown_counts():
    video = Timeline(5, np.array([0.0, 0.1, 0.2, 1.2, 1.3]))
    assert DenseSeconds(frames=5, step=0.3).draw(video, rng()).tolist() == [0, 2, 2, 2, 3]


def test_a_video_shorter_than_the_span_repeats_its_last_frame():
    video = Timeline(5, np.arange(5) / 10)
    assert DenseSeconds(frames=8, step=0.1).draw(video, rng()).tolist() == [0, 1, 2, 3, 4, 4, 4, 4]


def test_views_in_seconds_reach_from_the_start_to_the_end():
    video = Timeline(100, np.arange(100) / 10)
    found = DenseSeconds(frames=4, step=0.5).views(video, 3)
    assert found[0].tolist() == [0, 5, 10, 15]
    assert found[-1].tolist() == [80, 85, 90, 95]


def test_seconds_of_a_video_without_times_are_refused():
    with pytest.raises(ValueError, match="sample it by frames"):
        DenseSeconds().draw(Timeline(100), rng())


@pytest.mark.parametrize(
    "make", [lambda: DenseFrames(stride=0), lambda: Segments(frames=0), lambda: DenseSeconds(step=0.0)]
)
def test_nothing_is_not_a_clip(make):
    with pytest.raises(ValueError, match="must be positive"):
        make()


# -------------------------------------------------------------------------------------------------------------- times
def test_increasing_times_count_from_the_first():
    times = settle_times([5.0, 5.1, 5.2], stated_rate=600)
    np.testing.assert_allclose(times.seconds, [0, 0.1, 0.2])
    assert times.flags == ("header_rate:600",)
    assert times.constant


def test_a_time_lapse_keeps_its_times_however_slow_it_is():
    times = settle_times([0.0, 600.0, 1200.0], stated_rate=25)
    np.testing.assert_allclose(times.seconds, [0, 600, 1200])
    assert times.fps == pytest.approx(1 / 600)
    assert times.flags == ("header_rate:25",)


def test_jumbled_times_give_way_to_the_rate_of_the_header():
    times = settle_times([0.0, 0.2, 0.1], stated_rate=10)
    np.testing.assert_allclose(times.seconds, [0, 0.1, 0.2])
    assert times.flags == ("times_from_rate",)


@pytest.mark.parametrize("rate", [None, 0, -4.4, float("nan"), float("inf"), 1e9])
def test_without_times_and_without_a_plausible_rate_nothing_is_known(rate):
    times = settle_times([None, None, None], stated_rate=rate)
    assert times.seconds is None
    assert times.fps is None
    assert times.flags == ("no_rate",)


# -------------------------------------------------------------------------------------------------------------- crops
def test_multi_scale_crops_have_ten_pairs_and_thirteen_places():
    crop, square = MultiScale(), (224, 224)
    assert len(crop.pairs(256, 340, shape=square)) == 10
    assert crop.pairs(256, 340, shape=square)[:3] == [(256, 256), (256, 224), (224, 256)]
    assert square in crop.pairs(256, 340, shape=square)
    assert len(set(crop.places(40, 80))) == 13
    assert crop.pairs(226, 300, shape=square)[0] == square  # within 3 pixels


def test_multi_scale_crops_of_a_network_that_is_not_square_take_its_height_and_its_width():
    pairs = MultiScale().pairs(100, 200, shape=(86, 64))  # the largest box of its shape is 100 by 74
    assert {rows for rows, _ in pairs} == {100, 86, 75, 66}  # 87 is as good as its height
    assert {columns for _, columns in pairs} == {74, 64, 55, 48}


@pytest.mark.parametrize("crop", [MultiScale(), RandomResized(), CentreCrop(), WholeFrame()])
@pytest.mark.parametrize("size", [(32, 48), (48, 32), (7, 90)])
def test_a_crop_lies_within_the_frame(crop, size):
    for seed in range(100):
        top, left, height, width = crop.draw(*size, rng(seed), shape=(20, 30))
        assert top >= 0
        assert left >= 0
        assert 0 < height <= size[0] - top
        assert 0 < width <= size[1] - left


def test_three_crops_lie_evenly_along_the_longer_side():
    square = (224, 224)
    assert CentreCrop().views(32, 64, 3, shape=square) == [(0, 0, 32, 32), (0, 16, 32, 32), (0, 32, 32, 32)]
    assert CentreCrop().views(64, 32, 1, shape=square) == [(16, 0, 32, 32)]
    with pytest.raises(ValueError, match="one view"):
        WholeFrame().views(32, 64, 3, shape=square)


def test_boxes_have_the_shape_of_the_network_and_lie_along_the_side_that_is_left():
    crop = CentreCrop()
    assert crop.views(60, 90, 3, shape=(16, 32)) == [(0, 0, 45, 90), (7, 0, 45, 90), (15, 0, 45, 90)]
    assert crop.views(60, 90, 1, shape=(32, 16)) == [(0, 30, 60, 30)]
    assert crop.draw(60, 90, rng(0), shape=(32, 16)) == (0, 30, 60, 30)


def test_limits_of_crops_must_be_in_order():
    with pytest.raises(ValueError, match="in order"):
        RandomResized(scale=(0.9, 0.5))
