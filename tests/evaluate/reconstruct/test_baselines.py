"""Fills that have learned nothing."""

import time

import pytest
import torch

from medmae.evaluate.reconstruct.baselines import (
    _mean_of_neighbours,
    mean_fill,
    mean_fill_of,
    neighbour_fill,
    neighbour_fill_of,
)
from medmae.kinds import Kind


def hidden_middle(*size):
    hidden = torch.zeros(1, 1, *size, dtype=torch.bool)
    hidden[(..., *(slice(n // 4, 3 * n // 4) for n in size))] = True
    return hidden


def test_visible_pixels_stay_as_they_are():
    image, hidden = torch.rand(1, 2, 16, 16), hidden_middle(16, 16)
    for filled in (mean_fill(image, hidden), neighbour_fill(image, hidden)):
        assert torch.equal(filled[~hidden.expand_as(image)], image[~hidden.expand_as(image)])


def test_the_mean_is_that_of_visible_pixels_only():
    image = torch.zeros(1, 1, 8, 8)
    hidden = hidden_middle(8, 8)
    image[hidden] = 100.0
    assert mean_fill(image, hidden).max() == 0.0


@pytest.mark.parametrize("size", [(32,), (16, 16), (12, 12, 12)])
def test_neighbours_restore_a_linear_ramp_on_any_number_of_axes(size):
    ramp = torch.linspace(0, 1, size[-1]).expand(1, 1, *size).clone()
    filled = neighbour_fill(ramp, hidden_middle(*size))
    assert torch.allclose(filled, ramp, atol=1e-2)


def test_what_is_hidden_does_not_leak_into_a_fill():
    image, hidden = torch.rand(1, 1, 16, 16), hidden_middle(16, 16)
    other = image.clone()
    other[hidden] = torch.rand(int(hidden.sum()))
    assert torch.equal(neighbour_fill(image, hidden), neighbour_fill(other, hidden))


def by_convolution(data, kernel):
    padded = torch.nn.functional.pad(data.reshape(-1, 1, *data.shape[2:]), [1] * 6, mode="replicate")
    return torch.nn.functional.conv3d(padded, kernel).reshape(data.shape)


def test_the_mean_of_neighbours_of_a_clip_is_that_of_a_convolution_and_much_faster():
    clip, kernel = torch.rand(1, 3, 8, 112, 112), torch.zeros(1, 1, 3, 3, 3)
    for place in ((0, 1, 1), (2, 1, 1), (1, 0, 1), (1, 2, 1), (1, 1, 0), (1, 1, 2)):
        kernel[0, 0][place] = 1 / 6
    torch.testing.assert_close(_mean_of_neighbours(clip), by_convolution(clip, kernel))

    def seconds(run):
        started = time.process_time()
        for _ in range(10):
            run()
        return time.process_time() - started

    assert seconds(lambda: _mean_of_neighbours(clip)) < seconds(lambda: by_convolution(clip, kernel)) / 3


def test_more_sweeps_change_the_neighbour_fill_by_less_than_a_tenth_of_a_decibel():
    torch.manual_seed(0)
    coarse = torch.rand(1, 1, 8, 8)
    image = torch.nn.functional.interpolate(coarse, size=(96, 96), mode="bicubic")
    blocks = torch.rand(1, 1, 12, 12) < 0.7
    hidden = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)

    def decibel(filled):
        return -10 * torch.log10((filled - image)[hidden].square().mean())

    few, many = decibel(neighbour_fill(image, hidden)), decibel(neighbour_fill(image, hidden, sweeps=4000))
    assert abs(few - many) < 0.1


def test_each_channel_has_its_own_mean_and_where_nothing_is_visible_it_is_one_half():
    image, hidden = torch.stack([torch.zeros(8, 8), torch.ones(8, 8)])[None], hidden_middle(8, 8)
    assert torch.equal(mean_fill(image, hidden), image)
    everywhere = torch.ones_like(hidden)
    assert (mean_fill(image, everywhere) == 0.5).all()
    assert (neighbour_fill(image, everywhere) == 0.5).all()


def test_joints_are_filled_along_time_each_by_itself_for_their_numbers_are_no_places():
    kind = Kind.of("skeleton", ["time", "joint"], channels=["x", "y"], peak=None)
    image = torch.rand(2, 2, 16, 5, generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros(2, 1, 16, 5, dtype=torch.bool)
    hidden[:, :, 4:8] = True
    filled = neighbour_fill_of(kind, image, hidden)
    for joint in range(5):
        alone = neighbour_fill(image[..., joint], hidden[..., joint])
        assert torch.allclose(filled[..., joint], alone, atol=1e-5)
    other = image.clone()
    other[..., 0] = 0.0
    assert torch.equal(neighbour_fill_of(kind, other, hidden)[..., 1:], filled[..., 1:])


def test_of_a_kind_without_neighbours_only_the_mean_is_known():
    kind = Kind.of("skeleton", ["joint"], channels=1)
    image, hidden = torch.rand(2, 1, 9), torch.arange(9).expand(2, 1, 9) > 5
    assert torch.equal(neighbour_fill_of(kind, image, hidden), mean_fill(image, hidden))


def test_a_picture_is_filled_as_ever():
    image, hidden = torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16) > 0.5
    assert torch.equal(neighbour_fill_of(Kind.slice(), image, hidden), neighbour_fill(image, hidden))


def test_the_mean_of_a_spectrogram_is_that_of_each_band_over_the_time_in_which_it_is_visible():
    sound = torch.linspace(-9, 3, 4).expand(2, 1, 10, 4).clone()  # four bands, steady
    hidden = torch.zeros(2, 1, 10, 4, dtype=torch.bool)
    hidden[:, :, 3:7] = True
    heard = torch.where(hidden, 50.0, sound)
    assert torch.allclose(mean_fill_of(Kind.spectrogram(), heard, hidden), sound)
    turned = Kind.of("audio", ["frequency", "time"])
    assert torch.allclose(mean_fill_of(turned, heard.mT, hidden.mT), sound.mT)
    hidden[..., 3] = True  # a band that is never heard: the mean of all others
    filled = mean_fill_of(Kind.spectrogram(), heard, hidden)
    assert torch.allclose(filled[..., :3], sound[..., :3])
    assert torch.allclose(filled[..., 3], sound[..., :3].mean().expand(2, 1, 10))
    assert torch.equal(mean_fill_of(Kind.image(channels=1), heard, hidden), mean_fill(heard, hidden))
