"""What SMAUG rests on gives the numbers of EViT's and Singularity's code; of SMAUG itself there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from medmae.methods.pairs import hard_negatives
from medmae.methods.smaug import smaug_base
from medmae.nn.blocks import Block
from medmae.nn.pair_head import PairHead
from medmae.nn.thinning import Thinning, kept_count
from medmae.objectives.contrastive import alike, info_nce
from medmae.objectives.matching import hard_weights, matching_loss


@pytest.fixture(scope="module")
def reference(golden):
    return replace(golden("smaug"), share=1e-5)


@pytest.fixture
def block(reference):
    found = Block(48, num_heads=4)
    found.load_state_dict(reference.part("state.evit_block."))
    return found


@pytest.fixture
def head(reference):
    found = PairHead(48, projected=16)
    names = {"frames": "vision_proj", "words": "text_proj", "matcher": "itm_head"}
    for ours, theirs in names.items():
        found.get_submodule(ours).load_state_dict(reference.part(f"state.{theirs}."))
    found.temperature.data.copy_(reference["state.temp"])
    return found


@pytest.fixture
def points(reference, head):
    return head.of_frames(reference["in.frame_cls"]), head.of_words(reference["in.text_cls"])


def thin(**options):
    places = torch.arange(17).expand(2, -1)
    return Thinning(places, keep=kept_count(num_tokens=17, rate=0.5), nowhere=17, **options)


def test_the_class_token_reads_others_as_in_evit(reference, block):
    _, importance = block.attn.with_importance(block.norm1(reference["in.tokens"]))
    reference.compare(importance, reference["out.cls_attention"])


@pytest.mark.parametrize(("fuse", "name"), [(True, "out.block_fuse1"), (False, "out.block_fuse0")])
def test_a_block_that_drops_tokens_is_evit_s(fuse, name, reference, block):
    hook = thin(fuse=fuse)
    reference.compare(block(reference["in.tokens"], between=hook), reference[name])
    assert torch.equal(hook.left[:, :9], reference["out.kept_index"])


def test_clips_and_sentences_are_as_alike_as_in_singularity(reference, head, points):
    reference.compare(head.likeness(*points), reference["out.sim_v2t"])


@pytest.mark.parametrize(("told", "name"), [(True, "out.loss_vtc"), (False, "out.loss_vtc_unique_ids")])
def test_contrast_is_singularity_s(told, name, reference, head, points):
    ids = reference["in.pair_id"] if told else None
    loss = info_nce(*points, temperature=head.warmth(), symmetric=True, ids=ids, normalised=True)
    reference.compare(loss, reference[name])
    assert float(loss.detach()) == pytest.approx(2.0701847 if told else 2.3834786, abs=1e-5)


def test_negatives_have_singularity_s_weights(reference, head, points):
    clips, sentences = points
    same = alike(reference["in.pair_id"], reference["in.pair_id"])
    theirs = {
        "video_for_text": hard_weights(head.likeness(sentences, clips), same),
        "text_for_video": hard_weights(head.likeness(clips, sentences), same),
    }
    for name, weights in theirs.items():
        reference.compare(weights, reference[f"out.hard_negative_weights_{name}"])
    for other, there in hard_negatives(clips, sentences, reference["in.pair_id"], head=head):
        assert there.all()
        assert not same[torch.arange(6), other].any()


def test_matching_is_singularity_s(reference, head):
    logits = head.matcher(reference["in.itm_embeds"])
    loss = matching_loss(logits[:6], logits[6:])
    reference.compare(loss, reference["out.loss_vtm"])
    assert float(loss.detach()) == pytest.approx(0.7958897, abs=1e-5)
    assert float(F.cross_entropy(logits, torch.tensor([0] * 6 + [1] * 12)).detach()) != pytest.approx(
        0.7958897, abs=1e-3
    )


def test_the_base_model_has_the_parameters_of_its_parts():
    with torch.device("meta"):
        method = smaug_base()

    def count(*names, trained=False):
        parameters = [p for name in names for p in method.get_submodule(name).parameters()]
        return sum(p.numel() for p in parameters if p.requires_grad or not trained)

    assert count("encoder.frames.picture") == 85_798_656
    assert count("decoder", "head", trained=True) == 26_008_320
    assert count("encoder.text", "word_head") == 116_606_010 == 109_514_298 + 3 * 2_363_904
    assert count("pair_head.frames", "pair_head.words") == 393_728
    assert count("pair_head") == 393_728 + 1_539
    assert count("encoder.selector") == 3_323_904
