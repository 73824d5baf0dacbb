"""SimVTP's encoder twice, and as it is: points of clips and sentences, pairs looked at, rates of its layers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from medmae.errors import DataError
from medmae.methods.prompts import PromptedClassifier
from medmae.methods.retrieval import Retriever, rerank
from medmae.methods.simvtp import simvtp_tiny
from medmae.methods.simvtp_retrieval import DualEncoder, SharedEncoder
from medmae.methods.smaug import smaug_tiny
from medmae.methods.video_text_tasks import VideoTextRetrieval
from medmae.nn.config import build, config_of
from medmae.nn.points import ClipPoints
from medmae.training.optim import OptimizerSpec


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def dual(**options):
    torch.manual_seed(0)
    return DualEncoder(encoder=simvtp_tiny().encoder, **{"drop_path": 0.0, **options})


def told_apart(method, count=3):
    """Clips of other brightness each, half of them with a dark upper half."""
    batch = method.example_batch(count, generator=seeded(1))
    clips = torch.linspace(0.1, 0.9, count).reshape(-1, 1, 1, 1, 1) * torch.ones_like(batch["image"])
    clips[::2, :, :, :16] = 0
    return {**batch, "image": clips}


def trained(method, batch, steps=30):
    optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=3e-4)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = method(batch).loss
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_clips_and_sentences_learn_to_be_near_their_own():
    method = dual(matching=1.0)
    batch = told_apart(method)
    losses = trained(method, batch)
    assert losses[-1] < 0.5 * losses[0]
    method.eval()
    with torch.no_grad():
        clips, sentences = method.encode_clips(batch["image"]), method.encode_words(batch["words"])
        assert method.likeness(sentences.points, clips.points).argmax(dim=1).tolist() == [0, 1, 2]


def test_each_side_has_a_gradient_but_for_what_it_never_reads():
    method = dual(matching=1.0)
    method(method.example_batch(3, generator=seeded(1))).loss.backward()
    without = {name for name, p in method.named_parameters() if p.grad is None}
    assert without == {name for name, p in method.named_parameters() if not p.requires_grad}
    parts = {name.split(".")[0] + "." + name.split(".")[1] + "." + name.split(".")[2] for name in without}
    assert parts == {
        "video_encoder.words.word",
        "video_encoder.words.position",
        "video_encoder.words.token_type",
        "video_encoder.words.norm",
        "text_encoder.video.patch_embed",
    }


def test_rates_fall_from_layer_to_layer_in_both_encoders():
    groups = OptimizerSpec(base_lr=1.0, layer_decay=0.5)._groups(dual())
    scale = {name: group["lr_scale"] for group in groups for name in group["names"]}
    for side in ("video_encoder", "text_encoder"):
        first, last = (scale[f"{side}.video.blocks.{block}.attn.qkv.weight"] for block in (0, 1))
        assert first < last < 1
    assert scale["video_norm.weight"] == scale["text_norm.weight"] == 1


def test_padding_moves_no_point_but_in_the_reference_s_way():
    batch = dual().example_batch(2, generator=seeded(1))
    words = torch.nn.functional.pad(batch["words"], (0, 3))
    for method, same in ((dual().eval(), True), (dual(pool_padding=True).eval(), False)):
        with torch.no_grad():
            short, long = (method.encode_words(each).points for each in (batch["words"], words))
        assert torch.allclose(short, long, atol=1e-5) is same


def test_clips_of_equal_words_are_no_negatives_but_in_the_reference_s_way():
    batch = told_apart(dual(), count=2)
    batch["words"] = batch["words"][:1].expand(2, -1).clone()
    either, one = torch.full((2, 2), 0.5), torch.eye(2)
    for equal_words, target in ((False, either), (True, one)):
        method = dual(equal_words=equal_words).eval()
        with torch.no_grad():
            out = method(batch)
            likeness = method.likeness(out.prediction["sentences"], out.prediction["clips"]) / 0.05
        both = F.cross_entropy(likeness, target) + F.cross_entropy(likeness.T, target)
        assert_close(out.loss, both)


def test_a_batch_of_equal_words_has_no_negative_pairs_to_look_at():
    method = dual(matching=1.0).eval()
    batch = told_apart(method, count=2)
    batch["words"] = batch["words"][:1].expand(2, -1).clone()
    with torch.no_grad():
        clips, sentences = method.encode_clips(batch["image"]), method.encode_words(batch["words"])
        logits = method._matched(clips.tokens, sentences.tokens, sentences.real)
        assert_close(method(batch).terms["matching"], F.cross_entropy(logits, torch.ones(2, dtype=torch.long)))


def test_matching_all_candidates_ranks_as_matching_each_pair():
    method = dual(matching=1.0).eval()
    batch = method.example_batch(4, generator=seeded(1))
    with torch.no_grad():
        clips, sentences = method.encode_clips(batch["image"]), method.encode_words(batch["words"])
        likeness = method.likeness(sentences.points, clips.points)
        found = rerank(likeness, lambda r, c: method.match(clips, sentences, r, c), top=4, at_once=3)
        pair = {"image": batch["image"][2:3], "words": batch["words"][1:2]}
        tokens, keys = method.joint(pair)
        mean = tokens.mean(dim=1) if keys is None else (tokens * keys.unsqueeze(2)).sum(1) / keys.sum(1, keepdim=True)
        assert_close(found[1, 2], method.matcher(mean)[0, 1], atol=1e-5, rtol=1e-5)


def test_without_matching_pairs_are_not_looked_at():
    method = dual()
    batch = method.example_batch(2, generator=seeded(1))
    clips, sentences = method.encode_clips(batch["image"]), method.encode_words(batch["words"])
    with pytest.raises(DataError, match="--matching 1"):
        method.match(clips, sentences, torch.tensor([0]), torch.tensor([0]))
    with pytest.warns(UserWarning, match="a batch of one"):
        dual(matching=1.0)({name: each[:1] for name, each in batch.items()})


def test_a_pre_training_finds_clips_by_the_contrast_and_the_layer_that_it_learnt():
    pretrained = simvtp_tiny(contrast_words="whole", mask_ratio=0.75).eval()
    found = SharedEncoder.of(pretrained)
    batch = pretrained.example_batch(3, generator=seeded(1))
    with torch.no_grad():
        points = found.encode_words(batch["words"]).points
        theirs = pretrained._mean(*pretrained.encoder({"words": batch["words"]}))
        clips, sentences = found.encode_clips(batch["image"]), found.encode_words(batch["words"])
        logit = found.match(clips, sentences, torch.arange(3), torch.arange(3))
        joint = pretrained.matcher(pretrained._mean(*pretrained.encoder(batch)))[:, 1]
    assert_close(points, theirs)
    assert_close(logit, joint, atol=1e-5, rtol=1e-5)
    assert found.encoder is pretrained.encoder


@pytest.mark.parametrize("make", [dual, lambda: SharedEncoder(encoder=simvtp_tiny().encoder, matching=1.0)])
def test_it_is_built_again_of_what_its_weights_say(make):
    method = make()
    twin = build(config_of(method))
    assert twin.load_state_dict(method.state_dict(), strict=True)


def test_the_network_of_clips_gives_points_of_length_one():
    method = dual().eval()
    clip = method.example_batch(2, generator=seeded(1))["image"]
    points = ClipPoints(method)(clip)
    assert_close(points.norm(dim=1), torch.ones(2))
    assert_close(points, F.normalize(method.encode_clips(clip).points, dim=1))


def test_a_clip_is_named_by_the_class_whose_sentences_are_likest_on_average():
    method = dual().eval()
    batch = told_apart(method, count=4)
    with torch.no_grad():
        clips, words = method.encode_clips(batch["image"]).points, method.encode_words(batch["words"]).points
        logits = PromptedClassifier(method, [batch["words"][:3], batch["words"][3:]])(batch["image"])
    units, points = F.normalize(words, dim=1), F.normalize(clips, dim=1)
    for number, some in enumerate((units[:3], units[3:])):
        assert_close(logits[:, number], points @ F.normalize(some.mean(dim=0), dim=0) / 0.05)


def test_smaug_s_retrieval_and_simvtp_s_are_asked_alike():
    smaug = smaug_tiny()
    for method in (dual(), VideoTextRetrieval(encoder=smaug.encoder, pair_head=smaug.pair_head)):
        assert isinstance(method, Retriever)
        assert method.temperature > 0
        assert set(method.begins) <= {name for name, _ in method.named_modules()}
