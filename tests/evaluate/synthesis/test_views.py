"""Test-time augmentation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medmae.evaluate.synthesis.views import over_views

IMAGES = torch.rand(3, 2, 12, 12, generator=torch.Generator().manual_seed(0))


def test_a_network_that_changes_nothing_gives_its_input_back_bit_for_bit_and_no_deviation():
    for images in (IMAGES, IMAGES[..., :7], IMAGES[:, :, None].expand(-1, -1, 4, -1, -1)):
        mean, std = over_views(lambda x: x)(images).chunk(2, dim=1)
        assert torch.equal(mean, images)
        assert (std == 0).all()


def test_the_network_sees_all_eight_symmetries_of_a_square_and_the_four_of_a_rectangle():
    for images, count in ((IMAGES, 8), (IMAGES[..., :7], 4)):
        seen = []
        over_views(lambda x, seen=seen: seen.append(x) or x)(images)
        assert len({view.numpy().tobytes() for view in seen}) == count
        assert all(view.shape == images.shape for view in seen)


def test_mean_and_deviation_are_those_of_the_answers_turned_back():
    weight = torch.rand(12, 12, generator=torch.Generator().manual_seed(1))
    mean, std = over_views(lambda x: x * weight)(IMAGES).chunk(2, dim=1)
    plane = weight.double().numpy()
    views = [np.rot90(side, turns) for side in (plane, plane[:, ::-1]) for turns in range(4)]
    image = IMAGES.double().numpy()
    assert mean.numpy() == pytest.approx(image * np.mean(views, axis=0), rel=1e-5)
    assert std.numpy() == pytest.approx(image * np.std(views, axis=0), rel=1e-4, abs=1e-7)


def test_means_come_first_and_channels_may_change_in_number():
    both = over_views(lambda x: torch.cat([x, x[:, :1] + 1], dim=1))(IMAGES)
    assert both.shape == (3, 6, 12, 12)
    assert torch.equal(both[:, 2], IMAGES[:, 0] + 1)
    assert (both[:, 3:] == 0).all()
