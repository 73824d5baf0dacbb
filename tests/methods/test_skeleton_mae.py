"""SkeletonMAE: sizes, moments and joints that are hidden, targets, bodies that are there or not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medmae.masking.base import Mask, visible_count
from medmae.masking.joints import JointFrameMasking
from medmae.methods.registry import methods
from medmae.methods.skeleton_mae import (
    SkeletonMAE,
    skeleton_mae_ntu60,
    skeleton_mae_ntu120,
    skeleton_mae_sttformer,
    skeleton_mae_tiny,
)
from medmae.nn.skeleton_heads import SkeletonClassifier
from medmae.nn.skeletons import NTU_BONES, NTU_PARTS, bones_of
from medmae.nn.sttformer import STTFormer
from medmae.objectives.sequence import SequenceNorm, motion_of


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def hidden(masking, count=4, seed=0):
    """``(B, slots, joints)``."""
    return masking.sample(count, generator=seeded(seed)).as_bool().unflatten(1, (masking.slots, masking.joints))


def test_sizes_are_the_published_ones():
    with torch.device("meta"):
        ntu60, ntu120 = skeleton_mae_ntu60(), skeleton_mae_ntu120()
        heads = {
            (classes, head): SkeletonClassifier(encoder=skeleton_mae_ntu60().encoder, num_classes=classes, head=head)
            for classes in (60, 120)
            for head in ("linear", "joints")
        }
    assert (size(ntu60), size(ntu120)) == (8_789_004, 10_368_524)
    assert {key: size(each) for key, each in heads.items()} == {
        (60, "linear"): 6_351_420,
        (120, "linear"): 6_366_840,
        (60, "joints"): 19_572_284,
        (120, "joints"): 19_695_224,
    }


def test_sizes_of_sttformer_are_the_published_ones():
    with torch.device("meta"):
        networks = [SkeletonClassifier(encoder=STTFormer(), num_classes=classes) for classes in (60, 120)]
        method = skeleton_mae_sttformer()
    assert [size(network) for network in networks] == [6_233_588, 6_249_008]
    assert size(method.decoder.blocks) == 1_171_245


@pytest.fixture
def tuples():
    torch.manual_seed(0)
    return skeleton_mae_sttformer(frames=24, joints=5, parts=None).eval()


def test_sttformer_sees_nothing_hidden_and_rebuilds_it(tuples):
    batch = tuples.example_batch(2, generator=seeded())
    masks = tuples.draw_masks(batch, generator=seeded(1))
    table = masks["skeleton"].as_bool()
    assert table.unflatten(1, (4, 5)).all(dim=2).sum(dim=1).tolist() == [2, 2]
    where = tuples.patches.paint(table).expand(-1, 3, -1, -1)
    data = batch["skeleton"]
    for train in (False, True):
        tuples.train(train)
        found, hidden, seen = (
            tuples({"skeleton": each}, masks=masks).prediction["skeleton"]
            for each in (data, torch.where(where, data + 1, data), torch.where(where, data, data + 1))
        )
        assert torch.allclose(hidden, found, atol=1e-6)
        assert not torch.allclose(seen, found, atol=1e-3)
    tuples(batch, masks=masks).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in tuples.parameters())
    made = tuples.show(batch, masks)["skeleton"].made
    assert torch.equal(made[~where], data[~where])


def test_what_sttformer_cannot_be_told_or_shown_is_refused(tuples):
    with pytest.raises(ValueError, match="sizes of its own: leave depth out"):
        skeleton_mae_sttformer(depth=3)
    with pytest.raises(ValueError, match="neither a head of joints"):
        SkeletonClassifier(encoder=tuples.encoder, num_classes=2, head="joints")
    uneven = torch.zeros(2, 20, dtype=torch.bool)
    uneven[0, :5] = True
    uneven[1, [0, 5, 10, 15, 1]] = True
    with pytest.raises(ValueError, match="equally many whole tuples"):
        tuples(tuples.example_batch(2), masks={"skeleton": Mask.from_bool(uneven)})


def test_120_frames_of_25_joints_are_750_tokens_moment_by_moment():
    patches = skeleton_mae_ntu60(depth=1, decoder_depth=1).patches
    assert patches.num_tokens == 750
    data = torch.arange(120 * 25).reshape(1, 1, 120, 25).float().expand(1, 3, -1, -1)
    rows = patches.patchify(data)
    assert rows.shape == (1, 750, 12)
    assert rows[0, 2 * 25 + 7].tolist() == [value for frame in range(8, 12) for value in [frame * 25 + 7] * 3]
    assert torch.equal(patches.unpatchify(rows), data)


def test_a_prediction_has_12_numbers_of_each_of_750_tokens_of_each_person():
    method = skeleton_mae_ntu60(depth=1, decoder_depth=1).eval()
    batch = method.example_batch(2, generator=seeded())
    mask = method.draw_masks(batch, generator=seeded(1))["skeleton"]
    with torch.no_grad():
        assert method.predict(method.rows(batch), mask).shape == (2, 570, 12)
        made = method.show(batch, {"skeleton": mask})["skeleton"].made
    assert made.shape == batch["skeleton"].shape
    assert method.patches.patchify(made).shape == (2, 750, 12)


def test_of_two_papers_of_this_name_it_is_that_of_wu():
    about = methods()["skeleton_mae"]
    assert about.paper.startswith("Wu et al.")
    assert "2209.02399" in about.paper
    assert "2307.08476" not in about.paper
    page = Path(__file__).parents[2] / "docs" / "methods" / "skeleton_mae.md"
    assert "Graph-based Masked Autoencoder" in page.read_text()


@pytest.mark.parametrize("mode", ["tube", "independent", "parts"])
def test_moments_are_hidden_whole_and_of_the_others_equally_many_joints(mode):
    masking = JointFrameMasking(grid=(30, 25), joint_mode=mode, parts=NTU_PARTS)
    table = hidden(masking)
    whole = table.all(dim=2)
    assert table.sum(dim=(1, 2)).tolist() == [570] * 4
    assert whole.sum(dim=1).tolist() == [12] * 4
    for sample, slots in zip(table, whole, strict=True):
        others = sample[~slots]
        assert others.sum(dim=1).tolist() == [15] * 18
        assert (others == others[0]).all() == (mode != "independent")
    assert not torch.equal(table[0], table[1])


def test_parts_are_hidden_one_after_the_other():
    table = hidden(JointFrameMasking(grid=(30, 25), joint_mode="parts", parts=NTU_PARTS), count=20)
    for sample in table:
        joints = sample[~sample.all(dim=1)][0]
        cut = [part for part in NTU_PARTS if 0 < joints[list(part)].sum() < len(part)]
        assert len(cut) <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"joint_mode": "parts"}, "parts that have each of 25 joints once"),
        ({"joint_mode": "parts", "parts": NTU_PARTS[1:]}, "each of 25 joints once"),
        ({"frame_ratio": 1.0}, "leave no slot"),
        ({"frame_ratio": 0.0, "joint_ratio": 0.0}, "hide nothing"),
        ({"grid": (30,)}, "a grid of slots and joints"),
    ],
)
def test_masks_that_mean_nothing_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        JointFrameMasking(**{"grid": (30, 25), **options})


def test_the_published_rounding_keeps_one_token_less():
    assert visible_count(num_tokens=750, ratio=0.9, rounding="truncate_visible") == 74
    assert skeleton_mae_ntu60(depth=1, decoder_depth=1, mask="random").masking.num_visible == 75


def test_what_moves_most_is_hidden_most():
    method = skeleton_mae_tiny(mask="motion", mask_ratio=0.5, motion_temperature=0.1)
    still = torch.zeros(200, 3, 16, 5)
    still[:, :, :, 2] = torch.linspace(0, 5, 16).unsqueeze(1).T  # one joint moves
    shares = method.draw_masks({"skeleton": still}, generator=seeded())["skeleton"].as_bool().float().mean(dim=0)
    of_joints = shares.unflatten(0, (4, 5)).mean(dim=0)
    assert of_joints[2] > 0.95
    assert of_joints[[0, 1, 3, 4]].max() < 0.5


def test_coordinates_are_normalised_over_the_whole_sequence():
    data = torch.randn(2, 3, 16, 5, generator=seeded()) * 3 + 7
    normed = SequenceNorm()(data)
    assert normed.mean(dim=(2, 3)).abs().max() < 1e-5
    assert (normed.std(dim=(2, 3), correction=0) - 1).abs().max() < 1e-4
    real = torch.zeros(2, 1, 16, 5, dtype=torch.bool)
    real[:, :, :8] = True
    mean, _ = SequenceNorm().statistics(data, real=real)
    assert torch.allclose(mean[..., 0, 0], data[:, :, :8].mean(dim=(2, 3)), atol=1e-5)


def test_what_is_seen_and_what_is_said_give_the_mean_and_deviation_of_the_whole():
    data = torch.randn(2, 3, 16, 5, generator=seeded()) + torch.arange(5) * torch.tensor([0.5, 2, -1])[:, None, None]
    hidden = torch.zeros(2, 1, 16, 5, dtype=torch.bool)
    hidden[:, :, 4:9], hidden[:, :, :, 3:] = True, True
    norm = SequenceNorm(eps=0.0)
    mean, deviation = norm.statistics(data)
    normed = (data - mean) / deviation
    found = norm.completed(torch.where(hidden, 99.0, data), torch.where(hidden, normed, 99.0), hidden)
    assert torch.allclose(found[0], mean, atol=1e-4)
    assert torch.allclose(found[1], deviation, rtol=1e-4)
    alone = norm.statistics(data, real=~hidden)[0]
    assert (alone - mean).abs().max() > 0.5  # what is seen alone says something else
    wild = norm.completed(data, normed * 50, hidden)
    assert all(each.isfinite().all() for each in wild)


def test_only_hidden_targets_count():
    method = skeleton_mae_tiny(target="none").eval()
    batch = method.example_batch(2, generator=seeded())
    masks = method.draw_masks(batch, generator=seeded(1))
    where = method.patches.paint(masks["skeleton"].as_bool()).expand(-1, 3, -1, -1)
    latent = method.predict(method.rows(batch), masks["skeleton"])

    def error(targets):
        return (latent - masks["skeleton"].hidden(method.patches.patchify(targets))).square().mean()

    data = batch["skeleton"]
    assert torch.equal(error(torch.where(where, data, data + 1)), error(data))
    assert torch.isclose(method(batch, masks=masks).loss, error(data))
    assert not torch.isclose(error(torch.where(where, data + 1, data)), error(data))


def test_motion_is_what_changes_and_rebuilds_no_skeleton():
    method = skeleton_mae_tiny(target="motion").eval()
    batch = method.example_batch(2, generator=seeded())
    moved = motion_of(batch["skeleton"])
    assert torch.equal(moved[:, :, :-1], batch["skeleton"].diff(dim=2))
    assert not moved[:, :, -1].any()
    assert method.rebuilds == frozenset()
    assert method.show(batch, method.draw_masks(batch, generator=seeded()))["skeleton"].made is None


def test_bones_are_joints_from_their_parents():
    data = torch.randn(2, 3, 4, 25, generator=seeded())
    bones = bones_of(data, NTU_BONES)
    assert torch.equal(bones[..., 5], data[..., 5] - data[..., 4])
    assert not bones[..., 20].any()
    assert {child for child, _ in NTU_BONES} == set(range(25)) - {20}


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return SkeletonClassifier(encoder=skeleton_mae_tiny().encoder, num_classes=3, head="joints", hidden=8).eval()


def bodies(*each):
    return torch.cat(each, dim=3)


def test_two_bodies_may_change_places_and_who_is_absent_does_not_count(classifier):
    one, other = (torch.randn(2, 3, 16, 5, generator=seeded(seed)) for seed in (1, 2))
    both = classifier(bodies(one, other))
    assert torch.allclose(classifier(bodies(other, one)), both, atol=1e-6)
    alone = SkeletonClassifier(encoder=classifier.encoder, num_classes=3, bodies=1, head="joints", hidden=8).eval()
    alone.head = classifier.head
    nobody = torch.zeros_like(one)
    assert torch.allclose(classifier(bodies(one, nobody)), alone(one), atol=1e-6)
    assert torch.allclose(classifier(bodies(nobody, one)), alone(one), atol=1e-6)
    with pytest.raises(ValueError, match="a sample has no body"):
        classifier(bodies(nobody, nobody))
    with pytest.raises(ValueError, match="2 bodies of 5 joints"):
        classifier(one)


def test_any_number_of_joints_and_coordinates_is_taken():
    from medmae.kinds import Kind

    flat = Kind.of("skeleton", ["time", "joint"], channels=["x", "y"], peak=None)
    method = SkeletonMAE(
        frames=8,
        joints=17,
        embed_dim=16,
        depth=1,
        num_heads=2,
        decoder_dim=16,
        decoder_depth=1,
        decoder_heads=2,
        kind=flat,
    )
    assert method(method.example_batch(2)).prediction["skeleton"].shape[2] == 8
