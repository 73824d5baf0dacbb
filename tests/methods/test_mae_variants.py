"""The faster variants of MAE: what they leave as it is, what they save, and what they promise."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from medmae.masking import Mask
from medmae.methods.mae import MAE, mae_fast_cross, mae_fast_subset, mae_small_decoder, mae_tiny

VARIANTS = {
    "subset": {"decode_share": 0.5},
    "cross": {"decoder": "cross"},
    "cross_last": {"decoder": "cross_last"},
    "cross subset": {"decoder": "cross", "decode_share": 0.25},
}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def tiny(**options) -> MAE:
    torch.manual_seed(0)
    return mae_tiny(**options)


@pytest.fixture(params=VARIANTS)
def method(request):
    return tiny(**VARIANTS[request.param])


@pytest.fixture
def batch():
    return tiny().example_batch(3, generator=seeded(1))


def test_by_default_every_hidden_token_is_decoded_by_mae_s_decoder(batch):
    plain, said = tiny(), tiny(decoder="self", decode_share=1.0)
    first, second = seeded(2), seeded(2)
    one, other = plain(batch, generator=first), said(batch, generator=second)
    assert torch.equal(one.loss, other.loss)
    assert (one.masks["image"].num_masked, one.masks["image"].skipped) == (12, 0)
    assert torch.equal(first.get_state(), second.get_state())


def test_the_visible_tokens_and_the_generator_are_those_of_plain_mae(method, batch):
    first, second = seeded(2), seeded(2)
    mask, plain = (
        method.draw_masks(batch, generator=first)["image"],
        tiny().draw_masks(batch, generator=second)["image"],
    )
    assert torch.equal(mask.visible, plain.visible)
    assert torch.equal(mask.as_bool(), plain.as_bool())
    assert torch.equal(first.get_state(), second.get_state())


def test_the_loss_is_the_mean_over_the_decoded_tokens(method, batch):
    out = method(batch, generator=seeded(2))
    target = method.target(out.masks["image"].hidden(method.patches.patchify(batch["image"])))
    assert out.prediction["image"].shape[:2] == out.masks["image"].masked.shape
    assert_close(out.loss, (out.prediction["image"] - target).square().mean())


def test_a_subset_handed_in_is_replayed(method, batch):
    out = method(batch, generator=seeded(2))
    again = method(batch, masks=out.masks)
    assert torch.equal(again.masks["image"].masked, out.masks["image"].masked)
    assert torch.equal(again.loss, out.loss)


def test_tokens_that_are_not_decoded_are_not_even_keys(batch):
    method = tiny(decode_share=0.5)
    lengths = []
    for block in method.decoder.blocks:
        block.register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
        block.attn.register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    method(batch)
    assert set(lengths) == {1 + 4 + 6}


def test_every_parameter_gets_a_gradient(method, batch):
    method(batch, generator=seeded(2)).loss.backward()
    idle = [k for k, p in method.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert idle == []


@pytest.mark.parametrize("decoder", ["cross", "cross_last"])
def test_the_subset_s_loss_is_an_unbiased_estimate_of_the_whole_loss(decoder, batch):
    """Exactly: over all twelve places of a single decoded token, and in the mean over random draws."""
    method = tiny(decoder=decoder, decode_share=0.25).eval()
    whole = method.draw_masks(batch, generator=seeded(2))["image"].complete()
    with torch.no_grad():
        full = method(batch, masks={"image": whole}).loss
        each = [
            method(batch, masks={"image": Mask(whole.visible, whole.masked[:, [i]], 16, skipped=11)}).loss
            for i in range(12)
        ]
        noise = [torch.rand(3, 12, generator=seeded(seed)).argsort(dim=1)[:, :3] for seed in range(300)]
        drawn = torch.stack(
            [
                method(batch, masks={"image": Mask(whole.visible, whole.masked.gather(1, n), 16, skipped=9)}).loss
                for n in noise
            ]
        )
    assert_close(torch.stack(each).mean(), full, atol=1e-5, rtol=1e-5)
    assert (drawn.mean() - full).abs() < 4 * drawn.std() / 300**0.5


def test_a_self_attention_decoder_s_prediction_does_depend_on_the_subset(batch):
    """Why the subset is a variant: the other tokens are missed."""
    method = tiny(decode_share=0.5)
    mask = method.draw_masks(batch, generator=seeded(2))["image"]
    few, whole = (
        method(batch, masks={"image": m}).prediction["image"]
        for m in (mask, tiny().draw_masks(batch, generator=seeded(2))["image"])
    )
    assert not torch.allclose(few, whole[:, :6], atol=1e-4)


def test_pictures_rebuild_every_hidden_token(method, batch):
    mask = method.draw_masks(batch, generator=seeded(2))["image"]
    rows = method.patches.patchify(batch["image"])
    drawn = method.patches.patchify(method.show(batch, {"image": mask})["image"].made)
    everything = mask.complete()
    assert everything.num_masked == 12
    assert_close(everything.keep(drawn), everything.keep(rows))
    assert not torch.isclose(everything.hidden(drawn), everything.hidden(rows)).all(dim=2).any()
    assert_close(
        drawn, method.patches.patchify(method.show(batch, {"image": everything})["image"].made), atol=1e-5, rtol=1e-4
    )


def test_predict_gives_every_token_in_raster_order(method, batch):
    mask = method.draw_masks(batch, generator=seeded(2))["image"]
    whole = method.predict(batch, mask)
    assert whole.shape == (3, 16, method.patches.num_values)
    complete = mask.complete()
    assert_close(
        complete.hidden(whole), method(batch, masks={"image": complete}).prediction["image"], atol=1e-5, rtol=1e-4
    )


def decoder_flops(method: MAE) -> int:
    image = torch.empty(1, 3, 224, 224, device="meta")
    with FlopCounterMode(display=False) as counter:
        method({"image": image}, masks={"image": method.masking.sample(1).to("meta")})
    everything = counter.get_flop_counts()
    return sum(everything["MAE.decoder"].values())


def test_decoder_work_falls_as_the_page_says():
    """Section "Faster variants" of docs/methods/mae.md, at ViT-B/16, 224 px."""
    with torch.device("meta"):
        methods = {
            "base": MAE(),
            "subset": mae_fast_subset(),
            "cross": mae_fast_cross(decode_share=1.0),
            "cross third": mae_fast_cross(),
            "small": mae_small_decoder(),
        }
    work = {name: decoder_flops(method) for name, method in methods.items()}
    ratio = {name: round(work["base"] / value, 1) for name, value in work.items()}
    assert ratio == {"base": 1.0, "subset": 1.6, "cross": 1.0, "cross third": 2.5, "small": 7.7}


@pytest.mark.parametrize(("decoder", "reads"), [("cross", ["blocks", "norm"]), ("cross_last", ["norm"])])
def test_a_cross_decoder_reads_the_encoder_s_stages_or_its_output_alone(batch, decoder, reads):
    method = tiny(decoder=decoder, decoder_depth=1)
    stages = method.encoder.forward_intermediates(method.patches.patchify(batch["image"]))
    leaves = [stage.detach().requires_grad_() for stage in stages]
    mask = method.draw_masks(batch)["image"].complete()
    method.head(method.decoder(leaves, mask)).square().sum().backward()
    read = [leaf.grad is not None and bool(leaf.grad.any()) for leaf in leaves]
    assert read == [*["blocks" in reads] * 3, False, True]


def test_what_is_hidden_does_not_influence_the_prediction(method, batch):
    mask = method.draw_masks(batch, generator=seeded(2))["image"]
    rows, complete = method.patches.patchify(batch["image"]), mask.complete()
    other = complete.restore(complete.keep(rows), torch.rand(3, 12, rows.shape[2], generator=seeded(3)))
    before, after = (
        method(batch, masks={"image": mask}),
        method({"image": method.patches.unpatchify(other)}, masks={"image": mask}),
    )
    assert_close(after.prediction["image"], before.prediction["image"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, 0.01, float("nan")])
def test_a_share_that_decodes_nothing_or_more_than_everything_is_refused(share):
    with pytest.raises(ValueError, match=rf"decode_share must lie in \(0, 1\] and .* 12 masked tokens, got {share}"):
        mae_tiny(decode_share=share)


def test_a_misspelt_decoder_is_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"decoder must be .*cross_last.*, got 'croos'"):
        mae_tiny(decoder="croos")
