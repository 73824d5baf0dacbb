"""SimVTP: what is hidden and what is read, how clip and words help each other, contrast and matching."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.methods.simvtp import sentence_ids, simvtp_base, simvtp_tiny
from medmae.methods.videomae import videomae_tiny
from medmae.nn.video_text import VideoTextEncoder
from medmae.objectives.words import masked_words
from medmae.weights.io import import_state
from medmae.weights.maps.simvtp import SIMVTP
from medmae.weights.maps.videomae import VIDEOMAE

CLS, SEP, MASK = 2, 3, 4
PLAIN = {"contrast": 0.0, "matching": 0.0}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return simvtp_tiny()


@pytest.fixture
def batch(method):
    return method.example_batch(3, generator=seeded(1))


@pytest.fixture
def masks(method, batch):
    return method.draw_masks(batch, generator=seeded(2))


def passes(method, monkeypatch):
    """Names of what each pass of the encoder read, in order."""
    seen, forward = [], VideoTextEncoder.forward

    def counted(self, batch, masks=None):
        seen.append(sorted(batch))
        return forward(self, batch, masks)

    monkeypatch.setattr(VideoTextEncoder, "forward", counted)
    return seen


def test_a_tenth_of_the_cubes_and_all_words_are_encoded():
    with torch.device("meta"):
        method = simvtp_base()
    clip = method.clip_masking.sample(1)
    words = torch.arange(1000, 1009)[None]
    batch = {"image": torch.empty(1, 3, 16, 224, 224, device="meta"), "words": words.to("meta")}
    masks = {"image": clip.to("meta"), "words": method.word_masking.sample(1, real=words > 0).to("meta")}
    assert method.encoder(batch, masks)[0].shape == (1, 160 + 9, 768)


def test_hidden_words_are_read_as_mask_and_others_as_they_are(method, batch, masks):
    hidden = masks["words"].decoded()
    read = batch["words"].masked_fill(hidden, MASK)
    assert hidden.any()
    tokens, _ = method.encoder.embed({"words": batch["words"]}, {"words": masks["words"]})
    assert_close(tokens, method.encoder.words(read))


def test_what_stands_at_a_padded_place_changes_nothing_but_the_reference_s_mean(method, batch, masks):
    padded = ~method.encoder.words.real(batch["words"])
    assert padded.any()
    other = {**batch, "words": torch.where(padded, 7, batch["words"])}
    one, two = (method(some, masks=masks, generator=seeded()) for some in (batch, other))
    for name in ("image", "words"):
        assert_close(one.prediction[name], two.prediction[name])
    alone = [method.encoder({"words": some["words"]}, {"words": masks["words"]}) for some in (batch, other)]
    assert_close(*(method._mean(*each) for each in alone))
    method.pool_padding = True
    assert not torch.allclose(*(method._mean(*each) for each in alone), atol=1e-4)


def test_words_help_to_rebuild_the_clip_and_hidden_tubes_help_nobody(method, batch, masks):
    before = method(batch, masks=masks, generator=seeded()).prediction
    hidden = method.clip.patches.paint(masks["image"].as_bool()).expand_as(batch["image"])
    clip = torch.where(hidden, torch.rand(batch["image"].shape, generator=seeded(5)), batch["image"])
    same = method({**batch, "image": clip}, masks=masks, generator=seeded()).prediction
    for name in ("image", "words"):
        assert_close(same[name], before[name])
    visible = ~masks["words"].as_bool()
    words = torch.where(visible & method.encoder.words.real(batch["words"]), 9, batch["words"])
    other = method({**batch, "words": words}, masks=masks, generator=seeded()).prediction
    assert not torch.allclose(other["image"], before["image"], atol=1e-5)


def test_the_clip_helps_to_find_the_words(method, batch, masks):
    before = method(batch, masks=masks, generator=seeded()).prediction["words"]
    clip = torch.rand(batch["image"].shape, generator=seeded(5))
    after = method({**batch, "image": clip}, masks=masks, generator=seeded()).prediction["words"]
    assert not torch.allclose(after, before, atol=1e-5)


def test_where_no_word_is_hidden_they_cost_nothing_and_gradients_are_finite(method, batch, masks):
    real = method.encoder.words.real(batch["words"])
    none = Mask.from_bool(torch.zeros_like(real), real=real, replaced=True)
    out = method(batch, masks={**masks, "words": none}, generator=seeded())
    assert out.terms["words"] == 0
    out.loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())
    assert not method.word_head.pred.weight.grad.any()


def test_words_that_are_not_hidden_are_asked_of_nobody(method, batch, masks):
    found = method(batch, masks=masks, generator=seeded()).prediction["words"]
    shown = ~masks["words"].decoded()
    other = torch.where(shown, 9, batch["words"])
    assert not torch.equal(other, batch["words"])
    costs = [masked_words(found, words, masks["words"]) for words in (batch["words"], other)]
    assert torch.equal(*costs)


def test_with_neither_contrast_nor_matching_there_is_one_pass(batch, monkeypatch):
    seen = passes(None, monkeypatch)
    out = simvtp_tiny(**PLAIN)(batch, generator=seeded())
    assert seen == [["image", "words"]]
    assert set(out.terms) == {"image", "words"}


def test_with_both_true_pairs_are_not_encoded_twice(method, batch, monkeypatch):
    seen = passes(method, monkeypatch)
    method(batch, generator=seeded())
    assert seen == [["image", "words"], ["image"], ["words"], ["image", "words"]]


def test_whole_captions_are_read_by_contrast_and_matching_if_asked(batch, monkeypatch):
    torch.manual_seed(0)
    method = simvtp_tiny(contrast_words="whole")
    masks = method.draw_masks(batch, generator=seeded(2))
    other = dict(masks, words=method.draw_masks(batch, generator=seeded(3))["words"])
    one, two = (method(batch, masks=some, generator=seeded()).terms for some in (masks, other))
    assert_close(one["contrast"], two["contrast"])
    assert not torch.allclose(one["words"], two["words"])


def test_identical_pairs_cost_twice_the_logarithm_of_their_number_and_one_caption_is_no_negative_of_itself(method):
    one = method.example_batch(1, generator=seeded(1))
    batch = {name: value.expand(4, *value.shape[1:]) for name, value in one.items()}
    masks = {name: mask.of_samples(torch.zeros(4, dtype=torch.int64)) for name, mask in _one(method, one).items()}
    method.equal_words = True
    out = method(batch, masks=masks, generator=seeded())
    assert float(out.terms["contrast"].detach()) == pytest.approx(2 * math.log(4), rel=1e-5)
    assert "matching" in out.terms
    method.equal_words = False
    assert not method.negatives(batch["words"])[1].any()
    alone = method(batch, masks=masks, generator=seeded()).terms["matching"]
    joint = method._mean(*method.encoder(batch, masks))
    assert_close(alone, torch.nn.functional.cross_entropy(method.matcher(joint), torch.ones(4, dtype=torch.int64)))


def _one(method, batch):
    return method.draw_masks(batch, generator=seeded(2))


def test_no_negative_is_its_own_clip_or_has_the_same_words(method):
    words = torch.tensor([[CLS, 7, SEP, 0], [CLS, 7, SEP, 0], [CLS, 8, SEP, 0], [CLS, 7, 9, SEP], [CLS, 7, SEP, 0]])
    other, there = method.negatives(words)
    assert other.tolist() == [2, 2, 3, 4, 2]
    assert there.all()
    method.equal_words = True
    other, there = method.negatives(words)
    assert other.tolist() == [1, 2, 3, 4, 0]
    assert there.all()


def test_sentences_are_the_same_whatever_the_padding_of_their_batch():
    short, long = torch.tensor([[2, 7, 3]]), torch.tensor([[2, 7, 3, 0, 0], [2, 3, 7, 0, 0]])
    ids = sentence_ids(long, long > 0)
    assert sentence_ids(short, short > 0) == ids[0]
    assert ids[0] != ids[1]


def test_a_batch_of_one_trains_without_matching_and_says_so(method):
    batch = method.example_batch(1, generator=seeded(1))
    with pytest.warns(UserWarning, match="without matching"):
        out = method(batch, generator=seeded())
    assert "matching" not in out.terms
    assert out.loss.isfinite()


def test_weights_of_videomae_fill_all_that_is_of_clips():
    method, clips = simvtp_tiny(depth=12), videomae_tiny(depth=12)
    theirs = {key.removeprefix("module."): value for key, value in VIDEOMAE.write(clips.state_dict()).items()}
    report = import_state(method, theirs, key_map=SIMVTP, strict=False)
    assert {key.split(".")[0] + "." + key.split(".")[1] for key in report.missing} <= {
        "encoder.words",
        "word_head.pred",
        "matcher.weight",
        "matcher.bias",
    }
    assert torch.equal(method.clip.blocks[1].mlp.fc1.weight, clips.encoder.blocks[1].mlp.fc1.weight)
    assert torch.equal(method.decoder.mask_token, clips.decoder.mask_token)


def test_in_half_precision_padding_is_still_read_by_none(method, batch, masks):
    """Where a large negative number is added for padding, float16 knows it as minus infinity, or not at all."""
    encoder = method.encoder.half().eval()
    padded = ~method.encoder.words.real(batch["words"])
    one, two = (
        encoder({"image": batch["image"].half(), "words": words}, masks)[0]
        for words in (batch["words"], torch.where(padded, 7, batch["words"]))
    )
    real = torch.cat([torch.ones(3, one.shape[1] - padded.shape[1], dtype=torch.bool), ~padded], dim=1)
    assert one.dtype == torch.float16
    assert one.isfinite().all()
    assert torch.equal(one[real], two[real])


@pytest.mark.parametrize("scaled", ["gamma_1", "gamma_2"])
def test_weights_with_a_scale_of_layers_are_refused_for_no_block_here_has_one(scaled, method):
    theirs = SIMVTP.write(method.state_dict())
    theirs[f"encoder.blocks.0.{scaled}"] = torch.ones(48)
    with pytest.raises(ValueError, match=rf"unexpected +1  [^\n]*{scaled}"):
        import_state(method, theirs, key_map=SIMVTP)


def test_rates_that_fall_by_layer_reach_words_and_blocks(method):
    layers = method.encoder.layers()
    assert len(layers) == 1 + 2
    first = {id(p) for p in layers[0]}
    assert {id(p) for p in method.encoder.words.parameters()} <= first
    assert id(method.clip.patch_embed.proj.weight) in first


def test_blocks_before_the_words_are_ours_and_padding_is_read_by_none(batch):
    torch.manual_seed(0)
    method = simvtp_tiny(word_decoder_depth=2, **PLAIN)
    masks = method.draw_masks(batch, generator=seeded(2))
    padded = ~method.encoder.words.real(batch["words"])
    other = {**batch, "words": torch.where(padded, 7, batch["words"])}
    one, two = (method(some, masks=masks).prediction["words"] for some in (batch, other))
    assert_close(one, two)
    assert one.shape[2] == 30


@pytest.mark.parametrize("given", [("image",), ("words",), ("image", "words")])
def test_features_are_of_what_is_there(given, method, batch):
    found = method.encoder.eval().features({name: batch[name] for name in given})
    assert found.shape == (3, 48)
    assert method.encoder.features({name: batch[name] for name in given}, block=1).isfinite().all()


def test_sentences_that_are_too_long_or_no_numbers_are_refused(method, batch):
    with pytest.raises(ValueError, match="may have 16 tokens"):
        method({**batch, "words": torch.ones(3, 17, dtype=torch.int64)}, generator=seeded())
    with pytest.raises(ValueError, match="whole numbers"):
        method({**batch, "words": torch.rand(3, 8)}, generator=seeded())
    with pytest.raises(ValueError, match="'image' or 'words'"):
        method.encoder.features({"sound": torch.rand(3, 8)})
