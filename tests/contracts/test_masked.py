"""What a method keeps that hides a part of what it is given: above all, that nothing hidden is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from medmae.nn.vit import MaskedViT
from tests.contracts.cases import MASKED, seeded, turned, with_other

pytestmark = pytest.mark.parametrize("name", MASKED)


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key].visible, second[key].visible) for key in first)


def test_another_seed_gives_other_masks(method, batch):
    first, second = (method(batch, generator=seeded(seed)).masks for seed in (5, 6))
    assert first
    assert not any(torch.equal(first[key].as_bool(), second[key].as_bool()) for key in first)


def test_draw_masks_gives_the_masks_that_forward_draws(method, batch):
    drawn = method.draw_masks(batch, generator=seeded(5))
    assert set(drawn) == set(method.maskings)
    assert same(method(batch, generator=seeded(5)).masks, drawn)


def test_masks_handed_in_are_replayed(method, batch):
    drawn = method(batch, generator=seeded(5))
    replayed = method(batch, masks=drawn.masks, generator=seeded(5))
    assert same(replayed.masks, drawn.masks)
    assert torch.equal(replayed.loss, drawn.loss)


def test_predictions_of_masked_tokens_are_in_their_order_and_all_others_do_not_mind(method, batch, masks):
    straight = method(batch, masks=masks, generator=seeded(5))
    reverse = method(batch, masks={key: turned(mask) for key, mask in masks.items()}, generator=seeded(5))
    for key, prediction in straight.prediction.items():
        in_order = prediction.shape[1] in {mask.num_masked for mask in masks.values()}
        expected = prediction.flip(1) if in_order else prediction
        assert_close(reverse.prediction[key], expected, atol=1e-5, rtol=1e-4)
    assert_close(reverse.loss, straight.loss, atol=1e-5, rtol=1e-4)


def test_the_order_of_visible_tokens_does_not_matter(method, batch, masks):
    flipped = {
        key: replace(mask, visible=mask.visible.flip(1), real=None if mask.real is None else mask.real.flip(1))
        for key, mask in masks.items()
    }
    straight, other = (method(batch, masks=some, generator=seeded(5)) for some in (masks, flipped))
    for key, prediction in straight.prediction.items():
        assert_close(other.prediction[key], prediction, atol=1e-5, rtol=1e-4)


def test_what_is_shown_is_what_the_batch_holds_and_a_part_of_it_is_hidden(method, batch, masks):
    shown = method.show(batch, masks)
    assert set(method.kinds) == {key for key, one in shown.items() if one.beside is None}
    for key, one in shown.items():
        one.kind.check(one.given)
        assert one.hidden.dtype == torch.bool
        assert one.hidden.shape == (one.given.shape[0], 1, *one.given.shape[2:])
        assert one.hidden.any()
        assert not one.hidden.all()
        if one.beside is None:
            assert torch.equal(one.given.reshape(batch[key].shape), batch[key])
        else:
            assert shown[one.beside].beside is None


def test_what_is_hidden_does_not_influence_the_prediction(method, batch, masks):
    other = with_other(batch, method.show(batch, masks), hidden=True)
    assert any(not torch.equal(other[key], batch[key]) for key in batch)
    before, after = (method(some, masks=masks, generator=seeded(5)) for some in (batch, other))
    for key, prediction in before.prediction.items():
        assert_close(after.prediction[key], prediction, atol=1e-6, rtol=0)


def test_what_is_visible_does_influence_the_prediction(method, batch, masks):
    other = with_other(batch, method.show(batch, masks), hidden=False)
    before, after = (method(some, masks=masks, generator=seeded(5)) for some in (batch, other))
    for key, prediction in before.prediction.items():
        assert not torch.allclose(after.prediction[key], prediction, atol=1e-6)


def test_something_is_made_and_what_was_visible_is_pasted_unless_it_is_made_anew(method, batch, masks):
    shown = method.show(batch, masks)
    made = {key: one.made for key, one in shown.items() if one.made is not None}
    assert {key for key in made if shown[key].beside is None} == method.rebuilds
    for key, picture in made.items():
        one = shown[key]
        assert not picture.requires_grad
        if not one.anew:
            hidden = one.hidden.expand_as(one.given)
            assert torch.equal(picture[~hidden], one.given[~hidden])
            if picture.is_floating_point():  # a word may well be guessed
                assert (picture[hidden] == one.given[hidden]).float().mean() < 0.2


def test_what_was_hidden_does_not_show_in_what_is_scored(method, batch, masks):
    shown = method.show(batch, masks)
    other = method.show(with_other(batch, shown, hidden=True), masks)
    for key, one in shown.items():
        if one.made is not None:
            hidden = one.hidden.expand_as(one.given) if not one.anew else ...
            assert_close(other[key].made[hidden], one.made[hidden], atol=1e-5, rtol=1e-4)


def test_what_is_made_does_not_depend_on_the_order_of_tokens(method, batch, masks):
    first = method.show(batch, masks)
    second = method.show(batch, {key: turned(mask) for key, mask in masks.items()})
    for key, one in first.items():
        if one.made is not None:
            assert_close(second[key].made, one.made, atol=1e-4, rtol=1e-4)


def test_one_sample_can_be_looked_at_as_it_is_among_others(method, batch, masks):
    several = method.eval().show(batch, masks)
    alone = method.show(
        {key: value[:1] for key, value in batch.items()}, {key: mask.of_sample(0) for key, mask in masks.items()}
    )
    for key, one in several.items():
        assert torch.equal(alone[key].hidden, one.hidden[:1])
        if one.made is not None:
            assert_close(alone[key].made, one.made[:1], atol=1e-5, rtol=1e-4)


def test_the_work_of_an_encoder_of_visible_patches_falls_with_the_mask_ratio(method, batch):
    for encoder in (one for one in method.encoders.values() if isinstance(one, MaskedViT)):
        (kind,) = encoder.kinds

        def work(visible, encoder=encoder, data=batch[kind]):
            with FlopCounterMode(display=False) as counter:
                encoder(data, visible)
            return counter.get_total_flops()

        count = encoder.patches.num_tokens
        some = torch.arange(count).expand(3, count)
        assert 0 < work(some[:, : count // 4]) < work(some[:, : count // 2]) < work(None)
