"""Teacher and student as a recipe trains them: whose teacher it is, and what is refused."""

from __future__ import annotations

import pytest
import torch

from medmae.errors import DataError
from medmae.methods.action_units import teacher_small_faces
from medmae.methods.occlusion_au import OcclusionAU
from medmae.recipes.action_units import ByUnits, teacher_in
from medmae.weights.networks import networks_header
from medmae.weights.write import save_safetensors

NAMES = ("AU1", "AU12")


def saved(method, path):
    save_safetensors(method.state_dict(), path, metadata=networks_header(method))
    return path


def test_a_teacher_is_built_from_its_file_and_is_the_same(tmp_path):
    torch.manual_seed(0)
    teacher = teacher_small_faces(names=NAMES, image_size=32, unit_dim=8).eval()
    network = teacher_in(saved(teacher, tmp_path / "units.safetensors"), names=NAMES).eval()
    face = torch.rand(2, 3, 32, 32)
    assert torch.equal(network(face).edges, teacher.network(face).edges)


def test_other_files_and_other_units_are_refused(tmp_path):
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2, "unit_dim": 8}
    student = saved(OcclusionAU(names=NAMES, **sizes), tmp_path / "student.safetensors")
    with pytest.raises(DataError, match="this file holds no teacher"):
        teacher_in(student, names=NAMES)
    teacher = saved(teacher_small_faces(names=NAMES, image_size=32, unit_dim=8), tmp_path / "teacher.safetensors")
    with pytest.raises(DataError, match="other units, or in another order"):
        teacher_in(teacher, names=("AU12", "AU1"))


def test_an_epoch_is_judged_by_the_area_and_then_by_f1():
    target = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, float("nan")]])
    judge = ByUnits(NAMES)
    said = judge.said({"units": torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]])}, {"target": target})
    assert judge.score(*said) == (1.0, 1.0)
    alike = judge.said({"units": torch.full((3, 2), 0.4)}, {"target": torch.zeros(3, 2)})
    assert judge.score(*alike) == (0.5, 0.0)
