"""Samples of skeletons: parts, streams, bodies, and what was not seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_prep import skeleton_case
from data_prep.skeleton import prepare
from data_prep.tiny.skeletons import Walker, walk, write_ntu
from medmae.data import Manifest, Samples, Skeletons
from medmae.data.augment.skeleton import SkeletonAugment, mirrored
from medmae.data.skeletons.cadence import walk_of
from medmae.data.skeletons.cut import SkeletonCut, drawn_part, middle_of
from medmae.data.skeletons.gaps import filled, longest_gap
from medmae.data.skeletons.layouts import NTU_25
from medmae.errors import DataError
from medmae.methods.skeleton_mae import SkeletonMAE

CUT = SkeletonCut(frames=16, least=8)


@pytest.fixture
def made(tmp_path, monkeypatch, quiet_console):
    """Gives a data set of bodies by id, an NTU file each."""
    monkeypatch.setattr(skeleton_case, "run_in_child", lambda _, task, **__: skeleton_case.store_skeleton(task))

    def make(*recordings, names=None):
        for number, bodies in enumerate(recordings):
            name = names[number] if names else f"patient{number}_0"
            write_ntu(tmp_path / "raw" / "walk" / f"{name}.skeleton", bodies)
        pattern = r"(patient\d+)_"
        prepare(
            source=tmp_path / "raw",
            out=tmp_path / "out",
            subject_from=pattern,
            workers=0,
            console=quiet_console,
            fractions=(1.0, 0.0, 0.0),
        )
        return tmp_path / "out"

    return make


@pytest.fixture
def quiet_console():
    from rich.console import Console

    return Console(quiet=True)


def one(source, **options):
    return Samples(source=source, view=Skeletons(**{"cut": CUT, "test": True, **options}), split=None)


def body(seed=0, seconds=2.0, **options):
    return walk(Walker(**options), seconds=seconds, seed=seed)


def test_the_middle_of_the_first_body_in_its_first_frame_is_the_origin(made):
    own, other = body(), body(1) + np.array([1.0, 0, 0])
    samples = one(made({"a": own, "b": other}), cut=SkeletonCut(frames=60, test_share=1.0))
    start = own[0, NTU_25.joints.index("spine_mid")]
    assert len(samples) == 2  # a sample a body
    assert sorted(samples.describe(number)["body"] for number in range(2)) == [0, 1]
    found = torch.stack([samples[number]["skeleton"] for number in range(2)])  # (2, 3, 60, 25)
    bodies = torch.from_numpy(np.stack([own, other]) - start).permute(0, 3, 1, 2).float()
    order = [0, 1] if (found[0] - bodies[0]).abs().max() < 1e-3 else [1, 0]
    assert torch.allclose(found[order][0], bodies[0], atol=1e-4) or torch.allclose(
        found[order], bodies - bodies[1, :, :1, 1, None][None], atol=1e-4
    )


def test_each_frame_may_have_its_own_origin_and_size_may_be_taken_away(made):
    source = made({"a": body(height=1.9)}, {"a": body(height=1.5, seed=1)})
    kept = one(source, cut=SkeletonCut(frames=16, origin="kept"))
    assert kept[0]["skeleton"][2].mean() > 2  # three metres from the camera
    still = one(source, cut=SkeletonCut(frames=16, origin="frame"))
    assert still[0]["skeleton"][:, :, NTU_25.joints.index("spine_mid")].abs().max() < 1e-6
    sized = one(source, cut=SkeletonCut(frames=16, size="bones"))
    heights = [sized[number]["skeleton"][1].amax() - sized[number]["skeleton"][1].amin() for number in range(2)]
    assert heights[0] == pytest.approx(float(heights[1]), rel=0.05)
    assert sized.kinds["skeleton"].unit == "bones"
    assert kept.kinds["skeleton"].unit == "m"


def test_a_rate_keeps_cadence_and_stretching_loses_it(made):
    slow, fast = body(cadence=80, seconds=4), body(cadence=120, seconds=4)
    source = made({"a": slow}, {"a": fast})

    def cadences(cut, rate):
        samples = one(source, cut=cut)
        rows = [samples[number]["skeleton"].permute(1, 2, 0).numpy() for number in range(2)]
        return [walk_of(row, np.ones(row.shape[:2], bool), rate=rate, layout=NTU_25).cadence for row in rows]

    assert cadences(SkeletonCut(frames=60, rate=15.0), 15.0) == pytest.approx([80, 120], abs=4)
    short = made({"a": slow}, {"a": fast[: len(fast) * 2 // 3]}, names=["patient0_0", "patient1_0"])
    samples = one(short, cut=SkeletonCut(frames=64))
    assert all("real" not in samples[number] for number in range(2))  # stretched: nothing is padded


def test_what_is_shorter_than_its_cut_is_padded_and_not_real(made):
    samples = one(made({"a": body(seconds=1)}), cut=SkeletonCut(frames=32, rate=15.0))
    sample = samples[0]
    assert sample["real"].shape == (1, 32, 25)
    assert sample["real"][0, :15].all()
    assert not sample["real"][0, 15:].any()
    assert samples.kinds["skeleton"].axes[0].unit == "s"
    assert samples.kinds["skeleton"].axes[0].step == pytest.approx(1 / 15)


def test_gaps_are_filled_and_the_sample_says_so(made):
    lost = body(noise=0.0)
    states = np.full((60, 25), 2)
    states[20:30, 7] = 0
    source = made({"a": lost})
    row = Manifest.read(source).rows[0]
    assert row["unseen"] == 0
    import data_prep.tiny.skeletons as tiny

    tiny.write_ntu(source.parent / "raw" / "walk" / "patient0_0.skeleton", {"a": lost}, states={"a": states})
    source = made()
    row = Manifest.read(source).rows[0]
    assert (row["unseen"], row["longest_gap"]) == (10, 10)
    sample = one(source, cut=SkeletonCut(frames=60, test_share=1.0))[0]
    assert torch.equal(~sample["real"][0, :, 7], torch.tensor([20 <= frame < 30 for frame in range(60)]))
    assert sample["real"][0, :, :7].all()
    hand = sample["skeleton"][:, 19:31, 7]
    steps = hand.diff(dim=1)
    assert torch.allclose(steps, steps[:, :1].expand_as(steps), atol=1e-4)  # straight from one sighting to the next


def test_filling_holds_ends_and_counts_gaps():
    positions = np.arange(10, dtype=float).reshape(10, 1, 1).repeat(2, axis=1)
    seen = np.ones((10, 2), bool)
    seen[[0, 1, 4, 5, 6, 9], 0] = False
    out = filled(positions, seen)
    assert out[:, 0, 0].tolist() == [2, 2, 2, 3, 4, 5, 6, 7, 8, 8]
    assert longest_gap(seen) == 3
    seen[:, 0] = False
    assert filled(positions, seen)[:, 0, 0].tolist() == list(range(10))  # never seen: where the others are
    assert longest_gap(seen) == 10


def test_bones_and_motion_are_streams(made):
    source = made({"a": body()})
    joints, bones, motion = (one(source, stream=stream)[0]["skeleton"] for stream in ("joint", "bone", "motion"))
    elbow, shoulder = NTU_25.joints.index("left_elbow"), NTU_25.joints.index("left_shoulder")
    assert torch.allclose(bones[..., elbow], joints[..., elbow] - joints[..., shoulder])
    assert torch.allclose(motion[:, :-1], joints.diff(dim=1))
    assert not motion[:, -1].any()


def test_several_bodies_stand_side_by_side_and_who_is_absent_is_zeros(made):
    source = made({"a": body(), "b": body(1) + np.array([1.0, 0, 0])}, {"a": body(2)})
    samples = one(source, bodies=3)
    assert samples[0]["skeleton"].shape == (3, 16, 75)
    present = [
        samples[number]["skeleton"].unflatten(2, (3, 25)).flatten(3).abs().amax(dim=(0, 1, 3)) > 0
        for number in range(2)
    ]
    assert [each.tolist() for each in present] == [[True, True, False], [True, False, False]]
    assert samples.kinds["skeleton"].axes[1].links[-1][0] >= 50


def test_draws_are_of_seed_epoch_and_index_alone(made):
    source = made({"a": body(seconds=4)}, {"a": body(1, seconds=4)})
    view = Skeletons(cut=CUT, augment=SkeletonAugment(), repeats_each=2)
    samples, again = (Samples(source=source, view=view, split=None) for _ in range(2))
    assert len(samples) == 4
    assert torch.equal(samples[1]["skeleton"], again[1]["skeleton"])
    first = samples[1]["skeleton"]
    samples.set_epoch(1)
    assert not torch.equal(samples[1]["skeleton"], first)
    assert samples.sha256 == again.sha256
    other = Samples(source=source, view=Skeletons(cut=CUT, augment=SkeletonAugment(angle=0.1)), split=None)
    assert other.sha256 != samples.sha256


def test_a_turn_keeps_bones_and_a_mirror_changes_sides():
    data = torch.from_numpy(body(noise=0.0)).permute(2, 0, 1).float().unsqueeze(2)  # (3, T, 1, 25)
    turned = SkeletonAugment(angle=0.3)(data, NTU_25, np.random.default_rng(0))
    assert not torch.allclose(turned, data, atol=0.01)
    for child, parent in NTU_25.bones:
        lengths = [(each[..., child] - each[..., parent]).norm(dim=0) for each in (data, turned)]
        assert torch.allclose(*lengths, atol=1e-5)
    glass = mirrored(data, NTU_25)
    left, right = NTU_25.joints.index("left_hand"), NTU_25.joints.index("right_hand")
    assert torch.equal(glass[0, ..., left], -data[0, ..., right])
    assert torch.equal(glass[1:, ..., left], data[1:, ..., right])
    assert torch.equal(mirrored(glass, NTU_25), data)


def test_parts_never_leave_the_recording():
    assert middle_of(73, share=0.95) == (1, 71)
    for count in (1, 2, 5, 63, 64, 65, 300):
        for share, start in ((0.5, 0.0), (0.5, 0.999), (1.0, 0.999), (0.75, 0.5)):
            first, length = drawn_part(count, share=share, least=64, start=start)
            assert length >= min(64, count)
            assert 0 <= first <= first + length <= count


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cut": SkeletonCut(frames=16), "layout": "coco17"}, "5 of them are not there"),
        ({"cut": SkeletonCut(frames=16), "layout": "kinect20"}, None),
    ],
)
def test_joints_are_brought_into_a_layout_by_their_names(made, options, said):
    source = made({"a": body()})
    if said:
        with pytest.raises(DataError, match=said):
            one(source, **options)
        return
    found, own = one(source, **options)[0]["skeleton"], one(source, cut=SkeletonCut(frames=16))[0]["skeleton"]
    assert found.shape == (3, 16, 20)
    assert torch.equal(found[..., 3], own[..., 3])  # the head
    assert torch.equal(found[..., 2], own[..., 20])  # the spine between the shoulders


def test_options_that_mean_nothing_are_refused():
    for options, said in (
        ({"frames": 1}, "must be positive"),
        ({"share": (0.9, 0.5)}, "the least first"),
        ({"rate": 0.0}, "must be positive"),
    ):
        with pytest.raises(ValueError, match=said):
            SkeletonCut(**options)
    with pytest.raises(ValueError, match="bodies and repeats_each"):
        Skeletons(bodies=0)
    with pytest.raises(ValueError, match="angle and noise"):
        SkeletonAugment(angle=-1)


def test_joints_that_were_not_seen_are_neither_shown_nor_asked_for(made):
    states = np.full((60, 25), 2)
    states[:, [7, 11]] = 0
    made({"a": body()}, {"a": body(1)})
    raw = made().parent / "raw" / "walk" / "patient0_0.skeleton"
    write_ntu(raw, {"a": body()}, states={"a": states})
    samples = one(made())
    batch = torch.utils.data.default_collate([samples[0], samples[1]])
    method = SkeletonMAE(
        frames=16, embed_dim=16, depth=1, num_heads=2, decoder_dim=16, decoder_depth=1, decoder_heads=2, parts=None
    )
    where = method.patches.touched(batch["real"])  # (B, N)
    generator = torch.Generator().manual_seed(0)
    masks = method.draw_masks(batch, generator=generator)
    mask = masks["skeleton"]
    assert where.gather(1, mask.visible).all()
    assert where.gather(1, mask.masked).all()
    loss = method(batch, masks=masks).loss
    elsewhere = torch.where(batch["real"], batch["skeleton"], torch.full_like(batch["skeleton"], 9.0))
    method.target = "none"
    plain, other = (
        method({"skeleton": data, "real": batch["real"]}, masks=masks).loss for data in (batch["skeleton"], elsewhere)
    )
    assert torch.equal(plain, other)
    assert loss.isfinite()
    assert mask.skipped
    assert method.show(batch, masks)["skeleton"].made.isfinite().all()
