"""SimVTP gives the numbers of the authors' code release, from its weights, masks and negatives."""

from __future__ import annotations

import pytest
import torch

from medmae.kinds import SCALES
from medmae.masking import Mask
from medmae.methods.simvtp import SimVTP, simvtp_base
from medmae.objectives.contrastive import info_nce
from medmae.objectives.matching import matching_loss
from medmae.objectives.words import masked_words
from medmae.weights.io import import_state
from medmae.weights.maps.simvtp import SIMVTP

SIZES = {
    "image_size": 64,
    "embed_dim": 48,
    "depth": 2,
    "num_heads": 4,
    "decoder_dim": 32,
    "decoder_depth": 2,
    "decoder_heads": 2,
    "mask_ratio": 0.75,
    "vocab_size": 60,
    "max_words": 32,
    "mask_word": 4,
    "scale": "imagenet",
}
THEIRS = {"contrast": 1.0, "matching": 1.0, "equal_words": True, "pool_padding": True}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("simvtp")


@pytest.fixture
def method(reference, monkeypatch):
    found = SimVTP(**SIZES, **THEIRS).eval()
    assert import_state(found, reference.part("state."), key_map=SIMVTP).fits
    negatives = reference["in.vtm_negative_index"], torch.ones(3, dtype=torch.bool)
    monkeypatch.setattr(found, "negatives", lambda words: negatives)
    return found


@pytest.fixture
def of_words(reference):
    """With all that words pass through, but without the projection of cubes and their decoder, which are large."""
    found = SimVTP(**SIZES, **THEIRS).eval()
    parts = ("text_", "vtm_head.", "encoder.blocks.", "encoder.norm.")
    renamed, _ = SIMVTP.apply(reference.part("state.", only=parts))
    assert not found.load_state_dict(renamed, strict=False).unexpected_keys
    return found


@pytest.fixture
def words(reference):
    return {"words": reference["in.input_ids_original"]}


@pytest.fixture
def hidden_words(reference):
    real, hidden = reference["in.attention_mask"].bool(), reference["in.mlm_labels"] != -100
    return {"words": Mask.from_bool(hidden, real=real, replaced=True)}


@pytest.fixture
def batch(reference):
    """The clip in [0, 1]; theirs is scaled."""
    return {"image": SCALES["imagenet"].invert(reference["in.video"]), "words": reference["in.input_ids_original"]}


@pytest.fixture
def masks(reference, hidden_words):
    return {"image": Mask.from_bool(reference["mask.bool_masked_pos"].bool()), **hidden_words}


def test_words_are_embedded_as_the_reference_s(reference, of_words, words, hidden_words):
    found = of_words.encoder.words(words["words"], hidden_words["words"].decoded())
    reference.compare(found, reference["out.text_embedding"])


def test_hidden_words_stand_where_theirs_do(reference, words, hidden_words):
    replaced = words["words"].masked_fill(hidden_words["words"].decoded(), 4)
    assert torch.equal(replaced, reference["in.input_ids_masked"])


def test_a_caption_alone_is_encoded_as_the_reference_s_padding_taken_in(reference, of_words, words, hidden_words):
    reference.compare(of_words._mean(*of_words.encoder(words, hidden_words)), reference["out.text_feature"])


def test_words_are_found_in_the_reference_s_tokens(reference, of_words, words, hidden_words):
    mask = hidden_words["words"]
    entries = mask.weight > 0
    found = of_words.word_head(reference["out.joint_encoder"][:, 32:], mask)
    reference.compare(found[entries], mask.hidden(reference["out.mlm_logits"])[entries])
    reference.compare(masked_words(found, words["words"], mask), reference["out.loss_text"])


def test_pairs_are_told_from_the_reference_s_tokens(reference, of_words):
    found = of_words.matcher(reference["out.joint_encoder"].mean(dim=1))
    reference.compare(found, reference["out.vtm_logits"][:3])
    theirs = reference["out.vtm_logits"]
    reference.compare(matching_loss(theirs[:3], theirs[3:]), reference["out.loss_vtm"])


def test_contrast_of_the_reference_s_features_is_its_own(reference):
    both = 2 * info_nce(reference["out.text_feature"], reference["out.video_feature"], temperature=0.05, symmetric=True)
    reference.compare(both, reference["out.loss_vtc"])
    tuned = 2 * info_nce(reference["out.ft_text"], reference["out.ft_video"], temperature=0.05, symmetric=True)
    reference.compare(tuned, reference["out.ft_loss"])


def test_the_joint_encoder_is_the_reference_s(reference, method, batch, masks):
    tokens, keys = method.encoder(batch, masks)
    reference.compare(tokens, reference["out.joint_encoder"])
    assert torch.equal(keys[:, 32:], reference["in.attention_mask"].bool())


def test_cubes_and_words_are_found_as_the_reference_s(reference, method, batch, masks):
    found = method(batch, masks=masks).prediction
    reference.compare(found["image"][:, :24], reference["out.pred_pixels"])
    reference.compare(found["image"].mean(dim=2), reference["out.pred_pixels_mean_per_token"])
    words, entries = masks["words"], masks["words"].weight > 0
    theirs = words.hidden(reference["out.mlm_logits"])
    reference.compare(found["words"][entries], theirs[entries])


def test_a_clip_alone_is_encoded_as_the_reference_s(reference, method, batch, masks):
    tokens = method.encoder({"image": batch["image"]}, masks)
    reference.compare(method._mean(*tokens), reference["out.video_feature"])


def test_the_matcher_s_logits_are_the_reference_s(reference, method, batch, masks):
    others = reference["in.vtm_negative_index"]
    pairs = [batch, {"image": batch["image"][others], "words": batch["words"]}]
    hidden = [masks, {"image": masks["image"].of_samples(others), "words": masks["words"]}]
    means = [method._mean(*method.encoder(pair, mask)) for pair, mask in zip(pairs, hidden, strict=True)]
    reference.compare(method.matcher(torch.cat(means)), reference["out.vtm_logits"])


def test_the_four_losses_and_their_sum_are_the_reference_s(reference, method, batch, masks):
    out = method(batch, masks=masks)
    theirs = {"image": "video", "words": "text", "contrast": "vtc", "matching": "vtm"}
    for ours, name in theirs.items():
        reference.compare(out.terms[ours], reference[f"out.loss_{name}"])
    reference.compare(out.loss, reference["out.loss_total"])
    assert float(out.loss.detach()) == reference.approx(10.1305866)


def test_our_own_means_differ_from_theirs_by_the_padding_only(reference, method, batch, masks):
    method.pool_padding = False
    tokens, keys = method.encoder({"words": batch["words"]}, masks)
    padded = ~keys.all(dim=1)
    assert padded.any()
    ours = method._mean(tokens, keys)
    assert torch.allclose(ours[~padded], reference["out.text_feature"][~padded], atol=1e-5)
    assert not torch.allclose(ours[padded], reference["out.text_feature"][padded], atol=1e-3)


def test_every_entry_of_their_layout_is_read_and_written_back(reference, method):
    theirs = reference.part("state.")
    written = SIMVTP.write(method.state_dict())
    ours = {key: value for key, value in written.items() if "pos_embed" not in key}
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_table_of_places_in_older_files_is_no_weight(reference):
    state = {**reference.part("state."), "text_embeddings.position_ids": torch.arange(32)[None]}
    assert import_state(SimVTP(**SIZES, **THEIRS), state, key_map=SIMVTP).fits


def test_the_base_model_has_their_parameters():
    with torch.device("meta"):
        method = simvtp_base(contrast=1.0, matching=1.0)
    counts = {
        "encoder.video": 86_227_200,
        "encoder.words": 23_837_184,
        "word_head": 23_471_418,
        "matcher": 1_538,
        "": 141_521_084,
    }
    for name, expected in counts.items():
        part = method.get_submodule(name)
        assert sum(p.numel() for p in part.parameters() if p.requires_grad) == expected, name
    decoder = sum(p.numel() for part in (method.decoder, method.head) for p in part.parameters() if p.requires_grad)
    assert decoder == 7_688_448 + 295_296
