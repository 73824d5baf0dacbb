"""MT-UNet: its published size, its two losses, what learns and what does not."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.methods.mt_unet import MTUNet, mt_unet_paper, mt_unet_tiny


def count(tensors, *, trainable=False):
    return sum(t.numel() for t in tensors if t.requires_grad or not trainable)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def tiny(**options):
    torch.manual_seed(0)
    return mt_unet_tiny(**options)


@pytest.fixture
def method():
    return tiny()


@pytest.fixture
def batch(method):
    return method.example_batch(2, generator=seeded(1))


@pytest.fixture(scope="module")
def paper():
    with torch.device("meta"):
        return mt_unet_paper()


def test_parameter_counts_are_the_published_ones_without_the_unused_ones(paper):
    assert count(paper.encoder.parameters()) == count(paper.feature_extractor.parameters()) == 2_519_168
    assert count(paper.unet.parameters()) == 136_852_825 - 34_126_403 == 102_726_422
    # Of the encoder's 2,387,968, the class token gets no gradient: here it is frozen.
    assert count(paper.parameters(), trainable=True) == 105_114_390 - 128


def test_paper_values_are_the_defaults(paper):
    assert (paper.image_weight, paper.feature_weight, paper.encoder.norm.eps) == (10_000.0, 1.0, 1e-5)
    assert paper.encoder.patches.grid == (32, 32)
    assert (paper.neighbours, paper.num_contrasts) == (0, None)


def test_the_loss_is_ten_thousand_times_the_absolute_error_plus_the_features(method, batch):
    out = method(batch)
    error = (out.prediction["image"] - batch["target"]).abs().mean()
    assert_close(out.terms["image"], 10_000 * error)
    weighted = tiny(image_weight=1.0, feature_weight=3.0)(batch)
    assert_close(weighted.terms["image"], error)
    assert_close(weighted.terms["feature"], 3 * out.terms["feature"])


def test_a_prediction_that_is_the_target_costs_nothing(method, batch):
    out = method({**batch, "target": method.synthesise(batch["image"])})
    assert_close(out.loss, torch.zeros(()), atol=1e-2, rtol=0)


@pytest.mark.parametrize("term", ["image", "feature"])
def test_either_term_alone_trains_encoder_and_u_net(method, batch, term):
    method(batch).terms[term].backward()
    assert method.encoder.patch_embed.proj.weight.grad.any()
    assert method.unet.fine[0].blocks[0].attn.qkv.weight.grad.any()


def test_the_feature_extractor_stays_as_it_is_when_the_rest_learns(method, batch):
    frozen = {key: value.clone() for key, value in method.feature_extractor.state_dict().items()}
    moved = {key: value.clone() for key, value in method.unet.state_dict().items()}
    optimiser = torch.optim.Adam((p for p in method.parameters() if p.requires_grad), lr=1e-3)
    method(batch).loss.backward()
    optimiser.step()
    assert all(torch.equal(value, frozen[key]) for key, value in method.feature_extractor.state_dict().items())
    assert not any(torch.equal(value, moved[key]) for key, value in method.unet.state_dict().items())


def test_a_few_steps_lower_the_error(method, batch):
    optimiser = torch.optim.Adam((p for p in method.parameters() if p.requires_grad), lr=1e-3)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        out = method(batch)
        out.loss.backward()
        optimiser.step()
        losses.append(out.terms["image"].item())
    assert losses[-1] < 0.97 * losses[0]


def test_no_class_token_takes_part_and_none_is_trained(method, batch):
    before = method(batch).loss
    for part in (method.encoder, method.feature_extractor):
        assert not part.cls_token.requires_grad
        torch.nn.init.constant_(part.cls_token, 3.0)
    assert torch.equal(method(batch).loss, before)


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_frozen_blocks_and_what_lies_before_them_get_no_gradient(batch, blocks):
    method = tiny(freeze_blocks=blocks)
    method(batch).loss.backward()
    learned = {key.split(".")[0] for key, p in method.encoder.named_parameters() if p.grad is not None}
    assert ("patch_embed" in learned) == (blocks == 0)
    assert [p.grad is not None for p in (b.attn.qkv.weight for b in method.encoder.blocks)] == [
        index >= blocks for index in range(2)
    ]
    assert "norm" in learned


def test_constructor_and_paper_preset_are_one():
    with torch.device("meta"):
        one, two = MTUNet(), mt_unet_paper()
    shapes = [{key: value.shape for key, value in m.state_dict().items()} for m in (one, two)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze_blocks": 3}, r"freeze_blocks must lie in 0 \.\. 2, the encoder's blocks, got 3"),
        ({"freeze_blocks": -1}, "got -1"),
        ({"neighbours": -1}, "neighbours must be at least 0, got -1"),
        ({"neighbours": 1, "image_size": (16, 32, 32)}, "neighbours = 1 is for slices of one contrast"),
        ({"neighbours": 1, "num_contrasts": 2}, "neighbours = 1 is for slices of one contrast"),
        ({"num_contrasts": 1}, "num_contrasts must be at least 2, or None for pairs, got 1"),
        ({"patch_size": 1}, r"even, got \(1, 1\)"),
        ({"image_size": 48}, r"cannot be halved 2 times.*multiple of \(32, 32\)"),
        ({"decoder": "unet"}, "decoder must be 'swin_unet' or 'conv_unet', got 'unet'"),
    ],
)
def test_options_that_do_not_suit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        tiny(**options)


def test_a_target_of_another_shape_is_refused(method, batch):
    with pytest.raises(ValueError, match=r"target must be \(2, 1, 64, 64\), got \(2, 1, 32, 32\)"):
        method({**batch, "target": batch["target"][..., ::2, ::2]})


def test_synthesising_keeps_no_graph_and_is_what_training_predicts(method, batch):
    picture = method.synthesise(batch["image"])
    assert not picture.requires_grad
    assert_close(picture, method(batch).prediction["image"], atol=1e-6, rtol=1e-5)


def test_without_a_feature_extractor_there_is_no_feature_term(batch):
    method = tiny(feature_weight=0.0)
    assert method.feature_extractor is None
    assert set(method(batch).terms) == {"image"}


@pytest.mark.parametrize("decoder", ["swin_unet", "conv_unet"])
@pytest.mark.parametrize("brightness", [0.1, 0.5])
def test_an_untrained_network_shows_the_brightness_it_was_told(brightness, decoder):
    torch.manual_seed(0)
    method = mt_unet_tiny(initial_brightness=brightness, decoder=decoder)
    head = method.unet.head.pred if decoder == "swin_unet" else method.unet.head
    assert torch.all(head.bias.sigmoid().sub(brightness).abs() < 1e-6)
    torch.nn.init.zeros_(head.weight)
    assert method.synthesise(torch.rand(1, 1, 64, 64)).mean().item() == pytest.approx(brightness)


@pytest.mark.parametrize("brightness", [0.0, 1.0, -0.1])
def test_a_brightness_that_no_sigmoid_reaches_is_refused(brightness):
    with pytest.raises(ValueError, match="initial_brightness must lie in"):
        mt_unet_tiny(initial_brightness=brightness)


@pytest.mark.parametrize("contrasts", [None, 3])
def test_errors_in_lesions_weigh_more(contrasts):
    torch.manual_seed(0)
    options = {"feature_weight": 0.0, "num_contrasts": contrasts}
    plain, weighted = tiny(**options), tiny(**options, lesion_weight=9.0)
    weighted.load_state_dict(plain.state_dict())
    batch = weighted.example_batch(2, generator=seeded(1))
    nothing, everything = ({**batch, "lesion": torch.full_like(batch["lesion"], share)} for share in (0.0, 1.0))
    half = {**batch, "lesion": torch.zeros_like(batch["lesion"])}
    half["lesion"][0] = 1
    loss = plain(batch, generator=seeded(2)).loss
    for same in (nothing, everything):
        assert_close(weighted(same, generator=seeded(2)).loss, loss)
    assert not torch.isclose(weighted(half, generator=seeded(2)).loss, loss)
    with pytest.raises(ValueError, match="lesion"):
        weighted({name: value for name, value in batch.items() if name != "lesion"}, generator=seeded(2))
