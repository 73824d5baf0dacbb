"""Files of shapes, odd ones too: what is read, what is left out and said, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.data.points.meshes import said_unit
from medmae.data.points.read import cleaned, read_shape
from medmae.data.points.shape import Shape, sampled
from medmae.errors import DataError
from tests.shapes import ball, off, ply

pytest.importorskip("trimesh")


@pytest.fixture(scope="module")
def sphere():
    return ball()


def true_volume(radius=10.0):
    return 4 / 3 * np.pi * radius**3


@pytest.mark.parametrize("suffix", [".off", ".ply", ".stl", ".obj"])
def test_meshes_of_each_format_are_one_shape(suffix, sphere, tmp_path):
    import trimesh

    path = tmp_path / f"ball{suffix}"
    trimesh.Trimesh(*sphere, process=False).export(path)
    shape = read_shape(path)
    assert (len(shape.points), len(shape.faces)) == (len(sphere[0]), len(sphere[1]))  # corners of stl are joined
    assert shape.flags == ()
    assert shape.volume == pytest.approx(true_volume(), rel=0.2)


@pytest.mark.parametrize("version", ["3.0 ASCII", "3.0 BINARY", "5.1 ASCII", "5.1 BINARY"])
def test_surfaces_of_vtk_are_read_as_text_and_binary(version, sphere, tmp_path):
    points, faces = sphere
    (number, kind), path = version.split(), tmp_path / "ball.vtk"

    def numbers(values, dtype):
        return (
            (" ".join(map(str, values)) + "\n").encode() if kind == "ASCII" else values.astype(dtype).tobytes() + b"\n"
        )

    raw = f"# vtk DataFile Version {number}\nball\n{kind}\nDATASET POLYDATA\nPOINTS {len(points)} double\n".encode()
    raw += numbers(points.ravel(), ">f8")
    if number == "3.0":
        flat = np.insert(faces, 0, 3, axis=1).ravel()
        raw += f"POLYGONS {len(faces)} {len(flat)}\n".encode() + numbers(flat, ">i4")
    else:
        raw += f"POLYGONS {len(faces) + 1} {faces.size}\nOFFSETS vtktypeint64\n".encode()
        raw += numbers(np.arange(len(faces) + 1) * 3, ">i8")
        raw += b"CONNECTIVITY vtktypeint64\n" + numbers(faces.ravel(), ">i8")
    path.write_bytes(raw + f"POINT_DATA {len(points)}\n".encode())
    shape = read_shape(path)
    assert len(shape.faces) == len(faces)
    assert shape.volume == pytest.approx(true_volume(), rel=0.2)


def test_another_vtk_data_set_is_refused(tmp_path):
    (path := tmp_path / "grid.vtk").write_text("# vtk DataFile Version 3.0\n.\nASCII\nDATASET STRUCTURED_POINTS\n")
    with pytest.raises(DataError, match=r"holds no surface.*save it as POLYDATA"):
        read_shape(path)


def test_the_head_of_modelnet_files_that_lacks_a_line_break_is_read(sphere, tmp_path):
    assert len(read_shape(off(tmp_path / "a.off", *sphere, head="OFF")).faces) == len(sphere[1])


def test_text_and_arrays_are_clouds_of_their_first_three_columns(tmp_path):
    rows = np.random.default_rng(0).normal(size=(100, 6))
    np.savetxt(tmp_path / "a.xyz", rows)
    np.savetxt(tmp_path / "a.txt", rows, delimiter=",")
    np.save(tmp_path / "a.npy", rows)
    for name in ("a.xyz", "a.txt", "a.npy"):
        assert np.allclose(read_shape(tmp_path / name).points, rows[:, :3])
    np.save(tmp_path / "b.npy", rows[:, :2])
    with pytest.raises(DataError, match=r"this is no cloud.*\(N, 3\)"):
        read_shape(tmp_path / "b.npy")


def test_a_text_ply_with_other_properties_is_read(sphere, tmp_path):
    shape = read_shape(ply(tmp_path / "a.ply", *sphere, extra=True))
    assert np.allclose(np.sort(shape.points, axis=0), np.sort(sphere[0], axis=0))


def test_a_mesh_without_faces_is_a_cloud(sphere, tmp_path):
    assert read_shape(ply(tmp_path / "a.ply", sphere[0], np.zeros((0, 3), dtype=int))).faces is None


def test_corners_that_are_no_numbers_are_left_out_with_their_triangles(sphere, tmp_path):
    points = sphere[0].copy()
    points[5] = np.nan
    shape = read_shape(ply(tmp_path / "a.ply", points, sphere[1]))
    assert np.isfinite(shape.points).all()
    assert "not_finite:1" in shape.flags
    assert "not_closed" in shape.flags
    assert shape.volume is None


def test_copies_of_points_are_counted_and_left_out():
    points = np.random.default_rng(0).normal(size=(30, 3))
    shape = cleaned(Shape(np.concatenate([points, points[:7]])), path="a")
    assert shape.flags == ("duplicates:7",)
    assert np.array_equal(shape.points, points)  # in their order


def test_twelve_points_are_too_few():
    with pytest.raises(DataError, match="12 different points, fewer than 16"):
        cleaned(Shape(np.random.default_rng(0).normal(size=(12, 3))), path="a")


def test_one_point_many_times_is_too_few():
    with pytest.raises(DataError, match="1 different points"):
        cleaned(Shape(np.ones((100, 3))), path="a")


def test_triangles_without_area_are_none(sphere):
    flat = np.zeros((4, 3), dtype=int)
    shape = cleaned(Shape(sphere[0], np.concatenate([sphere[1], flat])), path="a")
    assert len(shape.faces) == len(sphere[1])
    with pytest.raises(DataError, match="no triangle of any area"):
        cleaned(Shape(sphere[0], flat), path="a")


def test_triangles_of_points_that_are_not_there_are_refused(sphere):
    with pytest.raises(DataError, match="triangles name points that are not there"):
        cleaned(Shape(sphere[0], sphere[1] + 3), path="a")


def test_an_edge_of_three_triangles_is_said(sphere):
    fin = np.array([[sphere[1][0][0], sphere[1][0][1], len(sphere[0])]])
    shape = cleaned(Shape(np.concatenate([sphere[0], [[30.0, 0, 0]]]), np.concatenate([sphere[1], fin])), path="a")
    assert "not_manifold:1" in shape.flags
    assert shape.volume is None


@pytest.mark.parametrize(
    ("said", "unit"),
    [("comment units: inches\n", "inch"), ("comment unit = mm\n", "mm"), ("comment made by hand\n", None)],
)
def test_a_unit_in_a_comment_is_known(said, unit, sphere, tmp_path):
    assert said_unit(ply(tmp_path / "a.ply", *sphere, comment=said)) == unit


def test_a_file_that_is_damaged_is_refused_with_its_path(tmp_path):
    (path := tmp_path / "a.stl").write_bytes(b"\0" * 100)
    with pytest.raises(DataError, match=r"a\.stl"):
        read_shape(path)


def test_a_file_larger_than_the_limit_is_refused_before_it_is_read(sphere, tmp_path):
    with pytest.raises(DataError, match="the limit is"):
        read_shape(off(tmp_path / "a.off", *sphere), limit_gb=1e-6)


def test_three_million_points_are_sampled():
    points = np.random.default_rng(0).random((3_000_000, 3), dtype=np.float32)
    drawn, flags = sampled(Shape(points), 1024, seed=0)
    assert (drawn.shape, flags) == ((1024, 3), ())
    assert len(np.unique(drawn, axis=0)) == 1024


def test_a_smaller_cloud_is_repeated_and_says_so():
    points = np.random.default_rng(0).random((40, 3))
    drawn, flags = sampled(Shape(points), 100, seed=0)
    assert flags == ("points_repeated",)
    assert np.array_equal(np.unique(drawn, axis=0), np.unique(points, axis=0))


def test_points_are_drawn_by_area_and_by_the_seed():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [10, 0, 0], [13, 0, 0], [10, 3, 0]], dtype=float)
    shape = Shape(points, np.array([[0, 1, 2], [3, 4, 5]]))  # of areas 0.5 and 4.5
    drawn, _ = sampled(shape, 4000, seed=0)
    assert (drawn[:, 0] > 5).mean() == pytest.approx(0.9, abs=0.02)
    inside = drawn[drawn[:, 0] < 5]
    assert (inside.sum(axis=1) <= 1 + 1e-9).all()
    assert inside.mean(axis=0)[:2] == pytest.approx([1 / 3, 1 / 3], abs=0.04)
    assert np.array_equal(drawn, sampled(shape, 4000, seed=0)[0])
    assert not np.array_equal(drawn, sampled(shape, 4000, seed=1)[0])
