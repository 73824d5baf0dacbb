"""Fault 24: joints and frames that were not seen, and joints in another order, from the file to the loss."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import torch
from rich.console import Console
from torch.utils.data import default_collate

from data_prep import skeleton_case
from data_prep.skeleton import prepare
from data_prep.tiny.skeletons import Walker, walk, write_ntu
from medmae.data import Manifest, Samples, Skeletons
from medmae.data.skeletons.cut import SkeletonCut
from medmae.data.skeletons.layouts import KINECT_20, MSR_20, NTU_25
from medmae.errors import DataError, ExitCode
from medmae.masking.joints import JointFrameMasking
from medmae.methods.skeleton_mae import skeleton_mae_tiny

CUT = SkeletonCut(frames=16, least=8)
AS_20 = [NTU_25.joints.index(name) for name in KINECT_20.joints]


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The work of the child in this process, which saves the start of another one."""
    monkeypatch.setattr(skeleton_case, "run_in_child", lambda _, task, **__: skeleton_case.store_skeleton(task))


def run(source, out):
    options = {"subject_from": r"(p\d)_", "fractions": (1.0, 0.0, 0.0), "workers": 0}
    return prepare(source=source, out=out, console=Console(file=io.StringIO()), **options)


def body(seed=0):
    return walk(Walker.of(seed, limp=False), seconds=2, seed=seed)


def samples_of(out, **options):
    return Samples(source=out, view=Skeletons(**{"cut": CUT, "test": True, **options}), split=None)


def test_bad_recordings_among_good_ones_are_quarantined_and_the_others_train(tmp_path):
    for number in range(3):
        write_ntu(tmp_path / "raw" / f"p{number}_0.skeleton", {"1": body(number)})
    (tmp_path / "raw" / "p3_0.skeleton").write_bytes(b"\x00\x01\x02")
    (tmp_path / "raw" / "p4_0.skeleton").write_text("")
    write_ntu(tmp_path / "raw" / "p5_0.skeleton", {"1": body()[:1]})
    result = run(tmp_path / "raw", tmp_path / "out")
    assert result.exit_code == ExitCode.SOME_FAILED
    with (tmp_path / "out" / "quarantine.csv").open(newline="") as file:
        assert {row["case"] for row in csv.DictReader(file)} == {"p3_0", "p4_0", "p5_0"}
    batch = default_collate([samples_of(tmp_path / "out")[number] for number in range(3)])
    method = skeleton_mae_tiny(joints=25)
    assert method(batch, generator=torch.Generator().manual_seed(0)).loss.isfinite()


def test_values_where_nothing_was_seen_change_no_loss_and_no_gradient(tmp_path):
    states = np.full((60, 25), 2)
    states[10:30], states[:, 7] = 0, 0  # a hole in time, and a joint that was never seen
    write_ntu(tmp_path / "raw" / "p0_0.skeleton", {"1": body()}, states={"1": states})
    write_ntu(tmp_path / "raw" / "p1_0.skeleton", {"1": body(1)})
    run(tmp_path / "raw", tmp_path / "out")
    samples = samples_of(tmp_path / "out")
    batch = default_collate([samples[0], samples[1]])
    assert batch["real"].float().mean(dim=(1, 2, 3))[0] < 0.7
    method = skeleton_mae_tiny(joints=25, target="none", frame_ratio=0.25, joint_ratio=0.4)
    masks = method.draw_masks(batch, generator=torch.Generator().manual_seed(1))
    real = method.patches.touched(batch["real"])
    assert real.gather(1, masks["skeleton"].masked).all()
    assert real.gather(1, masks["skeleton"].visible).all()
    lost = ~method.patches.paint(real)
    losses = [
        method({**batch, "skeleton": torch.where(lost, fill, batch["skeleton"])}, masks=masks).loss
        for fill in (0.0, 9.0)
    ]
    assert torch.equal(*losses)


def test_so_little_was_seen_that_nothing_is_left_to_see_is_refused():
    masking = JointFrameMasking(grid=(4, 5), frame_ratio=0.5, joint_ratio=0.6)
    real = torch.ones(2, 20, dtype=torch.bool)
    real[0] = False
    real[0, 3] = True
    with pytest.raises(ValueError, match="hide fewer moments and joints"):
        masking.sample(2, generator=torch.Generator().manual_seed(0), real=real)


def archive(path, positions, joints):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, positions=positions, joints=np.array(joints), rate=30.0, unit="m")


def test_joints_in_another_order_are_never_taken_for_each_other(tmp_path):
    positions = body()[:, AS_20]
    order = [KINECT_20.joints.index(name) for name in MSR_20.joints]
    archive(tmp_path / "raw" / "p0_0.npz", positions, KINECT_20.joints)
    archive(tmp_path / "raw" / "p1_0.npz", positions[:, order] + 0.001, MSR_20.joints)
    run(tmp_path / "raw", tmp_path / "out")
    with pytest.raises(DataError, match="recordings have different joints, or in another order"):
        samples_of(tmp_path / "out")
    samples = samples_of(tmp_path / "out", layout="kinect20")
    assert torch.allclose(samples[0]["skeleton"], samples[1]["skeleton"], atol=1e-4)


def test_a_network_for_other_joints_says_so(tmp_path):
    archive(tmp_path / "raw" / "p0_0.npz", body()[:, AS_20], KINECT_20.joints)
    run(tmp_path / "raw", tmp_path / "out")
    batch = default_collate([samples_of(tmp_path / "out")[0]])
    with pytest.raises(ValueError, match=r"expected data of shape \(B, 3, 16, 25\), got \(1, 3, 16, 20\)"):
        skeleton_mae_tiny(joints=25)(batch)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"joints": ["a", "a"]}, "different names"),
        ({"bones": [[0, 99]]}, "two numbers of joints"),
        ({"rate": "fast"}, "'rate' is 'fast'"),
        ({"coordinates": ["x"]}, "no skeleton is like this"),
        ({"unseen": None}, "'unseen' is None"),
    ],
)
def test_rows_that_are_none_are_refused_by_name(tmp_path, change, said):
    write_ntu(tmp_path / "raw" / "p0_0.skeleton", {"1": body()})
    run(tmp_path / "raw", tmp_path / "out")
    path = tmp_path / "out" / "manifest.jsonl"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}) + "\n")
    with pytest.raises(DataError, match=said):
        Manifest.read(tmp_path / "out")


def test_a_shard_of_another_shape_is_refused(tmp_path):
    write_ntu(tmp_path / "raw" / "p0_0.skeleton", {"1": body()})
    run(tmp_path / "raw", tmp_path / "out")
    shard = tmp_path / "out" / "shards" / "p0_0.npy"
    np.save(shard, np.load(shard)[:, :, :20])
    with pytest.raises(DataError):
        samples_of(tmp_path / "out")[0]


def test_recordings_without_a_rate_are_refused_where_seconds_count(tmp_path):
    (tmp_path / "raw").mkdir()
    np.savez(tmp_path / "raw" / "p0_0.npz", positions=body()[:, AS_20], joints=np.array(KINECT_20.joints), unit="m")
    run(tmp_path / "raw", tmp_path / "out")
    assert Manifest.read(tmp_path / "out").rows[0]["rate"] is None
    samples_of(tmp_path / "out")  # stretched, nobody asks
    with pytest.raises(DataError, match="nothing tells the rate of 1 recordings"):
        samples_of(tmp_path / "out", cut=SkeletonCut(frames=16, rate=10.0))
