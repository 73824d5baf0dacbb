"""What a method of several modalities rebuilds, and how samples that hide different numbers are weighed."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.objectives.modalities import Output, mean_of_samples
from medmae.objectives.pixel import TargetNorm
from medmae.tokens.modalities import ModalityPatches


@pytest.fixture
def tokens():
    return ModalityPatches(size=8, patch=4, channels={"rgb": 3, "h": 1})


@pytest.fixture
def rows(tokens):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, 4, part.num_values, generator=generator) for part in tokens.patches.values()]


MASKED = torch.tensor([[True, False, False, True], [False, False, True, False], [False, False, False, False]])


def test_every_sample_counts_equally_however_much_it_hides():
    error = torch.tensor([[1.0, 9.0, 9.0, 3.0], [9.0, 9.0, 7.0, 9.0], [9.0, 9.0, 9.0, 9.0]])
    assert mean_of_samples(error, MASKED).item() == pytest.approx((2 + 7) / 2)


def test_a_sample_that_hides_nothing_is_dropped_from_the_mean():
    error = torch.rand(3, 4)
    assert_close(mean_of_samples(error, MASKED), mean_of_samples(error[:2], MASKED[:2]))


def test_where_nothing_is_hidden_the_loss_is_zero_with_finite_gradients():
    error = torch.rand(3, 4, requires_grad=True)
    loss = mean_of_samples(error, torch.zeros(3, 4, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(error.grad, torch.zeros(3, 4))


@pytest.mark.parametrize(
    ("name", "error", "number"), [("rgb", "mse", 0), ("rgb", "l1", 0), ("norm_rgb", "mse", 0), ("h", "l1", 1)]
)
def test_the_loss_is_the_named_error_of_the_named_target(tokens, rows, name, error, number):
    output = Output.of(name, error=error, among=tokens)
    predicted = torch.randn(rows[number].shape)
    target = rows[number]
    if name.startswith("norm_"):
        target = TargetNorm()(target, channels=3)
    difference = predicted - target
    tokenwise = (difference.square() if error == "mse" else difference.abs()).mean(dim=2)
    assert_close(output.loss(predicted, rows, MASKED), mean_of_samples(tokenwise, MASKED))
    assert (output.number, output.modality) == (number, name.removeprefix("norm_"))


def test_normalised_predictions_become_pixels_again(tokens, rows):
    output = Output.of("norm_rgb", error="mse", among=tokens)
    assert_close(output.pixels(output.target(rows), rows), rows[0], atol=1e-5, rtol=1e-4)
    plain = Output.of("rgb", error="mse", among=tokens)
    assert plain.pixels(rows[0], rows) is rows[0]


def test_a_modality_whose_own_name_begins_like_that_is_itself():
    tokens = ModalityPatches(size=8, patch=4, channels={"norm_flow": 1})
    assert Output.of("norm_flow", error="mse", among=tokens).norm is None
    assert Output.of("norm_norm_flow", error="mse", among=tokens).norm is not None


@pytest.mark.parametrize(("name", "error", "match"), [
    ("eosin", "mse", r"the modality of output 'eosin' must be 'rgb' or 'h', got 'eosin'"),
    ("norm_e", "mse", r"the modality of output 'norm_e' must be 'rgb' or 'h', got 'e'"),
    ("rgb", "l2", r"the error of output 'rgb' must be 'mse' or 'l1', got 'l2'"),
])  # fmt: skip
def test_an_output_that_names_nothing_is_refused_with_the_choices(tokens, name, error, match):
    with pytest.raises(ValueError, match=match):
        Output.of(name, error=error, among=tokens)
