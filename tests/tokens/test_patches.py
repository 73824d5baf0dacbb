"""Patches are cut in raster order, channel fastest, and put back exactly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medmae.tokens import Patches

axis = st.tuples(st.integers(1, 4), st.integers(1, 4))  # patches along the axis, extent of a patch


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(axes=st.lists(axis, min_size=1, max_size=3), channels=st.integers(1, 3), batch=st.integers(1, 2))
def test_joining_what_was_cut_is_the_identity(axes, channels, batch):
    patches = Patches(tuple(g * p for g, p in axes), tuple(p for _, p in axes), channels)
    data = torch.randn(batch, channels, *patches.size)
    rows = patches.patchify(data)
    assert rows.shape == (batch, patches.num_tokens, patches.num_values)
    assert torch.equal(patches.unpatchify(rows), data)
    assert torch.equal(patches.patchify(patches.unpatchify(rows)), rows)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(axes=st.lists(axis, min_size=1, max_size=3), channels=st.integers(1, 3), data=st.data())
def test_each_value_lands_where_raster_order_says(axes, channels, data):
    """Token and place in the patch of one voxel, counted by hand."""
    patches = Patches(tuple(g * p for g, p in axes), tuple(p for _, p in axes), channels)
    voxel = [data.draw(st.integers(0, size - 1)) for size in patches.size]
    channel = data.draw(st.integers(0, channels - 1))
    volume = torch.zeros(1, channels, *patches.size)
    volume[(0, channel, *voxel)] = 1.0
    token = place = 0
    for position, (grid, extent) in zip(voxel, axes, strict=True):
        token = token * grid + position // extent
        place = place * extent + position % extent
    assert patches.patchify(volume)[0].nonzero().tolist() == [[token, place * channels + channel]]


def test_values_of_a_patch_are_row_then_column_then_channel():
    image = torch.arange(2.0 * 4 * 4).reshape(1, 2, 4, 4)
    rows = Patches((4, 4), (2, 2), 2).patchify(image)
    assert rows[0, 0].tolist() == [0, 16, 1, 17, 4, 20, 5, 21]
    assert rows[0, 1, 0] == 2  # the second token is the next column
    assert rows[0, 2, 0] == 8


def test_a_painted_value_covers_exactly_its_patch():
    patches = Patches((4, 6), (2, 3), 3)
    values = torch.arange(4.0).reshape(1, 4)
    painted = patches.paint(values)
    assert painted.shape == (1, 1, 4, 6)
    assert torch.equal(painted[0, 0, :2, 3:], torch.ones(2, 3))
    assert torch.equal(Patches((4, 6), (2, 3), 1).patchify(painted).mean(dim=2), values)


def test_one_integer_means_a_square():
    assert Patches.of(size=32, patch=8, channels=1) == Patches((32, 32), (8, 8), 1)


def test_the_number_of_axes_comes_from_whichever_is_a_sequence():
    assert Patches.of(size=(16, 32, 32), patch=8, channels=1).grid == (2, 4, 4)
    assert Patches.of(size=32, patch=(4, 8, 8), channels=1).grid == (8, 4, 4)
    assert Patches.of(size=[96], patch=8, channels=12).grid == (12,)


def test_sizes_and_counts_add_up():
    patches = Patches.of(size=(8, 16, 24), patch=(2, 4, 8), channels=3)
    assert (patches.ndim, patches.grid, patches.num_tokens, patches.num_values) == (3, (4, 4, 3), 48, 192)


def test_a_size_that_patches_do_not_tile_is_answered_with_sizes_that_work():
    with pytest.raises(ValueError, match=r"\(30, 32\).*nearest valid sizes are \(24, 32\) and \(32, 32\)"):
        Patches.of(size=(30, 32), patch=8, channels=1)


def test_a_size_below_one_patch_is_answered_with_one_patch():
    with pytest.raises(ValueError, match=r"are \(8, 8\) and \(8, 8\)"):
        Patches.of(size=5, patch=8, channels=1)


def test_size_and_patch_of_different_numbers_of_axes_are_refused():
    with pytest.raises(ValueError, match="differ in their number of axes"):
        Patches((8, 8), (4, 4, 4), 1)
    with pytest.raises(ValueError, match=r"patch_size must be .* 3 of them, got \(4, 4\)"):
        Patches.of(size=(8, 8, 8), patch=(4, 4), channels=1)


@pytest.mark.parametrize("patch", [0, -8, (8, 0)])
def test_a_patch_without_extent_is_refused(patch):
    with pytest.raises(ValueError, match="patch_size must be a positive integer"):
        Patches.of(size=(32, 32), patch=patch, channels=1)


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (2, 1, 32, 24), (1, 32, 32), (2, 1, 32, 32, 32)])
def test_data_of_another_shape_is_refused_with_both_shapes(shape):
    with pytest.raises(ValueError, match=rf"\(B, 1, 32, 32\), got \({shape[0]}, {shape[1]}, 32"):
        Patches.of(size=32, patch=8, channels=1).patchify(torch.zeros(shape))
