"""Whole volumes through a network: identity gives them back bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from medmae.data.volumes.slices import fit, unfit
from medmae.errors import DataError
from medmae.evaluate.synthesis.volume_synthesis import smooth_slices, source_box, synthesise_volume, uncertainty_volume

SIZES = [20, (8, 16, 16), (12, 24, 8)]  # the longer edge of a slice; crops smaller and larger than the volume


def volume(*, shape=(11, 1, 20, 15), empty=(0, 4)):
    array = np.random.default_rng(0).random(shape).astype(np.float32)
    array[list(empty)] = 0
    return array


class Network:
    """Remembers what it was given."""

    def __init__(self, answer=lambda x: x):
        self.seen = []
        self.answer = answer

    def __call__(self, images):
        self.seen.append(images)
        return self.answer(images)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_that_changes_nothing_gives_the_volume_back_bit_for_bit(size, channels):
    array = volume(shape=(11, channels, 20, 15))
    result = synthesise_volume(Network(), array, size=size, batch_size=4)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.7])
def test_crops_of_any_overlap_add_up_bit_for_bit(overlap):
    array = volume(shape=(19, 1, 23, 21), empty=())
    np.testing.assert_array_equal(synthesise_volume(Network(), array, size=(8, 8, 8), overlap=overlap), array)


@pytest.mark.parametrize("size", SIZES)
def test_empty_slices_stay_empty_whatever_the_network_says(size):
    array = volume()
    result = synthesise_volume(lambda x: torch.ones_like(x), array, size=size)
    assert (result[[0, 4]] == 0).all()
    assert (result[[1, 3, 5]] == 1).all()


def test_empty_slices_skip_the_network_and_the_others_come_in_batches():
    network = Network()
    synthesise_volume(network, volume(), size=20, batch_size=4)
    assert [len(images) for images in network.seen] == [4, 4, 1]
    assert all(images.shape[1:] == (1, 20, 20) for images in network.seen)


def test_empty_crops_skip_the_network():
    array = np.zeros((32, 1, 8, 8), np.float32)
    array[3] = 1
    network = Network()
    synthesise_volume(network, array, size=(8, 8, 8), overlap=0.0, batch_size=2)
    assert sum(len(images) for images in network.seen) < 4
    np.testing.assert_array_equal(synthesise_volume(network, array, size=(8, 8, 8)), array)


def test_slices_are_fitted_as_in_training_and_results_are_unfitted():
    array = volume()
    network = Network()
    result = synthesise_volume(network, array, size=32)
    plane = torch.from_numpy(array[1])
    torch.testing.assert_close(network.seen[0][0], fit(plane, size=32))
    np.testing.assert_allclose(result[1], unfit(fit(plane, size=32), shape=(20, 15)).numpy(), atol=1e-6)


@pytest.mark.parametrize(("size", "edge"), [(28, 28), (20, 20), (12, 20)], ids=["larger", "equal", "smaller"])
def test_without_resizing_slices_are_padded_and_a_larger_box_is_taken_as_it_is(size, edge):
    array = volume()
    network = Network()
    result = synthesise_volume(network, array, size=size, resize=False)
    np.testing.assert_array_equal(result, array)
    torch.testing.assert_close(network.seen[0][0], fit(torch.from_numpy(array[1]), size=edge, resize=False))
    mean, spread = uncertainty_volume(Network(), array, size=size, resize=False)
    np.testing.assert_array_equal(mean, array)
    assert not spread.any()


@pytest.mark.parametrize("size", [20, (8, 16, 16)])
def test_the_network_sees_the_box_around_what_is_given_however_wide_the_volume_is(size):
    array = volume(shape=(9, 2, 16, 13), empty=())
    array[:, 1] = 0  # a contrast that is not given widens nothing
    wide = np.pad(array, ((5, 3), (0, 0), (0, 9), (4, 0)))
    wide_network, network = Network(), Network()
    result = synthesise_volume(wide_network, wide, size=size)
    margin = np.pad(array, ((2, 2), (0, 0), (0, 2), (2, 0)))
    np.testing.assert_allclose(result[3:-1, :, :18, 2:], synthesise_volume(network, margin, size=size))
    assert result.shape == wide.shape
    assert all(torch.equal(*pair) for pair in zip(wide_network.seen, network.seen, strict=True))
    assert source_box(wide) == (slice(3, 16), slice(0, 18), slice(2, 17))


def test_neighbours_are_the_slices_around_and_the_last_one_is_repeated_beyond_the_ends():
    array = volume(shape=(5, 1, 8, 8), empty=())
    network = Network(lambda images: images[:, 2:3])
    result = synthesise_volume(network, array, size=8, neighbours=2, batch_size=5)
    np.testing.assert_array_equal(result, array)
    for number, wanted in enumerate(
        [[0, 0, 0, 1, 2], [0, 0, 1, 2, 3], [0, 1, 2, 3, 4], [1, 2, 3, 4, 4], [2, 3, 4, 4, 4]]
    ):
        np.testing.assert_array_equal(network.seen[0][number].numpy(), array[wanted, 0])


def test_a_slice_is_filled_or_empty_by_itself_and_not_by_its_neighbours():
    network = Network(lambda images: images[:, 1:2] + 1)
    result = synthesise_volume(network, volume(), size=20, neighbours=1)
    assert (result[[0, 4]] == 0).all()
    assert (result[[1, 3]] >= 1).all()


def test_the_network_may_give_another_number_of_channels():
    result = synthesise_volume(lambda x: torch.cat([x, 1 - x, x], dim=1), volume(), size=20)
    assert result.shape == (11, 3, 20, 15)
    np.testing.assert_array_equal(result[1, 1], 1 - volume()[1, 0])


def test_no_gradients_are_kept():
    convolution = torch.nn.Conv2d(1, 1, 3, padding=1)
    flags = []
    synthesise_volume(lambda x: flags.append(convolution(x).requires_grad) or x, volume(), size=20)
    assert flags == [False]


@pytest.mark.parametrize("size", SIZES)
def test_a_network_that_commutes_with_turns_is_sure_of_itself(size):
    def blur(images):
        pool = F.avg_pool2d if images.ndim == 4 else F.avg_pool3d
        return pool(images, 3, stride=1, padding=1)

    array = volume()
    mean, std = uncertainty_volume(blur, array, size=size)
    np.testing.assert_allclose(mean, synthesise_volume(blur, array, size=size), atol=1e-6)
    assert std.max() < 1e-6


@pytest.mark.parametrize("size", SIZES)
def test_a_network_that_leans_to_one_side_is_unsure(size):
    array = volume()
    mean, std = uncertainty_volume(lambda x: x * torch.linspace(0, 1, x.shape[-1]), array, size=size)
    assert mean.shape == std.shape == array.shape
    assert std[1].max() > 0.2
    assert (std[[0, 4]] == 0).all()
    assert (mean[[0, 4]] == 0).all()


def test_the_uncertainty_of_a_network_that_changes_nothing_is_zero_and_its_mean_exact():
    for size in SIZES:
        mean, std = uncertainty_volume(Network(), volume(), size=size)
        np.testing.assert_array_equal(mean, volume())
        assert (std == 0).all()


def test_smoothing_is_along_slices_only_and_off_by_default():
    array = np.zeros((9, 1, 3, 3), np.float32) + np.arange(1, 10, dtype=np.float32)[:, None, None, None]
    array[:, 0, 1, 1] = [1, 9, 1, 9, 1, 9, 1, 9, 1]
    whole = np.ones((9, 1, 1, 1), bool)
    assert smooth_slices(array, sigma=0, inside=whole) is array
    smooth = smooth_slices(array, sigma=1.0, inside=whole)
    np.testing.assert_allclose(smooth[3:6, 0, 0, 0], array[3:6, 0, 0, 0], atol=0.05)  # a ramp stays a ramp
    assert np.abs(np.diff(smooth[:, 0, 1, 1])).max() < 0.5 * 8  # stripes do not


def test_empty_slices_neither_brighten_nor_darken_their_neighbours_in_smoothing():
    array = np.ones((7, 1, 2, 2), np.float32)
    array[[0, 3]] = 0
    np.testing.assert_allclose(smooth_slices(array, sigma=1.5, inside=array > 0), array, atol=1e-6)


@pytest.mark.parametrize("make", [synthesise_volume, lambda *args, **kwargs: uncertainty_volume(*args, **kwargs)[0]])
def test_a_smoothed_volume_keeps_the_background_of_its_source(make):
    array = volume(empty=())
    array[5, 0, :10] = 0
    rough, smooth = (make(Network(), array, size=20, smooth=sigma) for sigma in (0.0, 1.0))
    np.testing.assert_array_equal(rough, array)
    assert np.abs(np.diff(smooth, axis=0))[:, 0, 10:].mean() < 0.5 * np.abs(np.diff(rough, axis=0))[:, 0, 10:].mean()
    assert (smooth[5, 0, :10] == 0).all()


@pytest.mark.parametrize("make", [synthesise_volume, lambda *args, **kwargs: uncertainty_volume(*args, **kwargs)[0]])
def test_smoothing_does_not_darken_the_rim_of_a_head(make):
    z, y, x = np.ogrid[-6:7, -9:10, -9:10]
    ball = np.float32(0.8) * ((z / 6) ** 2 + (y / 9) ** 2 + (x / 9) ** 2 <= 1)[:, None].astype(np.float32)
    np.testing.assert_allclose(make(Network(), ball, size=19, smooth=0.7), ball, atol=1e-6)


def test_smoothing_leaves_the_uncertainty_as_it_is():
    network = lambda x: x * torch.linspace(0, 1, x.shape[-1])  # noqa: E731
    stds = [uncertainty_volume(network, volume(), size=20, smooth=sigma)[1] for sigma in (0.0, 1.0)]
    np.testing.assert_array_equal(*stds)


def test_an_empty_volume_is_refused():
    with pytest.raises(DataError, match="every slice is empty"):
        synthesise_volume(Network(), np.zeros((3, 1, 8, 8), np.float32), size=8)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"size": (8, 16)}, r"size is the edge of a square slice or \(slices, rows, columns\), got \(8, 16\)"),
        ({"size": 0}, r"got \(0, 0\)"),
        ({"size": 8, "neighbours": -1}, "got -1, 16 and 0.5"),
        ({"size": 8, "batch_size": 0}, "got 0, 0 and 0.5"),
        ({"size": (8, 8, 8), "overlap": 1.0}, "got 0, 16 and 1.0"),
        ({"size": (8, 8, 8), "neighbours": 1}, "neighbours are for slices of one contrast"),
    ],
)
def test_options_out_of_range_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        synthesise_volume(Network(), volume(), **options)


def test_volumes_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"a volume is \(S, C, H, W\), got shape \(11, 20, 15\)"):
        synthesise_volume(Network(), volume()[:, 0], size=20)
    with pytest.raises(ValueError, match="got 2 contrasts"):
        synthesise_volume(Network(), volume(shape=(11, 2, 20, 15)), size=20, neighbours=1)
    with pytest.raises(ValueError, match="sigma must be >= 0, got -1"):
        smooth_slices(volume(), sigma=-1, inside=volume() > 0)
