"""Pictures of anything, by the roles of its axes."""

from __future__ import annotations

import numpy as np
import torch

from medmae.kinds import Kind
from medmae.report.draw import MAX_FRAMES, draw


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


def test_a_spectrogram_stands_upright_whatever_its_order_of_axes():
    data = torch.rand(1, 4, 6)
    np.testing.assert_array_equal(draw(Kind.of("sound", ["frequency", "time"]), data), data[0].numpy())
    np.testing.assert_array_equal(draw(Kind.of("sound", ["time", "frequency"]), data), data[0].T.numpy())


def test_what_has_no_plane_is_a_map_of_its_last_axes_or_a_line():
    assert draw(Kind.of("skeleton", ["time", "joint"], channels=["x", "y"]), torch.rand(2, 9, 5)).shape == (9, 5)
    assert draw(Kind.of("pulse", ["time"]), torch.rand(1, 12)).shape == (1, 12)
