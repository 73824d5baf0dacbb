"""Orders in which tokens are predicted."""

from __future__ import annotations

import pytest
import torch

from medmae.masking import RandomMasking
from medmae.masking.permutation import Permutation, PermutationMasking


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def masking():
    return PermutationMasking(num_tokens=16)


def test_an_order_holds_every_token_once_and_each_sample_has_its_own(masking):
    order = masking.sample(4, generator=seeded(0)).order
    assert torch.equal(order.sort(dim=1).values, torch.arange(16).expand(4, 16))
    assert len(order.unique(dim=0)) == 4


def test_a_seed_means_an_order(masking):
    first, second, other = (masking.sample(2, generator=seeded(seed)).order for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_smaller_noise_comes_earlier(masking):
    noise = torch.rand(3, 16, generator=seeded(0))
    order = masking.sample(3, noise=noise).order
    assert (noise.gather(1, order).diff(dim=1) > 0).all()


def test_the_ratio_says_how_many_are_shown_and_leaves_the_order_alone(masking):
    few, many = (
        masking.sample(2, generator=seeded(1)),
        PermutationMasking(num_tokens=16, ratio=0.25).sample(2, generator=seeded(1)),
    )
    assert (few.num_visible, many.num_visible) == (4, 12)
    assert torch.equal(few.order, many.order)


def test_its_first_tokens_are_those_that_random_masking_shows(masking):
    noise = torch.rand(3, 16, generator=seeded(0))
    random = RandomMasking(num_tokens=16, ratio=0.75).sample(3, noise=noise)
    assert torch.equal(masking.sample(3, noise=noise).visible, random.visible)


def test_raster_order_is_from_first_to_last_and_draws_nothing():
    generator = seeded(1)
    before = generator.get_state()
    mask = PermutationMasking(num_tokens=1000, order="raster").sample(2, generator=generator)
    assert torch.equal(mask.order, torch.arange(1000).expand(2, 1000))
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("order", ["random", "raster"])
def test_padding_has_no_place_in_the_order(order):
    real = torch.ones(2, 16, dtype=torch.bool)
    real[0, 3:7], real[1, 10:] = False, False  # 12 and 10 real tokens
    mask = PermutationMasking(num_tokens=16, order=order).sample(2, generator=seeded(0), real=real)
    assert mask.order.shape == (2, 10)
    assert real.gather(1, mask.order).all()
    assert mask.skipped == 6


def test_one_sample_and_a_copy_on_another_device_keep_the_order(masking):
    mask = masking.sample(3, generator=seeded(0))
    assert isinstance(mask.to("cpu"), Permutation)
    assert torch.equal(mask.to("cpu").order, mask.order)
    assert torch.equal(mask.of_sample(1).order, mask.order[1:2])


def test_an_order_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="order"):
        PermutationMasking(num_tokens=16, order="spiral")
