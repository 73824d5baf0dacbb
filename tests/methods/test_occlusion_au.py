"""The student: what is hidden is not seen, the teacher does not learn, and what was not coded does not count."""

from __future__ import annotations

import copy

import pytest
import torch

from medmae.errors import DataError
from medmae.masking.base import Mask
from medmae.methods.action_units import ActionUnits
from medmae.methods.occlusion_au import BP4D, OcclusionAU, occlusion_au_base, occlusion_au_large, occlusion_au_tiny
from medmae.nn.au_network import UnitShares, vit_small_faces
from medmae.objectives.action_units import relation_classes, relation_loss, unit_loss, unit_weights

TINY = {"image_size": 32, "patch_size": 4, "embed_dim": 48, "depth": 2, "num_heads": 4, "unit_dim": 16}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def untaught(**options):
    return OcclusionAU(**{**TINY, "names": BP4D[:3], **options})


def taught(teacher, *, begin=True, **options):
    student = untaught(**options)
    student.learn_from(teacher, begin=begin)
    return student


@pytest.fixture
def student():
    torch.manual_seed(0)
    return occlusion_au_tiny()


@pytest.fixture
def batch(student):
    return student.example_batch(3, generator=seeded(1))


@pytest.mark.parametrize(
    ("make", "options", "count"),
    [
        (occlusion_au_base, {}, 93_301_396),
        (occlusion_au_base, {"names": BP4D[:8]}, 92_244_132),
        (occlusion_au_large, {}, 310_935_444),
        (occlusion_au_large, {"names": BP4D[:8]}, 309_878_180),
        (occlusion_au_base, {"mapping": "queries"}, 96_478_356),  # these two are ours
        (occlusion_au_base, {"mapping": "queries", "names": BP4D[:8]}, 95_412_900),
    ],
)
def test_students_have_the_counts_of_the_spec(make, options, count):
    with torch.device("meta"):
        method = make(**options)
    assert sum(parameter.numel() for parameter in method.parameters()) == count


@pytest.mark.parametrize("mapping", ["visible", "completed", "queries"])
def test_hidden_pixels_have_no_influence_to_the_bit(mapping, batch):
    torch.manual_seed(0)
    student = occlusion_au_tiny(mapping=mapping)
    masks = student.draw_masks(batch, generator=seeded(2))
    hidden = student.encoder.patches.paint(masks["image"].as_bool())
    other = {**batch, "image": torch.where(hidden, torch.rand(batch["image"].shape), batch["image"])}
    assert not torch.equal(other["image"], batch["image"])
    before, after = (student.eval().read(some["image"], masks["image"]).units for some in (batch, other))
    assert torch.equal(before, after)


@pytest.mark.parametrize("mapping", ["visible", "completed", "queries"])
def test_a_whole_face_is_read_too(mapping, batch):
    student = occlusion_au_tiny(mapping=mapping)
    graph = student.eval().read(batch["image"])
    assert graph.units.shape == (3, 3)
    if mapping != "completed":
        torch.testing.assert_close(UnitShares(method=student)(batch["image"]), graph.units)


@pytest.mark.parametrize("mapping", ["visible", "completed", "queries"])
def test_faces_that_show_different_numbers_of_patches_are_read_as_each_alone(mapping, batch):
    torch.manual_seed(0)
    student = occlusion_au_tiny(mapping=mapping)
    hidden = torch.zeros(3, 64, dtype=torch.bool)
    for face, count in enumerate((10, 30, 50)):
        hidden[face, :count] = True
    together = student.eval().read(batch["image"], Mask.from_bool(hidden)).units
    for face in range(3):
        own = Mask.from_bool(hidden[face : face + 1])
        alone = student.read(batch["image"][face : face + 1], own).units
        torch.testing.assert_close(together[face : face + 1], alone, atol=1e-5, rtol=0)


def test_the_teacher_keeps_its_statistics_and_gets_no_gradient(student, batch):
    before = copy.deepcopy(dict(student.teacher.named_buffers()))
    student.train()
    student(batch, generator=seeded(0)).loss.backward()
    assert all(torch.equal(value, before[key]) for key, value in student.teacher.named_buffers())
    assert all(parameter.grad is None for parameter in student.teacher.parameters())
    assert not student.teacher.network.training


def test_the_teacher_sees_the_whole_face(student, batch):
    masks = student.draw_masks(batch, generator=seeded(2))
    hidden = student.encoder.patches.paint(masks["image"].as_bool())
    other = {**batch, "image": torch.where(hidden, 1 - batch["image"], batch["image"])}
    first, second = (student(some, masks=masks).terms for some in (batch, other))
    assert torch.equal(first["units"], second["units"])
    assert not torch.equal(first["nodes"], second["nodes"])
    assert not torch.equal(first["edges"], second["edges"])


@pytest.mark.parametrize("distance", ["cosine", "mse"])
def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it(distance, batch):
    torch.manual_seed(0)
    teacher = vit_small_faces(units=3, dim=16, image_size=32)
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 96, "depth": 4, "num_heads": 4, "unit_dim": 16}
    student = taught(teacher, distance=distance, scale="imagenet", **sizes).eval()
    student.encoder.load_state_dict(teacher.encoder.state_dict())
    student.mapper.load_state_dict(teacher.mapper.state_dict())
    graph = student.read(batch["image"])
    found = student._distilled(graph, batch["image"])
    assert {name: float(loss.detach().abs()) for name, loss in found.items()} == pytest.approx(
        {"nodes": 0, "edges": 0}, abs=1e-6
    )


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({}, {"units", "relations", "nodes", "edges"}),
        ({"node_weight": 0.0}, {"units", "relations", "edges"}),
        ({"edge_weight": 0.0}, {"units", "relations", "nodes"}),
        ({"taught": "plain"}, {"units", "relations", "nodes", "edges"}),
    ],
)
def test_each_term_can_be_left_out(options, terms, batch):
    assert set(occlusion_au_tiny(**options)(batch, generator=seeded(0)).terms) == terms


def test_without_a_teacher_labels_alone_teach(batch):
    assert set(untaught()(batch, generator=seeded(0)).terms) == {"units", "relations"}
    assert set(untaught(relation_weight=0.0)(batch, generator=seeded(0)).terms) == {"units"}


def test_intensities_are_learnt_where_they_were_coded(batch):
    student = occlusion_au_tiny(intensities=True)
    intensity = torch.tensor([[0.0, 5.0, float("nan")]] * 3)
    out = student({**batch, "intensity": intensity}, generator=seeded(0))
    out.terms["intensities"].backward()
    assert student.head.intensity.grad[:2].any()
    assert not student.head.intensity.grad[2].any()
    assert out.prediction["intensities"].shape == (3, 3)


def test_the_encoder_learns_only_after_its_share_of_training(student, batch):
    student(batch, generator=seeded(0), progress=0.05).loss.backward()
    assert all(parameter.grad is None for parameter in student.encoder.parameters())
    assert student.mapper.linear.weight.grad.any()
    student(batch, generator=seeded(0), progress=0.1).loss.backward()
    assert student.encoder.blocks[0].attn.qkv.weight.grad.any()


def test_units_that_nobody_coded_count_nowhere():
    shares = torch.rand(4, 3, generator=seeded(0), requires_grad=True)
    target = torch.randint(2, (4, 3), generator=seeded(1)).float()
    target[1, 2] = target[3, 0] = float("nan")
    unit_loss(shares, target).backward()
    assert (shares.grad != 0).tolist() == (target.isfinite() & (target.nan_to_num() <= 1)).tolist()
    classes = relation_classes(target).unflatten(1, (3, 3))
    assert (classes[1] == -100).tolist() == [[False, False, True], [False, False, True], [True, True, True]]
    nothing = torch.full((2, 3), float("nan"))
    assert float(unit_loss(shares[:2].detach(), nothing)) == 0
    assert float(relation_loss(torch.rand(2, 9, 4), nothing)) == 0


def test_weights_come_from_what_was_coded_and_a_unit_that_is_never_active_is_refused():
    target = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, float("nan")], [0.0, float("nan")]])
    assert unit_weights(target) == pytest.approx([1.6, 0.4])
    with pytest.raises(DataError, match="never active") as fault:
        unit_weights(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), names=["AU1", "AU2"])
    assert "AU2" in str(fault.value)


def test_an_inactive_unit_counts_the_less_the_surer_the_network_is():
    sure, unsure = (unit_loss(torch.tensor([[share]]), torch.zeros(1, 1)) for share in (0.1, 0.4))
    assert float(sure) == pytest.approx(-0.1 * torch.log(torch.tensor(0.9)).item())
    assert unsure > sure


def test_what_does_not_fit_is_refused(batch):
    with pytest.raises(ValueError, match="the teacher reads 2 units"):
        taught(vit_small_faces(units=2, dim=16, image_size=32))
    with pytest.raises(ValueError, match="without edges"):
        taught(vit_small_faces(units=3, dim=16, image_size=32, edges=False, neighbours=2))
    with pytest.raises(ValueError, match="set teacher_dim=24"):
        taught(vit_small_faces(units=3, dim=24, image_size=32))
    with pytest.raises(ValueError, match="unit_weight has a positive number"):
        occlusion_au_tiny(unit_weight=[1.0, 2.0])
    with pytest.raises(ValueError, match="have a name each"):
        OcclusionAU(names=("AU1", "AU1"))
    with pytest.raises(ValueError, match="target is of shape"):
        occlusion_au_tiny()({**batch, "target": torch.zeros(3, 5)}, generator=seeded(0))
    student = occlusion_au_tiny()
    replaced = Mask.from_bool(torch.arange(64).repeat(3, 1) < 20, replaced=True)
    with pytest.raises(ValueError, match="neither replace nor skip"):
        student(batch, masks={"image": replaced})


def test_objects_are_put_on_landmarks_of_the_batch(batch):
    student = occlusion_au_tiny(occlusions=("hand",))
    far = torch.rand(3, 68, 2, generator=seeded(5))
    mean, own = (
        student.draw_masks(some, generator=seeded(2))["image"].as_bool()
        for some in (batch, {**batch, "landmarks": far})
    )
    assert not torch.equal(mean, own)


def test_a_head_begins_as_its_teacher_s_where_widths_agree():
    teacher = vit_small_faces(units=3, dim=16, image_size=32)
    student = taught(teacher)
    assert torch.equal(student.head.prototypes, teacher.head.prototypes)
    other = taught(teacher, begin=False)
    assert not torch.equal(other.head.prototypes, teacher.head.prototypes)


def test_the_teacher_learns_whole_faces():
    torch.manual_seed(0)
    method = ActionUnits(network=vit_small_faces(units=3, dim=16, image_size=32), names=BP4D[:3])
    batch = method.example_batch(4, generator=seeded(0))
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-3)
    losses = []
    for _ in range(30):
        loss = method(batch).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    with pytest.raises(ValueError, match="hides nothing"):
        method(batch, masks={"image": Mask.from_bool(torch.eye(2, dtype=torch.bool))})
