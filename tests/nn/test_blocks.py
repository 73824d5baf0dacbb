"""The block beside timm's, its last tokens alone, and what it reads."""

from __future__ import annotations

import functools

import pytest
import torch
from timm.models.vision_transformer import Block as TimmBlock
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from medmae.nn.attention import QueryValueLinear
from medmae.nn.blocks import Block, biases_of, make_blocks


@pytest.fixture(params=[True, False, "query_value"], ids=["with bias", "without bias", "keys without bias"])
def block(request):
    torch.manual_seed(0)
    (block,) = make_blocks(dim=24, depth=1, num_heads=3, qkv_bias=request.param)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return block


def gradients(block, tokens, output):
    wanted = [tokens, *block.parameters()]
    return torch.autograd.grad((output * torch.linspace(-1, 1, output[0].numel()).view_as(output[0])).sum(), wanted)


@pytest.mark.parametrize("tail", [1, 5, 8])
def test_the_tail_is_what_the_whole_block_gives_for_its_last_tokens(block, tail):
    tokens = torch.randn(2, 8, 24)
    assert_close(block(tokens, tail), block(tokens)[:, -tail:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tail", [1, 5, 8])
def test_the_tail_has_the_gradients_of_the_whole_block(block, tail):
    tokens = torch.randn(2, 8, 24, requires_grad=True)
    ours = gradients(block, tokens, block(tokens, tail))
    theirs = gradients(block, tokens, block(tokens)[:, -tail:])
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(mine, other, atol=1e-4, rtol=1e-4)


def test_the_tail_costs_less_than_the_whole():
    (block,) = make_blocks(dim=24, depth=1, num_heads=3)
    tokens = torch.randn(2, 8, 24)
    with FlopCounterMode(display=False) as whole:
        block(tokens)
    with FlopCounterMode(display=False) as tail:
        block(tokens, 2)
    # Of 12 parts of linear work, keys and values (2) stay whole and the rest is done for a quarter of the tokens.
    assert tail.get_total_flops() < 0.45 * whole.get_total_flops()


@pytest.mark.parametrize("given", [False, True], ids=["itself", "another source"])
def test_a_causal_token_reads_the_first_tokens_up_to_its_own_number_and_no_later_one(block, given):
    tokens, source = torch.randn(2, 8, 24), torch.randn(2, 8, 24)
    read = source if given else tokens
    changed = torch.cat([read[:, :5], torch.randn(2, 3, 24)], dim=1)
    before = block(tokens, source=source if given else None, causal=True)
    after = block(tokens if given else changed, source=changed if given else None, causal=True)
    assert torch.equal(after[:, :5], before[:, :5])
    assert (after[:, 5:] - before[:, 5:]).abs().amax(dim=2).min() > 1e-3
    first = block(tokens[:, :1], source=read[:, :1])
    assert_close(before[:, :1], first, atol=1e-5, rtol=1e-5)


def test_tokens_that_read_themselves_are_the_plain_block(block):
    tokens = torch.randn(2, 8, 24)
    assert_close(block(tokens, source=tokens), block(tokens), atol=1e-5, rtol=1e-5)
    assert_close(block(tokens, causal=True)[:, -1:], block(tokens, 1), atol=1e-5, rtol=1e-5)


def test_a_source_of_another_length_is_read_whole_and_normalised_with_the_block_s_own_norm(block):
    tokens, source = torch.randn(2, 4, 24), torch.randn(2, 7, 24)
    joined = torch.cat([source, tokens], dim=1)  # keys and values of the first seven, queries of the last four
    query, key, value = block.attn.qkv(block.norm1(joined)).unflatten(2, (3, 3, 8)).permute(2, 0, 3, 1, 4)
    weights = (query[:, :, -4:] @ key[:, :, :7].transpose(2, 3) / 8**0.5).softmax(dim=3)
    expected = tokens + block.attn.proj((weights @ value[:, :, :7]).transpose(1, 2).flatten(2))
    expected = expected + block.mlp(block.norm2(expected))
    assert_close(block(tokens, source=source), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("use", [{}, {"num_tail": 2}, {"causal": True}], ids=str)
def test_tokens_behind_a_key_mask_are_read_by_none(block, use):
    tokens, keys = torch.randn(2, 6, 24), torch.ones(2, 6, dtype=torch.bool)
    keys[:, 3] = False
    changed = tokens.clone()
    changed[:, 3] = torch.randn(2, 24)
    masked, other = (block(x, key_mask=keys, **use) for x in (tokens, changed))
    others = [0, 1] if "num_tail" in use else [0, 1, 2, 4, 5]  # all but the token itself
    assert torch.equal(other[:, others], masked[:, others])
    assert not torch.allclose(block(changed, **use)[:, -1], masked[:, -1], atol=1e-3)


@pytest.mark.parametrize("use", [{"key_mask": torch.ones(2, 6, dtype=torch.bool)}, {"num_tail": 2}, {"causal": True}])
def test_a_block_that_drops_tokens_passes_by_no_mask_that_it_does_not_know(block, use):
    with pytest.raises(AssertionError):
        block(torch.randn(2, 6, 24), between=lambda tokens, importance: tokens, **use)


def test_a_key_mask_that_hides_nothing_is_the_plain_block_and_one_of_padding_a_shorter_sequence(block):
    tokens = torch.randn(2, 6, 24)
    assert_close(block(tokens, key_mask=torch.ones(2, 6, dtype=torch.bool)), block(tokens), atol=1e-5, rtol=1e-5)
    keys = torch.arange(6).expand(2, 6) < 4
    assert_close(block(tokens, key_mask=keys)[:, :4], block(tokens[:, :4]), atol=1e-5, rtol=1e-5)


def test_drop_path_grows_linearly_from_nothing():
    blocks = make_blocks(dim=8, depth=4, num_heads=2, drop_path=0.3)
    rates = [getattr(block.drop_path1, "drop_prob", 0.0) for block in blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_epsilon_and_width_of_the_mlp_are_choices():
    (block,) = make_blocks(dim=8, depth=1, num_heads=2, norm_eps=1e-5, mlp_ratio=2.0)
    assert (block.norm1.eps, block.norm2.eps, block.mlp.fc1.out_features) == (1e-5, 1e-5, 16)


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="width 10 is not a multiple of 4 heads"):
        make_blocks(dim=10, depth=1, num_heads=4)


def test_keys_without_bias_have_no_parameter_for_one_and_gradients_reach_the_others(block):
    if not isinstance(block.attn.qkv, QueryValueLinear):
        pytest.skip("of keys without bias")
    names = [name for name, _ in block.attn.qkv.named_parameters()]
    assert names == ["weight", "q_bias", "v_bias"]
    block(torch.randn(2, 8, 24)).square().sum().backward()
    assert block.attn.qkv.q_bias.grad.abs().min() > 0
    assert block.attn.qkv.v_bias.grad.abs().min() > 0


def test_keys_without_bias_are_keys_with_a_bias_of_zeros():
    torch.manual_seed(0)
    (ours,), (whole,) = (make_blocks(dim=24, depth=1, num_heads=3, qkv_bias=bias) for bias in ("query_value", True))
    torch.nn.init.normal_(ours.attn.qkv.q_bias)
    torch.nn.init.normal_(ours.attn.qkv.v_bias)
    state = ours.state_dict()
    query, value = state.pop("attn.qkv.q_bias"), state.pop("attn.qkv.v_bias")
    whole.load_state_dict({**state, "attn.qkv.bias": torch.cat([query, torch.zeros(24), value])})
    tokens = torch.randn(2, 8, 24)
    assert torch.equal(ours(tokens), whole(tokens))
    assert biases_of(ours) == "query_value"


def test_another_word_for_biases_is_refused():
    with pytest.raises(ValueError, match="qkv_bias must be true, false or 'query_value', got 'qv'"):
        make_blocks(dim=24, depth=1, num_heads=3, qkv_bias="qv")


@pytest.mark.parametrize("drop_path", [0.0, 0.4])
def test_the_block_is_timm_s_key_for_key_draw_for_draw_and_bit_for_bit(drop_path):
    torch.manual_seed(0)
    ours = Block(24, num_heads=3, mlp_ratio=2.0, drop_path=drop_path)
    torch.manual_seed(0)
    norm = functools.partial(torch.nn.LayerNorm, eps=1e-6)
    theirs = TimmBlock(24, 3, mlp_ratio=2.0, qkv_bias=True, norm_layer=norm, drop_path=drop_path)
    state, other = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(other)
    assert all(torch.equal(state[key], other[key]) for key in state)
    tokens = torch.randn(24, 8, 24)
    outputs = []
    for block in (ours, theirs):
        torch.manual_seed(1)
        outputs.append(block.train()(tokens))
    assert torch.equal(*outputs)
    passed_by = (outputs[0] == tokens).flatten(1).all(dim=1)
    assert bool(passed_by.any()) == bool(drop_path)  # both branches, one time in six
