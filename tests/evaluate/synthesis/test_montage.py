"""The picture of a case: true to scale, through the lesion, errors on one scale."""

import dataclasses

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from medmae.evaluate.sheet import Sheet
from medmae.evaluate.synthesis.case_scores import SynthesisCases
from medmae.evaluate.synthesis.figures_of_merit import ERROR_LIMIT
from medmae.evaluate.synthesis.montage import choose_planes, draw_montage

SCORES = {f"{m}_{c}_foreground": 0.5 for m in ("psnr", "ssim") for c in ("model", "table")}


@pytest.fixture
def case(make_set):
    found = SynthesisCases(
        manifest=make_set(lesion=("d",)), split="test", source="T1", target="T2", contrasts=None, min_foreground=0.02
    )
    task = found.tasks()[0]
    return task, found.read(task)


@pytest.fixture
def shown(monkeypatch):
    """Collect what is drawn: (picture, box in pixels, options)."""
    calls = []

    def record(self, image, **options):
        figure = self.figure
        width, height = figure.get_size_inches() * figure.dpi
        box = self.get_position()
        calls.append((np.asarray(image), (box.width * width, box.height * height), options))
        return None

    monkeypatch.setattr(Axes, "imshow", record)
    return calls


def test_planes_go_through_the_lesion_where_it_is_largest(case):
    _, volumes = case
    volumes.lesion[4:9, 12, 12] = True  # a thin tail
    volumes.lesion[8, 9:15, 9:15] = True  # the largest slice is the last one
    planes = choose_planes(volumes)
    assert [plane.name for plane in planes] == ["axial"] * 3 + ["coronal", "sagittal"]
    assert [plane.number for plane in (planes[1], *planes[3:])] == [8, 12, 12]
    assert [plane.number for plane in planes[:3]] == sorted((plane.number for plane in planes[:3]), reverse=True)


def test_without_a_lesion_planes_go_through_the_middle(case):
    _, volumes = case
    volumes.lesion[:] = False
    assert [plane.number for plane in choose_planes(volumes)[1:]] == [5, 3, 13, 11]


def test_planes_are_numbered_in_the_whole_volume_and_cut_from_the_stored_box(case):
    _, volumes = case
    moved = choose_planes(dataclasses.replace(volumes, start=(40, 70, 90)))
    for plane, same, offset in zip(moved, choose_planes(volumes), (40, 40, 40, 70, 90), strict=True):
        assert plane.number == same.number + offset
        assert np.array_equal(plane.cut(volumes.real), same.cut(volumes.real))


def test_a_head_is_upright_and_its_right_is_on_the_left(case):
    _, volumes = case
    axial, coronal, sagittal = choose_planes(volumes)[2:]
    upper_right = np.zeros_like(volumes.real)
    upper_right[-1, :, 0] = 1  # the highest slice, the patient's rightmost column
    upper_front = np.zeros_like(volumes.real)
    upper_front[-1, 0, :] = 1
    front_right = np.zeros_like(volumes.real)
    front_right[:, 0, 0] = 1
    corners = [plane.cut(m) for plane, m in ((coronal, upper_right), (sagittal, upper_front), (axial, front_right))]
    assert all(corner[0, 0] == 1 and corner.sum() == 1 for corner in corners)
    assert axial.sides == coronal.sides == ("R", "L")
    assert sagittal.sides == ("A", "P")


def test_every_plane_is_drawn_with_as_many_pixels_a_millimetre_down_as_across(case, shown, tmp_path):
    task, volumes = case
    draw_montage(volumes, synthetic=volumes.real, task=task, scores=SCORES, path=tmp_path / "m.png")
    assert len(shown) == 5 * 4
    scales = []
    for (image, (width, height), _), spacing in zip(
        shown[::4], [(1.0, 1.5)] * 3 + [(4.0, 1.5), (4.0, 1.0)], strict=True
    ):
        down, across = height / (image.shape[0] * spacing[0]), width / (image.shape[1] * spacing[1])
        assert down == pytest.approx(across, rel=0.02)
        scales.append(across)
    assert max(scales) == pytest.approx(min(scales), rel=0.02)


def test_errors_share_one_scale_and_a_wrong_brightness_shows(case, shown, tmp_path):
    task, volumes = case
    draw_montage(volumes, synthetic=0.5 * volumes.real, task=task, scores=SCORES, path=tmp_path / "m.png")
    (_, _, source), (_, _, synthetic), (_, _, real), (error, _, scale) = shown[:4]
    assert scale["vmax"] == ERROR_LIMIT
    assert error.max() == pytest.approx(0.5 * volumes.real[choose_planes(volumes)[0].index].max())
    assert synthetic["vmax"] == real["vmax"] == pytest.approx(np.percentile(volumes.real[volumes.real > 0], 99.5))
    assert source["vmax"] != real["vmax"]


def test_the_lesion_is_outlined(case, tmp_path):
    task, volumes = case
    pictures = []
    for lesion in (True, False):
        volumes.lesion[:] = volumes.lesion if lesion else False
        path = tmp_path / f"{lesion}.png"
        draw_montage(volumes, synthetic=volumes.real, task=task, scores=SCORES, path=path)
        pictures.append(np.asarray(Image.open(path).convert("RGB")).astype(int))
    cyan = [((p[..., 2] - p[..., 0]) > 90) & (p[..., 1] > 100) for p in pictures]
    assert cyan[0].sum() > 100
    assert cyan[1].sum() == 0


def test_every_panel_has_its_sides_and_an_outline_is_explained_where_there_is_one(case, tmp_path, monkeypatch):
    task, volumes = case
    written = []
    monkeypatch.setattr(Sheet, "write", lambda self, text, **options: written.append(text))
    draw_montage(volumes, synthetic=volumes.real, task=task, scores=SCORES, path=tmp_path / "m.png")
    assert (written.count("R"), written.count("L")) == (16, 16)  # four planes, four pictures each
    assert (written.count("A"), written.count("P")) == (4, 4)
    assert written.count("blue line: outline of the lesion label") == 1
    written.clear()
    volumes.lesion[:] = False
    draw_montage(volumes, synthetic=volumes.real, task=task, scores=SCORES, path=tmp_path / "m.png")
    assert not any("outline" in text for text in written)


def test_the_file_says_that_it_is_synthetic_and_the_same_case_gives_the_same_bytes(case, tmp_path):
    task, volumes = case
    for name in ("a.png", "b.png"):
        draw_montage(volumes, synthetic=volumes.real, task=task, scores=SCORES, path=tmp_path / name)
    assert Image.open(tmp_path / "a.png").text["Comment"] == "synthetic, not for diagnosis"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_name_with_dollar_signs_is_not_mathematics(case, tmp_path):
    task, volumes = case
    task.row["case"] = r"$\frac{$"
    draw_montage(volumes, synthetic=volumes.real, task=task, scores=SCORES, path=tmp_path / "m.png")
    assert (tmp_path / "m.png").is_file()
