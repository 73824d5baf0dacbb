"""Occlusions of faces: how much each hides, in what form, and of what it depends."""

from __future__ import annotations

import itertools

import pytest
import torch

from medmae.face import MIRRORED, TEMPLATE
from medmae.masking.face_shapes import JITTERS, SHAPES, shape_distance
from medmae.masking.occlusion import OCCLUSIONS, OcclusionMasking, block_edges, occlude

GRID = (14, 14)


def drawn(kinds, *, count=49, edges=(7, 7), seed=0, landmarks=None):
    noise = torch.rand(len(kinds), 196 + JITTERS, generator=torch.Generator().manual_seed(seed))
    return occlude(kinds, grid=GRID, edges=edges, count=count, noise=noise, landmarks=landmarks)


@pytest.mark.parametrize("kind", OCCLUSIONS)
@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_every_occlusion_hides_exactly_its_level(kind, level):
    count = round(level * 196)
    edges = block_edges(grid=GRID, level=level, stretch=0.5)
    hidden = drawn([kind] * 3, count=count, edges=edges).sum(dim=1)
    assert hidden.tolist() == [edges[0] * edges[1] if kind == "block" else count] * 3


@pytest.mark.parametrize(("level", "stretch"), list(itertools.product([0.1, 0.25, 0.5, 0.75], [0.0, 0.3, 1.0])))
def test_a_block_is_one_rectangle_next_to_its_level(level, stretch):
    height, width = block_edges(grid=GRID, level=level, stretch=stretch)
    assert abs(height * width - level * 196) <= max(height, width)
    for seed in range(3):
        grid = drawn(["block"], edges=(height, width), seed=seed)[0].unflatten(0, GRID)
        rows, columns = grid.any(dim=1), grid.any(dim=0)
        assert (int(rows.sum()), int(columns.sum())) == (height, width)
        assert torch.equal(grid, rows.unsqueeze(1) & columns)
        assert all(int(line.diff().ne(0).sum()) + int(line[0]) + int(line[-1]) == 2 for line in (rows, columns))


def test_objects_lie_where_they_belong():
    masked = drawn(["surgical_mask", "glasses", "upper", "lower"], count=40).unflatten(1, GRID)
    assert not masked[0, :6].any()  # the eyes are seen over a mask
    assert masked[1, 5].sum() >= 10  # a row through both eyes
    assert not masked[1, 9:].any()
    assert torch.equal(masked[2, :2], torch.ones(2, 14, dtype=torch.bool))
    assert torch.equal(masked[3, -2:], torch.ones(2, 14, dtype=torch.bool))


@pytest.mark.parametrize("kind", SHAPES)
def test_objects_move_with_the_landmarks(kind):
    place = torch.tensor([[0.5, 0.6], [0.4, 0.5], [0.62, 0.7]])
    jitter = torch.full((1, JITTERS), 0.3)
    mean = torch.tensor([TEMPLATE])
    before = shape_distance(kind, landmarks=mean, places=place, jitter=jitter)
    after = shape_distance(kind, landmarks=mean + 0.1, places=place + 0.1, jitter=jitter)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


def test_no_landmarks_are_those_of_a_mean_face():
    mean = torch.tensor([TEMPLATE])
    unknown = torch.full((1, 68, 2), float("nan"))
    first = drawn(["hand"])
    assert torch.equal(drawn(["hand"], landmarks=mean), first)
    assert torch.equal(drawn(["hand"], landmarks=unknown), first)
    assert not torch.equal(drawn(["hand"], landmarks=mean + 0.15), first)


def test_a_draw_depends_on_its_seed_alone():
    for kind in ("patches", "block", "hand"):
        assert torch.equal(drawn([kind], seed=3), drawn([kind], seed=3))
        assert not torch.equal(drawn([kind], seed=3), drawn([kind], seed=4))


def test_all_of_a_batch_hide_equally_many_and_both_kinds_appear():
    masking, generator = OcclusionMasking(grid=GRID), torch.Generator().manual_seed(0)
    counts, rectangles = set(), 0
    for _ in range(8):
        mask = masking.sample(6, generator=generator)
        assert not mask.padded
        assert 0.2 < mask.num_masked / 196 < 0.8
        counts.add(mask.num_masked)
        for face in mask.as_bool().unflatten(1, GRID):
            rectangles += int(torch.equal(face, face.any(dim=1).unsqueeze(1) & face.any(dim=0)))
    assert len(counts) > 3
    assert 12 < rectangles < 36


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="scarf"):
        OcclusionMasking(grid=GRID, kinds=("scarf",))
    with pytest.raises(ValueError, match="levels must lie in"):
        OcclusionMasking(grid=GRID, low=0.5, high=1.0)
    with pytest.raises(ValueError, match="landmarks of 1 faces"):
        drawn(["hand"], landmarks=torch.zeros(1, 5, 2))


def test_the_mean_face_is_its_own_mirror_image():
    mirrored = torch.tensor(TEMPLATE)[list(MIRRORED)]
    torch.testing.assert_close(1 - mirrored[:, 0], torch.tensor(TEMPLATE)[:, 0], atol=2e-3, rtol=0)
    torch.testing.assert_close(mirrored[:, 1], torch.tensor(TEMPLATE)[:, 1], atol=2e-3, rtol=0)
