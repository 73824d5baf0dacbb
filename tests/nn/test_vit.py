"""The encoder works on visible patches only, and is timm's ViT when all are visible."""

from __future__ import annotations

import pytest
import timm
import torch
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from medmae.masking import Mask
from medmae.nn.vit import MaskedViT
from medmae.weights.io import import_state

SIZES = {"image_size": 32, "patch_size": 8, "in_channels": 3, "embed_dim": 24, "depth": 2, "num_heads": 3}
SHAPES = {"signal": ((48,), (6,)), "image": ((12, 20), (4, 5)), "volume": ((4, 6, 8), (2, 3, 4))}


def vit(**options):
    torch.manual_seed(0)
    return MaskedViT(**{**SIZES, **options})


@pytest.fixture
def data():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def flops(function, *args):
    with FlopCounterMode(display=False) as counter:
        function(*args)
    return counter.get_total_flops()


@pytest.mark.parametrize(("size", "patch"), SHAPES.values(), ids=SHAPES)
def test_the_patch_projection_is_the_strided_convolution_whose_weight_it_holds(size, patch):
    encoder = vit(image_size=size, patch_size=patch, in_channels=2)
    data = torch.randn(2, 2, *size)
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[len(size)]
    weight, bias = encoder.patch_embed.proj.weight, encoder.patch_embed.proj.bias
    theirs = convolve(data, weight, bias, stride=patch).flatten(2).transpose(1, 2)
    assert_close(encoder.patch_embed(encoder.patches.patchify(data)), theirs, atol=1e-5, rtol=1e-4)


def test_weights_of_timm_load_key_for_key_and_give_the_same_tokens():
    torch.manual_seed(0)
    theirs = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0, depth=2).eval()
    ours = MaskedViT(embed_dim=192, depth=2, num_heads=3).eval()
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    import_state(ours, theirs.state_dict())
    data = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert_close(ours(data), theirs.forward_features(data), atol=1e-5, rtol=1e-4)


def test_all_tokens_visible_in_any_order_is_the_unmasked_encoder_in_that_order(data):
    encoder = vit()
    order = torch.stack([torch.randperm(16), torch.randperm(16)])
    whole = encoder(data)
    wanted = torch.cat([whole[:, :1], whole[:, 1:].gather(1, order.unsqueeze(2).expand(-1, -1, 24))], dim=1)
    assert_close(encoder(data, order), wanted, atol=1e-5, rtol=1e-4)


def test_a_token_keeps_its_own_position_when_others_are_hidden(data):
    encoder = vit()
    visible = torch.tensor([[5, 0, 9], [15, 2, 3]])
    whole = encoder.embed(encoder.patches.patchify(data))
    some = encoder.embed(encoder.patches.patchify(data), visible)
    assert_close(some[:, 1:], whole[:, 1:].gather(1, visible.unsqueeze(2).expand(-1, -1, 24)))


def test_what_is_hidden_changes_nothing(data):
    encoder, visible = vit(), torch.tensor([[5, 0, 9], [15, 2, 3]])
    rows = encoder.patches.patchify(data)
    other = torch.zeros_like(rows).scatter(1, visible.unsqueeze(2).expand(-1, -1, 192), rows.gather(
        1, visible.unsqueeze(2).expand(-1, -1, 192)))  # fmt: skip
    assert torch.equal(encoder.forward_patches(other, visible), encoder.forward_patches(rows, visible))


def test_only_visible_patches_are_embedded():
    encoder = vit(image_size=224, patch_size=16, depth=1)
    rows = torch.randn(1, 196, 768)
    visible = torch.arange(49).unsqueeze(0)
    assert flops(encoder.embed, rows, visible) * 4 == flops(encoder.embed, rows)


def test_at_a_ratio_of_075_the_encoder_does_about_a_quarter_of_the_work():
    with torch.device("meta"):  # ViT-B, counted and not computed
        encoder, data, visible = MaskedViT(), torch.empty(1, 3, 224, 224), torch.empty(1, 49, dtype=torch.long)
    assert 0.23 < flops(encoder, data, visible) / flops(encoder, data) < 0.26


def test_the_class_token_stands_first_last_or_nowhere(data):
    visible = torch.tensor([[5, 0, 9], [15, 2, 3]])
    first, last, none = (vit(class_token=place) for place in ("first", "last", "none"))
    assert [len(encoder.pos_embed[0]) for encoder in (first, last, none)] == [17, 16, 16]
    torch.nn.init.constant_(first.cls_token, 3.0)
    torch.nn.init.constant_(last.cls_token, 3.0)
    rows = first.patches.patchify(data)
    assert (first.embed(rows, visible)[:, 0] == 3).all()
    assert (last.embed(rows, visible)[:, -1] == 3).all()
    assert none.embed(rows, visible).shape == (2, 3, 24)
    assert none.cls_token is None


@pytest.mark.parametrize("place", ["first", "last"])
def test_the_class_token_can_be_left_out(data, place):
    encoder = vit(class_token=place)
    rows = encoder.patches.patchify(data)
    tokens = encoder(data, use_class_token=False)
    stages = encoder.forward_intermediates(rows, use_class_token=False)
    assert {stage.shape for stage in stages} == {(2, 16, 24)}
    assert torch.equal(stages[-1], tokens)
    torch.nn.init.ones_(encoder.cls_token)
    assert torch.equal(encoder(data, use_class_token=False), tokens)


def test_further_tokens_stand_between_the_class_token_and_the_patches(data):
    encoder, extra = vit(), torch.full((2, 2, 24), 5.0)
    rows = encoder.patches.patchify(data)
    tokens = encoder.embed(rows, None, extra)
    assert tokens.shape == (2, 1 + 2 + 16, 24)
    assert torch.equal(tokens[:, 1:3], extra)
    assert torch.equal(tokens[:, 3:], encoder.embed(rows)[:, 1:])


def test_intermediates_are_the_embedding_every_block_and_the_norm(data):
    encoder = vit()
    stages = encoder.forward_intermediates(encoder.patches.patchify(data))
    assert len(stages) == 2 + 2
    assert torch.equal(stages[0], encoder.embed(encoder.patches.patchify(data)))
    assert torch.equal(stages[1], encoder.blocks[0](stages[0]))
    assert torch.equal(stages[-2], encoder(data, final_norm=False))
    assert torch.equal(stages[-1], encoder(data))


def test_without_a_last_norm_the_last_block_s_output_comes_out(data):
    plain, normed = vit(last_norm=False), vit()
    assert not [key for key in plain.state_dict() if key.startswith("norm.")]
    plain.load_state_dict({key: value for key, value in normed.state_dict().items() if not key.startswith("norm.")})
    assert torch.equal(plain(data), normed(data, final_norm=False))


def test_embedding_and_blocks_apart_are_the_whole(data):
    encoder = vit(class_token="last")
    rows = encoder.patches.patchify(data)
    tokens = encoder.add_class_token(encoder.embed(rows, use_class_token=False))
    assert torch.equal(encoder.forward_tokens(tokens), encoder(data))


def test_positions_are_fixed_unless_asked_for():
    assert not vit().pos_embed.requires_grad
    assert vit(trainable_positions=True).pos_embed.requires_grad


def test_initialisation_is_mae_s():
    encoder = vit(embed_dim=192, num_heads=3, depth=1)
    qkv, projection = encoder.blocks[0].attn.qkv, encoder.patch_embed.proj
    bounds = {qkv.weight: (6 / (4 * 192)) ** 0.5, projection.weight: (6 / (192 + 192)) ** 0.5}
    for weight, bound in bounds.items():
        assert 0.98 * bound < weight.abs().max() <= bound
    assert not qkv.bias.any()
    assert 0 < projection.bias.abs().max() <= 192**-0.5
    assert encoder.cls_token.std().item() == pytest.approx(0.02, rel=0.2)


def test_data_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"expected data of shape \(B, 3, 32, 32\), got \(1, 3, 40, 32\)"):
        vit()(torch.zeros(1, 3, 40, 32))


def test_samples_that_show_different_numbers_of_tokens_are_encoded_as_they_would_be_alone(data):
    encoder = vit()
    table = torch.arange(16) >= torch.tensor([[8], [1]])
    mask, rows = Mask.from_bool(table), encoder.patches.patchify(data)
    tokens = encoder.forward_tokens(encoder.embed(rows, mask.visible), key_mask=mask.key_mask(prefix=1))
    for number, shown in enumerate((8, 1)):
        alone = encoder(data[number : number + 1], torch.arange(shown).unsqueeze(0))
        assert_close(tokens[number : number + 1, : 1 + shown], alone, atol=1e-5, rtol=1e-4)
