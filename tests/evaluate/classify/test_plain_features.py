"""What needs no network: chosen by what the data is."""

from __future__ import annotations

import numpy as np
import torch

from medmae.evaluate.classify.plain_features import (
    colour_histogram,
    describe_images,
    mean_intensity,
    plain_features,
    raw_pixels,
)
from medmae.kinds import Kind


def test_mean_colour_is_blind_to_where_colour_lies():
    images = torch.rand(2, 3, 8, 8)
    shuffled = images.flatten(2)[:, :, torch.randperm(64)].reshape(2, 3, 8, 8)
    torch.testing.assert_close(mean_intensity(images), mean_intensity(shuffled))
    assert mean_intensity(images).shape == (2, 3)


def test_a_histogram_counts_pixels_by_red_green_and_blue_together():
    image = torch.zeros(1, 3, 2, 2)
    image[0, 0, 0] = 1.0  # two red pixels, two black ones
    found = colour_histogram(image, bins=4)
    assert found.shape == (1, 64)
    assert found[0].nonzero().flatten().tolist() == [0, 3 * 16]
    assert found[0, [0, 48]].tolist() == [0.5, 0.5]
    random = torch.rand(3, 3, 9, 9)
    for image, ours in zip(random, colour_histogram(random, bins=4), strict=True):
        theirs, _ = np.histogramdd(image.flatten(1).T.numpy(), bins=4, range=[(0, 1)] * 3)
        np.testing.assert_allclose(ours.numpy(), theirs.ravel() / 81, rtol=1e-6)


def test_raw_pixels_keep_where_things_are():
    image = torch.zeros(1, 3, 64, 64)
    image[:, :, :32] = 1
    assert raw_pixels(image, most=[2, 2])[0].reshape(3, 2, 2)[0].tolist() == [[1, 1], [0, 0]]


def test_every_image_is_read_once_and_described_in_order():
    images, read = torch.rand(7, 3, 16, 16), []

    class Watched:
        def __len__(self):
            return len(images)

        def __getitem__(self, number):
            read.append(number)
            return {"image": images[number]}

    found = describe_images([Watched()], by=plain_features(Kind.image()), name="image", batch_size=3)
    assert read == list(range(7))
    np.testing.assert_allclose(found["mean colour"], mean_intensity(images).numpy(), rtol=1e-6)
    assert found["colour histogram"].shape == (7, 512)
    assert found["raw pixels"].shape == (7, 768)


def test_a_kind_of_data_is_described_by_what_its_axes_and_channels_are():
    clip, volume = plain_features(Kind.clip(channels=1)), plain_features(Kind.volume())
    assert list(plain_features(Kind.image())) == ["mean colour", "colour histogram", "raw pixels"]
    assert list(plain_features(Kind.image(channels=1))) == ["mean intensity", "raw pixels"]
    assert list(clip) == ["mean intensity", "mean frame", "raw pixels"]
    assert list(volume) == ["mean intensity", "raw pixels"]
    assert clip["raw pixels"](torch.rand(2, 1, 12, 40, 24)).shape == (2, 8 * 16 * 16)
    assert volume["raw pixels"](torch.rand(2, 1, 12, 40, 24)).shape == (2, 12 * 16 * 16)
    joints = plain_features(Kind.of("skeleton", ["time", "joint"], channels=["x", "y"]))
    assert list(joints) == ["mean pose", "joint velocities", "raw joints"]
    assert joints["raw joints"](torch.rand(2, 2, 30, 25)).shape == (2, 2 * 16 * 25)
    assert joints["joint velocities"](torch.rand(2, 2, 30, 25)).shape == (2, 2 * 15 * 25)


def test_the_mean_frame_is_blind_to_movement():
    clips = torch.rand(2, 3, 6, 8, 8)
    describe = plain_features(Kind.clip())["mean frame"]
    torch.testing.assert_close(describe(clips), describe(clips[:, :, torch.randperm(6)]))
    assert describe(clips).shape == (2, 3 * 8 * 8)


def test_a_spectrogram_is_described_by_mean_and_deviation_of_its_bands_along_time():
    kind = Kind.of("audio", ["time", "frequency"], peak=None)
    found = plain_features(kind)
    assert list(found) == ["mean intensity", "log-spectrum", "raw pixels"]
    sounds = torch.randn(3, 1, 50, 8)
    described = found["log-spectrum"](sounds)
    assert torch.allclose(described[:, :8], sounds[:, 0].mean(dim=1))
    assert torch.allclose(described[:, 8:], sounds[:, 0].std(dim=1, correction=0))
