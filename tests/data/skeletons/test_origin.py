"""Where the origin of a sample lies: what is turned turns about it, and who was not seen is not on its far side."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data_prep import skeleton_case
from data_prep.skeleton import prepare
from data_prep.tiny.skeletons import Walker, walk, write_ntu
from medmae.data import Samples, Skeletons
from medmae.data.augment.skeleton import SkeletonAugment
from medmae.data.skeletons.cut import SkeletonCut
from medmae.data.skeletons.layouts import NTU_25

MIDDLE = NTU_25.joints.index("spine_mid")
WHOLE = SkeletonCut(frames=40, share=(1.0, 1.0), test_share=1.0, least=40)  # all frames of a recording, as they are


@pytest.fixture
def two_bodies(tmp_path, monkeypatch):
    """Somebody walks, and somebody else a metre aside leaves after 25 of 40 frames; three metres from the camera."""
    from rich.console import Console

    monkeypatch.setattr(skeleton_case, "run_in_child", lambda _, task, **__: skeleton_case.store_skeleton(task))
    one, other = (walk(Walker(), seconds=2.0, seed=seed)[:40] for seed in (0, 1))
    other = other + np.array([1.0, 0, 0])
    other[25:] = np.nan
    write_ntu(tmp_path / "raw" / "patient0_0.skeleton", {"a": one, "b": other})
    options = {"subject_from": r"(patient\d)_", "fractions": (1.0, 0.0, 0.0), "workers": 0}
    prepare(source=tmp_path / "raw", out=tmp_path / "out", console=Console(quiet=True), **options)
    return tmp_path / "out"


def sample(source, **options):
    """``(3, 40, 50)``: both bodies."""
    options = {"cut": WHOLE, "bodies": 2, **options}
    return Samples(source=source, view=Skeletons(**options), split=None)[0]


def test_bodies_are_moved_to_the_origin_first_and_then_turned_about_it_as_one(two_bodies):
    plain = sample(two_bodies, augment=SkeletonAugment(angle=0.0))["skeleton"]
    turned = sample(two_bodies, augment=SkeletonAugment(angle=0.3))["skeleton"]
    assert plain[:, 0, MIDDLE].abs().max() < 1e-5
    assert turned[:, 0, MIDDLE].abs().max() < 1e-5
    assert torch.allclose(turned.norm(dim=0), plain.norm(dim=0), atol=1e-5)  # nobody moves away from it or towards it
    rows, others = plain.flatten(1).T.double(), turned.flatten(1).T.double()
    matrix = torch.linalg.lstsq(rows, others).solution
    assert torch.allclose(rows @ matrix, others, atol=1e-5)  # one turn of all frames and of both
    assert torch.allclose(matrix @ matrix.T, torch.eye(3, dtype=torch.float64), atol=1e-5)
    assert not torch.allclose(matrix, torch.eye(3, dtype=torch.float64), atol=0.02)


@pytest.mark.parametrize("cut", [WHOLE, SkeletonCut(frames=40, rate=30.0), SkeletonCut(frames=60, rate=30.0)])
def test_who_leaves_stays_where_they_were_seen_last_and_is_not_real(cut, two_bodies):
    found = sample(two_bodies, cut=cut, test=True)
    data, real = (found[name].unflatten(2, (2, 25)) for name in ("skeleton", "real"))
    left = [body for body in range(2) if not real[0, 30, body].any()]
    assert len(left) == 1
    gone = data[:, :, left[0]]
    assert not real[0, 26:, left[0]].any()
    assert real[0, :40, 1 - left[0]].all()
    assert torch.allclose(gone[:, 26:40], gone[:, 24:25].expand(-1, 14, -1), atol=1e-4)
    assert gone[:, :40].abs().max() < 2.5  # of the camera, three metres away, nothing is left
    assert not real[0, 40:].any()


def test_sides_of_ntu_are_those_of_the_published_joints():
    published = [(5, 9), (6, 10), (7, 11), (8, 12), (13, 17), (14, 18), (15, 19), (16, 20), (22, 24), (23, 25)]
    assert sorted(NTU_25.pairs) == sorted((left - 1, right - 1) for left, right in published)
