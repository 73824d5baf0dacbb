"""Patches of clouds are hidden alone or as a block."""

from __future__ import annotations

import pytest
import torch

from medmae.masking.patches import PatchMasking


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def centres():
    return torch.rand(4, 32, 3, generator=seeded(3))


@pytest.mark.parametrize("choice", ["random", "block"])
@pytest.mark.parametrize("shared", [False, True])
def test_of_32_patches_22_are_hidden_in_each_cloud(choice, shared, centres):
    masking = PatchMasking(num_patches=32, ratio=0.7, choice=choice, batch_shared=shared)
    mask = masking.sample(4, generator=seeded(), centres=centres)
    assert (mask.num_masked, mask.num_visible) == (22, 10)
    rows = torch.cat([mask.visible, mask.masked], dim=1).sort(dim=1).values
    assert torch.equal(rows, torch.arange(32).expand(4, -1))


def test_point_mae_hides_38_of_64():
    assert PatchMasking(num_patches=64, ratio=0.6).num_visible == 26


def test_a_block_is_what_lies_around_one_patch(centres):
    noise = torch.rand(4, 32, generator=seeded())
    mask = PatchMasking(num_patches=32, ratio=0.7, choice="block").sample(4, noise=noise, centres=centres)
    for row, seed in enumerate(noise.argmin(dim=1).tolist()):
        distance = (centres[row] - centres[row, seed]).norm(dim=1)
        assert seed in mask.masked[row]
        assert distance[mask.masked[row]].max() <= distance[mask.visible[row]].min()


@pytest.mark.parametrize("choice", ["random", "block"])
def test_a_shared_draw_is_one_number_for_all_clouds(choice, centres):
    same = centres[:1].expand(4, -1, -1)
    own, shared = (
        PatchMasking(num_patches=32, ratio=0.7, choice=choice, batch_shared=each).sample(
            4, generator=seeded(), centres=same
        )
        for each in (False, True)
    )
    assert len({tuple(sorted(row)) for row in shared.masked.tolist()}) == 1
    assert len({tuple(sorted(row)) for row in own.masked.tolist()}) > 1


def test_what_is_missing_or_means_nothing_is_refused(centres):
    block = PatchMasking(num_patches=32, ratio=0.7, choice="block")
    with pytest.raises(ValueError, match="give the centres"):
        block.sample(4)
    with pytest.raises(ValueError, match="pad its points, not its patches"):
        block.sample(4, real=torch.ones(4, 32, dtype=torch.bool), centres=centres)
    with pytest.raises(ValueError, match="noise must be"):
        block.sample(4, noise=torch.rand(4, 31), centres=centres)
