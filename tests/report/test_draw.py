"""Pictures of anything, by the roles of its axes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from medmae.kinds import Kind
from medmae.report.draw import MAX_FRAMES, draw, facts
from medmae.report.ticks import with_axes
from medmae.tokens.spectrogram import kaldi


def test_colours_are_shown_together_and_neighbouring_slices_are_not():
    data = torch.rand(3, 4, 6)
    np.testing.assert_array_equal(draw(Kind.image(), data), data.permute(1, 2, 0).numpy())
    np.testing.assert_array_equal(draw(Kind.slice(channels=3), data), data[0].numpy())


def test_a_mask_of_colours_is_one_plane():
    assert draw(Kind.image(), torch.rand(1, 4, 6) > 0.5).shape == (4, 6)


def test_of_a_volume_the_middle_slice_is_shown_in_its_colours():
    volume = torch.rand(1, 7, 4, 6)
    np.testing.assert_array_equal(draw(Kind.volume(), volume), volume[0, 3].numpy())
    assert draw(Kind.volume(channels=3), volume.expand(3, -1, -1, -1)).shape == (4, 6, 3)


def test_a_clip_is_a_strip_of_frames_evenly_spread():
    clip = torch.arange(16.0).view(1, 16, 1, 1).expand(3, 16, 4, 6)
    strip = draw(Kind.clip(), clip)
    assert strip.shape == (4, MAX_FRAMES * 6, 3)
    shown = strip[0, ::6, 0]
    assert (np.diff(shown) > 0).all()
    assert {shown[0], shown[-1]} <= {0.0, 1.0, 14.0, 15.0}
    short = draw(Kind.clip(channels=1), clip[:1, :3])
    np.testing.assert_array_equal(short, np.repeat([[0.0, 1.0, 2.0]], 6, axis=1).repeat(4, axis=0))


def test_a_series_of_volumes_is_a_strip_of_middle_slices():
    kind = Kind.of("perfusion", ["time", "depth", "row", "column"])
    data = torch.rand(1, 2, 5, 4, 6)
    np.testing.assert_array_equal(draw(kind, data), np.concatenate(list(data[0, :, 2].numpy()), axis=1))


def test_a_spectrogram_has_low_bands_below_and_time_across_whatever_its_order_of_axes():
    data = torch.rand(1, 4, 6)
    upright = data[0].flip(0).numpy()
    np.testing.assert_array_equal(draw(Kind.of("sound", ["frequency", "time"]), data), upright)
    np.testing.assert_array_equal(draw(Kind.spectrogram("sound"), data.mT), upright)


def test_of_a_spectrogram_the_page_is_told_seconds_and_hertz_where_they_are_known():
    front, frames = kaldi(), 998
    data = torch.zeros(1, frames, 128)
    axes = facts(front.kind(), data)["axes"]
    across, up = axes["across"], axes["up"]
    assert (across["unit"], up["unit"]) == ("s", "Hz")
    assert [text for _, text in across["marks"]] == ["2", "4", "6", "8"]
    share = {text: share for share, text in across["marks"]}["4"]
    assert front.seconds(frames)[round(share * frames - 0.5)] == pytest.approx(4.0, abs=0.006)
    share = {text: share for share, text in up["marks"]}["1k"]
    assert front.hertz()[round(share * 128 - 0.5)] == pytest.approx(1000, abs=20)
    assert facts(Kind.spectrogram(), data) == {}
    assert facts(Kind.clip(), torch.zeros(3, 4, 5, 6)) == {"frames": 4}


def test_ticks_stand_where_entries_lie_and_small_pictures_are_enlarged():
    axes = facts(kaldi().kind(), torch.zeros(1, 200, 128))["axes"]
    picture = Image.fromarray(np.full((128, 200), 255, dtype=np.uint8))
    drawn = np.asarray(with_axes(picture, axes))
    white = (drawn[..., 3] == 255) & (drawn[..., :3] == 255).all(axis=2)
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    assert (len(rows), len(columns)) == (256, 400)
    ink = (drawn[..., 3] == 255) & ~white
    below = ink[rows[-1] + 1]  # the first row of ticks across
    shares = (np.flatnonzero(below) - columns[0]) / 400
    np.testing.assert_allclose(shares, [share for share, _ in axes["across"]["marks"]], atol=0.004)
    assert not ink[: rows[0], columns[0] :].any()


def test_what_has_no_plane_is_a_map_of_its_last_axes_or_a_line():
    assert draw(Kind.of("skeleton", ["time", "joint"], channels=["x", "y"]), torch.rand(2, 9, 5)).shape == (9, 5)
    assert draw(Kind.of("pulse", ["time"]), torch.rand(1, 12)).shape == (1, 12)
