"""A budget of visible tokens, shared out among modalities."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import BudgetMasking

SIZES = {"num_modalities": 3, "tokens_each": 196, "num_visible": 98}
STRATEGIES = ["independent", "one", "reference_one"]
ALPHAS = [0.01, 0.1, 1.0, (8.0, 1.0, 1.0), 1e6]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def counts(mask, *, modalities=3):
    """Visible tokens of each modality, ``(B, T)``."""
    return (~mask.as_bool()).unflatten(1, (modalities, -1)).sum(dim=2)


def positions(mask, *, modalities=3):
    """How often each position is visible, ``(B, n)``."""
    return (~mask.as_bool()).unflatten(1, (modalities, -1)).sum(dim=1)


def real(available, *, tokens_each=196):
    return torch.tensor(available).repeat_interleave(tokens_each, dim=1)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("alphas", ALPHAS)
def test_exactly_the_budget_is_visible_in_every_sample(strategy, alphas):
    masking = BudgetMasking(**SIZES, alphas=alphas, strategy=strategy)
    mask = masking.sample(200, generator=seeded(0))
    assert (mask.visible.shape, mask.masked.shape, mask.num_tokens) == ((200, 98), (200, 490), 588)
    assert torch.equal(counts(mask).sum(dim=1), torch.full((200,), 98))
    order = torch.cat([mask.visible, mask.masked], dim=1).sort(dim=1).values
    assert torch.equal(order, torch.arange(588).expand(200, 588))


@pytest.mark.parametrize("strategy", ["independent", "one"])
@pytest.mark.parametrize(
    ("alphas", "shares"), [(1.0, (32.67, 32.67, 32.67)), ((8.0, 1.0, 1.0), (78.4, 9.8, 9.8)), (0.1, (32.67,) * 3)]
)
def test_shares_have_the_mean_of_the_dirichlet_distribution(strategy, alphas, shares):
    found = counts(BudgetMasking(**SIZES, alphas=alphas, strategy=strategy).sample(2048, generator=seeded(1))).float()
    wanted = torch.tensor(shares)
    assert ((found.mean(dim=0) - wanted).abs() < 4 * found.std(dim=0) / 2048**0.5 + 0.05).all()
    if alphas == (8.0, 1.0, 1.0):
        assert found[:, 0].mean() == pytest.approx(78.4, abs=1)
        assert found.min(dim=0).values[0] > 0


def test_a_huge_alpha_shares_out_evenly():
    for strategy in ("independent", "one"):
        found = counts(BudgetMasking(**SIZES, alphas=1e6, strategy=strategy).sample(200, generator=seeded(2)))
        assert set(found.unique().tolist()) <= {32, 33}


def test_a_small_alpha_leaves_two_samples_in_five_without_the_first_modality():
    found = counts(BudgetMasking(**SIZES, alphas=0.1).sample(2048, generator=seeded(3)))
    assert (found[:, 0] == 0).float().mean().item() == pytest.approx(0.40, abs=0.03)


def test_a_tiny_alpha_gives_one_modality_nearly_everything():
    shares = BudgetMasking(**SIZES, alphas=1e-3).dirichlet(torch.rand(4000, 3, generator=seeded(4)))
    assert shares.isfinite().all()
    assert (shares.max(dim=1).values > 0.99).float().mean() > 0.98
    assert_close(shares.mean(dim=0), torch.full((3,), 1 / 3, dtype=torch.float64), atol=0.03, rtol=0)


@pytest.mark.parametrize("alphas", [(0.3, 1.0, 2.5), (8.0, 1.0, 1.0)])
def test_shares_have_the_deviations_of_the_dirichlet_distribution(alphas):
    shares = BudgetMasking(**SIZES, alphas=alphas).dirichlet(torch.rand(40_000, 3, generator=seeded(5)))
    theory = torch.distributions.Dirichlet(torch.tensor(alphas, dtype=torch.float64))
    assert_close(shares.sum(dim=1), torch.ones(40_000, dtype=torch.float64))
    assert_close(shares.mean(dim=0), theory.mean, atol=0.005, rtol=0)
    assert_close(shares.var(dim=0), theory.variance, atol=0.002, rtol=0.03)


@pytest.mark.parametrize("alphas", ALPHAS)
def test_one_modality_a_position_is_exact(alphas):
    mask = BudgetMasking(**SIZES, alphas=alphas, strategy="one").sample(300, generator=seeded(6))
    seen = positions(mask)
    assert seen.max() == 1
    assert torch.equal(seen.sum(dim=1), torch.full((300,), 98))


def test_the_published_one_repeats_a_position_now_and_then():
    mask = BudgetMasking(**SIZES, alphas=(8.0, 1.0, 1.0), strategy="reference_one").sample(2048, generator=seeded(7))
    share = (positions(mask).max(dim=1).values > 1).float().mean().item()
    assert share == pytest.approx(0.047, abs=0.03)


def test_the_last_modality_takes_what_rounding_left():
    masking = BudgetMasking(num_modalities=3, tokens_each=10, num_visible=9, strategy="one")
    noise = torch.rand(3, 10 + 30, generator=seeded(8))
    shares = torch.tensor([[0.35, 0.35, 0.3], [3.5 / 9, 5.5 / 9, 0.0], [1.0, 0.0, 0.0]])  # 3 + 3, 4 + 6 (too many), 9
    mask = masking.replay(shares=shares, order=noise[:, :10], ties=noise[:, 10:])
    assert counts(mask).tolist() == [[3, 3, 3], [4, 5, 0], [9, 0, 0]]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_seed_means_a_mask_and_given_noise_draws_nothing(strategy):
    masking = BudgetMasking(**SIZES, strategy=strategy)
    first, second, other = (masking.sample(4, generator=seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.visible, second.visible)
    assert torch.equal(first.masked, second.masked)
    assert not torch.equal(first.as_bool(), other.as_bool())
    noise = torch.rand(4, masking.noise_width, generator=seeded(3), dtype=torch.float64)
    generator = seeded(9)
    state = generator.get_state()
    replayed = masking.sample(4, generator=generator, noise=noise)
    assert torch.equal(generator.get_state(), state)
    assert torch.equal(replayed.visible, first.visible)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_position_is_seen_equally_often(strategy):
    seen = positions(BudgetMasking(**SIZES, strategy=strategy).sample(1500, generator=seeded(10))).float().mean(dim=0)
    assert seen.mean().item() == pytest.approx(0.5, abs=1e-6)
    assert (seen - 0.5).abs().max() < 5 * 0.5 / 1500**0.5


@pytest.mark.parametrize("strategy", ["independent", "one"])
def test_a_missing_modality_is_never_visible_and_the_others_get_its_budget(strategy):
    available = [[True, True, True], [True, False, True], [True, False, False], [False, True, True]] * 50
    masking = BudgetMasking(**SIZES, alphas=(8.0, 1.0, 1.0), strategy=strategy)
    mask = masking.sample(200, generator=seeded(11), real=real(available))
    found = counts(mask)
    assert torch.equal(found.sum(dim=1), torch.full((200,), 98))
    assert not found[~torch.tensor(available)].any()
    assert found[2::4, 0].eq(98).all()
    both = found[3::4].float().mean(dim=0)
    assert both[1:].tolist() == pytest.approx([49, 49], abs=12)
    if strategy == "one":
        assert positions(mask).max() == 1


@pytest.mark.parametrize("strategy", ["independent", "one"])
@pytest.mark.parametrize("missing", [0, 1, 2])
def test_what_rounding_leaves_never_goes_to_a_missing_modality(strategy, missing):
    """Half of five each is two each: the fifth token is the question."""
    masking = BudgetMasking(num_modalities=3, tokens_each=8, num_visible=5, strategy=strategy)
    there = torch.tensor([number != missing for number in range(3)])
    noise = torch.rand(200, masking.noise_width - 3, generator=seeded(14))
    mask = masking.replay(
        shares=(there / 2).expand(200, 3), order=noise[:, :-24], ties=noise[:, -24:], available=there.expand(200, 3)
    )
    found = counts(mask)
    assert not found[:, missing].any()
    assert torch.equal(found.sum(dim=1), torch.full((200,), 5))
    assert found[:, there].min() == 2


def test_a_modality_that_nobody_lacks_changes_nothing():
    masking, noise = BudgetMasking(**SIZES), torch.rand(8, 3 + 588 + 588, generator=seeded(12), dtype=torch.float64)
    plain, told = masking.sample(8, noise=noise), masking.sample(8, noise=noise, real=real([[True] * 3] * 8))
    assert torch.equal(plain.as_bool(), told.as_bool())


def test_a_single_modality_is_plain_random_masking():
    mask = BudgetMasking(num_modalities=1, tokens_each=196, num_visible=98).sample(1000, generator=seeded(13))
    assert mask.visible.shape == (1000, 98)
    assert (mask.as_bool().float().mean(dim=0) - 0.5).abs().max() < 5 * 0.5 / 1000**0.5


def test_a_sample_with_too_few_tokens_for_the_budget_is_refused():
    masking = BudgetMasking(num_modalities=3, tokens_each=16, num_visible=20)
    with pytest.raises(ValueError, match=r"only 16 tokens .* budget of 20 visible ones: lower num_visible"):
        masking.sample(2, real=real([[True, True, True], [True, False, False]], tokens_each=16))


def test_padding_inside_a_modality_is_refused():
    table = torch.ones(2, 588, dtype=torch.bool)
    table[1, 5] = False
    with pytest.raises(ValueError, match="padding inside one is not supported"):
        BudgetMasking(**SIZES).sample(2, real=table)


def test_the_published_one_knows_no_missing_modality():
    masking = BudgetMasking(**SIZES, strategy="reference_one")
    with pytest.raises(ValueError, match="use strategy 'one'"):
        masking.sample(1, real=real([[True, False, True]]))


@pytest.mark.parametrize(
    ("strategy", "visible", "most"), [("independent", 48, 47), ("independent", 0, 47), ("one", 17, 16)]
)
def test_a_budget_that_does_not_suit_the_tokens_is_refused_with_the_range(strategy, visible, most):
    with pytest.raises(ValueError, match=rf"num_visible must lie between 1 and {most} for 3 x 16 .*, got {visible}"):
        BudgetMasking(num_modalities=3, tokens_each=16, num_visible=visible, strategy=strategy)


@pytest.mark.parametrize("alphas", [0.0, -1.0, (1.0, 1.0), (1.0, 0.0, 1.0)])
def test_alphas_that_are_no_concentrations_are_refused(alphas):
    with pytest.raises(ValueError, match=r"alphas must be one positive number, or 3 of them, got"):
        BudgetMasking(**SIZES, alphas=alphas)


def test_noise_of_another_shape_and_a_misspelt_strategy_are_refused():
    with pytest.raises(ValueError, match=r"noise must be \(2, 1179\), got \(2, 588\)"):
        BudgetMasking(**SIZES).sample(2, noise=torch.rand(2, 588))
    with pytest.raises(ValueError, match=r"strategy must be .*'one'.*, got 'unique'"):
        BudgetMasking(**SIZES, strategy="unique")
