"""SkeletonMAE gives the numbers of the nearest public code: tokens, predictions, losses, classifiers."""

from __future__ import annotations

import pytest

from medmae.data.augment.skeleton import rotation
from medmae.data.skeletons.cut import drawn_part, middle_of, resized
from medmae.masking.base import Mask
from medmae.methods.skeleton_mae import SkeletonMAE
from medmae.nn.positions import LearnedPositions
from medmae.nn.skeleton_heads import SkeletonClassifier
from medmae.nn.skeletons import SKELETON
from medmae.nn.sttformer import STTFormer
from medmae.nn.vit import MaskedViT
from medmae.weights.maps import skeleton_mae as maps


@pytest.fixture(scope="module")
def reference(golden):
    return golden("skeleton_mae")


def build(reference, target):
    method = SkeletonMAE(
        frames=12,
        joints=5,
        embed_dim=16,
        depth=2,
        num_heads=2,
        decoder_dim=12,
        decoder_depth=1,
        decoder_heads=2,
        parts=None,
        mask="random",
        mask_ratio=0.6,
        target=target,
    )
    state, dead = maps.SKELETON_MAE.apply(reference.part("state.mae."))
    assert dead == []
    method.load_state_dict(state)
    return method.eval()


@pytest.fixture
def batch(reference):
    persons = reference["in.mae.x"].permute(0, 4, 1, 2, 3)  # (N, M, C, T, V)
    return {"skeleton": persons.flatten(0, 1)}


@pytest.fixture
def mask(reference):
    noise = reference["mask.mae.noise"]
    found = Mask.from_noise(noise, num_visible=6)
    assert (found.as_bool().float() == reference["mask.mae.mask"]).all()
    return found


@pytest.mark.parametrize(("target", "name"), [("token", "loss_norm"), ("none", "loss_raw")])
def test_predictions_and_losses_are_theirs(target, name, reference, batch, mask):
    method = build(reference, target)
    rows = method.rows(batch)
    if target == "none":
        reference.compare(method.targets(batch), reference["out.mae.target"])
    reference.compare(method.encoder.forward_patches(rows, mask.visible), reference["out.mae.latent"])
    out = method(batch, masks={"skeleton": mask})
    reference.compare(out.prediction["skeleton"], mask.hidden(reference["out.mae.pred"]))
    reference.compare(out.loss, reference[f"out.mae.{name}"].squeeze())


@pytest.mark.parametrize(("name", "head"), [("linprobe", "linear"), ("finetune", "joints")])
def test_classifiers_of_two_bodies_are_theirs(name, head, reference):
    encoder = MaskedViT(
        image_size=(12, 25),
        patch_size=(4, 1),
        embed_dim=16,
        depth=2,
        num_heads=2,
        norm_eps=1e-5,
        class_token="none",
        positions=LearnedPositions(per_axis=True),
        kind=SKELETON,
    )
    network = SkeletonClassifier(encoder=encoder, num_classes=4, head=head, hidden=32)
    state, dead = maps.SKELETON_MAE_CLASSIFIER.apply(reference.part(f"state.{name}."))
    assert dead == []
    network.load_state_dict(state)
    bodies = reference["in.cls.x"].permute(0, 1, 2, 4, 3).flatten(3)  # (N, C, T, M V)
    reference.compare(network.eval()(bodies), reference[f"out.{name}.logits"])


def test_sttformer_classifies_as_theirs(reference):
    encoder = STTFormer(frames=12, tuple_frames=3, widths=((8, 8, 4), (8, 12, 4)), num_heads=2)
    network = SkeletonClassifier(encoder=encoder, num_classes=4)
    state, dead = maps.STTFORMER.apply(reference.part("state.stt."))
    assert len(dead) == 2  # positions, which are computed
    network.load_state_dict(state)
    network.eval()
    persons = reference["in.cls.x"].permute(0, 4, 1, 2, 3).flatten(0, 1)
    embedded = encoder.input_map(encoder.tupled(persons))
    reference.compare(embedded, reference["out.stt.input_map"])
    reference.compare(encoder.blocks[0].places.expand(1, 8, 4, 75), reference["out.stt.pos_embed_c8_t4_v75"])
    reference.compare(encoder.blocks[0](embedded), reference["out.stt.block0"])
    bodies = reference["in.cls.x"].permute(0, 1, 2, 4, 3).flatten(3)
    reference.compare(network(bodies), reference["out.stt.logits"])


def test_a_part_of_a_recording_is_cut_and_resized_as_theirs(reference):
    data = reference["in.prep.seq73"]
    start, count = middle_of(73, share=0.95)
    assert count == 71
    reference.compare(resized(data[:, start : start + count], 120), reference["out.prep.test_crop_p0.95_w120"])
    share, length, first = reference["out.prep.train_crop_meta"].tolist()
    start, count = drawn_part(73, share=share, least=64, start=(first + 0.5) / (73 - length + 1))
    assert (start, count) == (5, 64)
    reference.compare(resized(data[:, start : start + count], 64), reference["out.prep.train_crop_p0.5-1_w64_npseed0"])


def test_bodies_are_turned_by_their_matrix(reference):
    reference.compare(rotation(reference["in.prep.angles"].numpy()), reference["out.prep.rot_matrix"])
