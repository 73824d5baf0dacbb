"""Folders of frames, files of several pictures, arrays."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from medmae.data.video.read import read_video
from medmae.errors import DataError
from tests.videos import corner_names, corners, numbered, numbers_of


@pytest.fixture
def folder(tmp_path):
    """Saves frames under names: ``folder({"f_1.png": pixels})``."""

    def make(frames, name="clip"):
        (tmp_path / name).mkdir(exist_ok=True)
        for file, pixels in frames.items():
            Image.fromarray(pixels).save(tmp_path / name / file)
        return tmp_path / name

    return make


# ------------------------------------------------------------------------------------------------------------ folders
def test_frames_are_ordered_by_their_numbers_and_not_as_text(folder):
    frames = numbered(12)
    clip = read_video(folder({f"frame_{number}.png": frames[number - 1] for number in range(1, 13)}))
    assert numbers_of(clip.frames) == list(range(12))
    assert clip.times.seconds is None
    assert clip.flags == ("no_rate",)


def test_a_gap_in_the_numbers_is_no_frame_and_is_said(folder):
    frames = numbered(4)
    clip = read_video(folder({f"{n}.png": frames[i] for i, n in enumerate((8, 9, 12, 13))}))
    assert numbers_of(clip.frames) == [0, 1, 2, 3]
    assert "gaps_in_numbers:2" in clip.flags


def test_names_with_several_numbers_count_by_the_one_that_differs(folder):
    frames = numbered(3)
    clip = read_video(folder({f"2024-01-05_frame{n}_v2.png": frames[i] for i, n in enumerate((9, 10, 11))}))
    assert numbers_of(clip.frames) == [0, 1, 2]


def test_two_series_in_one_folder_are_refused(folder):
    frames = numbered(3)
    with pytest.raises(DataError, match="different series"):
        read_video(folder({"a_1.png": frames[0], "a_2.png": frames[1], "b_1.png": frames[2]}))
    with pytest.raises(DataError, match="same number"):
        read_video(folder({"s1_f1.png": frames[0], "s1_f2.png": frames[1], "s2_f1.png": frames[2]}, name="other"))


def test_masks_among_the_frames_are_left_out_and_counted(folder):
    frames = numbered(3)
    mask = np.zeros((32, 48), np.uint8)
    some = {f"f{n}.png": frames[n] for n in range(3)} | {f"f{n}_mask.png": mask for n in range(3)}
    clip = read_video(folder(some))
    assert numbers_of(clip.frames) == [0, 1, 2]
    assert "masks_left_out:3" in clip.flags


def test_frames_of_different_kinds_are_refused_by_name(folder):
    frames = numbered(3)
    with pytest.raises(DataError, match=r"f2\.png is grey") as caught:
        read_video(folder({"f0.png": frames[0], "f1.png": frames[1], "f2.png": frames[2, ..., 0]}))
    assert caught.value.remedy


def test_frames_of_other_shapes_are_refused(folder):
    with pytest.raises(DataError, match="change their shape"):
        read_video(folder({"f0.png": numbered(1)[0], "f1.png": numbered(1, size=(48, 48))[0]}))


def test_sixteen_bits_are_scaled_by_one_span_for_all_frames(folder):
    frames = {f"f{n}.png": np.full((8, 8), 100 + 1000 * n, np.uint16) for n in range(5)}
    clip = read_video(folder(frames))
    assert clip.frames[:, 0, 0, 0].tolist() == [0, 64, 128, 191, 255]
    assert "scaled:100..4100" in clip.flags


def test_pictures_are_turned_as_their_exif_says(tmp_path):
    (tmp_path / "clip").mkdir()
    for number in range(3):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise by a quarter
        Image.fromarray(corners()).save(tmp_path / "clip" / f"{number}.png", exif=exif)
    clip = read_video(tmp_path / "clip")
    assert clip.frames.shape[1:3] == (48, 32)
    assert corner_names(clip.frames[1]) == "BRWG"
    assert "exif_turned" in clip.flags


def test_a_truncated_frame_ends_the_clip_there(folder):
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 48, 3), dtype=np.uint8)
    path = folder({f"f{n}.jpg": frames[n] for n in range(4)})
    data = (path / "f2.jpg").read_bytes()
    (path / "f2.jpg").write_bytes(data[: len(data) // 2])
    clip = read_video(path)
    assert len(clip.frames) == 2
    assert "damaged after 2 frames: f2.jpg" in clip.damage
    (path / "f0.jpg").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="cannot be read as a picture"):
        read_video(path)


def test_hidden_files_and_folders_without_frames(folder, tmp_path):
    path = folder({"f0.png": numbered(1)[0], "f1.png": numbered(2)[1]})
    (path / "._f0.png").write_bytes(b"\x00\x05\x16\x07")
    (path / "Thumbs.db").write_bytes(b"x")
    assert len(read_video(path).frames) == 2
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="no frame is in this folder"):
        read_video(tmp_path / "bare")


def test_names_without_numbers_are_in_the_order_of_the_alphabet_and_that_is_said(folder):
    frames = numbered(3)
    clip = read_video(folder({"c.png": frames[2], "A.png": frames[0], "b.png": frames[1]}))
    assert numbers_of(clip.frames) == [0, 1, 2]
    assert "order_by_name" in clip.flags


def test_pixels_of_no_one_meaning_are_refused(tmp_path):
    (tmp_path / "clip").mkdir()
    for number in range(2):
        Image.fromarray(numbered(1)[0]).convert("LAB").save(tmp_path / "clip" / f"{number}.tif")
    with pytest.raises(DataError, match="no one meaning as colours"):
        read_video(tmp_path / "clip")


# ----------------------------------------------------------------------------------------------- files of many pictures
def test_partial_frames_of_a_gif_are_laid_over_those_before(tmp_path):
    base = np.full((20, 30), 50, np.uint8)
    frames = []
    for number in range(4):
        base = base.copy()
        base[5:10, 5 * number : 5 * number + 5] = 200  # only this part changes, and only it is stored
        frames.append(Image.fromarray(base))
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[100, 200, 100, 100])
    clip = read_video(tmp_path / "a.gif")
    assert clip.frames.shape[:3] == (4, 20, 30)
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(clip.frames[number, ..., 0], np.asarray(frame))
    np.testing.assert_allclose(clip.times.seconds, [0, 0.1, 0.3, 0.4])
    assert "variable_rate" in clip.flags


def test_what_is_transparent_in_a_gif_shows_white(tmp_path):
    frames = []
    for number in range(2):
        pixels = np.zeros((20, 30, 4), np.uint8)
        pixels[:, 10 + number :] = (255, 0, 0, 255)
        frames.append(Image.fromarray(pixels))
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100, disposal=2)
    clip = read_video(tmp_path / "a.gif")
    assert clip.frames[0, 10, 2].tolist() == [255, 255, 255]
    assert clip.frames[0, 10, 25].tolist() == [255, 0, 0]


def test_delays_of_a_gif_are_those_of_players_and_none_is_no_rate(tmp_path):
    frames = [Image.fromarray(frame) for frame in numbered(3)]
    frames[0].save(tmp_path / "fast.gif", save_all=True, append_images=frames[1:], duration=10)
    clip = read_video(tmp_path / "fast.gif")
    assert clip.times.fps == pytest.approx(10)
    assert "short_delays_shown_as_100ms" in clip.flags
    frames[0].save(tmp_path / "still.gif", save_all=True, append_images=frames[1:])
    assert read_video(tmp_path / "still.gif").times.fps is None


def test_a_gif_that_was_cut_off_says_so(tmp_path):
    frames = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (40, 40), dtype=np.uint8)) for n in range(6)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100)
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "b.gif").write_bytes(data[: int(len(data) * 0.6)])
    clip = read_video(tmp_path / "b.gif")
    assert 0 < len(clip.frames) < 6
    assert clip.damage is not None
    (tmp_path / "c.gif").write_bytes(data[:-1])
    assert read_video(tmp_path / "c.gif").damage == "the file has no end mark: it was cut off"


@pytest.mark.parametrize("name", ["a.webp", "a.apng", "a.png"])
def test_other_moving_pictures_are_read(name, tmp_path):
    frames = [Image.fromarray(frame) for frame in numbered(4)]
    kind = {"a.webp": "WEBP"}.get(name, "PNG")
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(tmp_path / name, kind, save_all=True, append_images=frames[1:], duration=40, **options)
    clip = read_video(tmp_path / name)
    assert numbers_of(clip.frames) == [0, 1, 2, 3]
    assert clip.times.fps == pytest.approx(25)


def test_pages_of_a_tiff_are_frames_without_a_rate(tmp_path):
    pages = [Image.fromarray(np.full((8, 8), 1000 * n, np.uint16)) for n in range(4)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    clip = read_video(tmp_path / "a.tif")
    assert clip.frames[:, 0, 0, 0].tolist() == [0, 85, 170, 255]
    assert {"scaled:0..3000", "no_rate"} == set(clip.flags)


def test_the_stand_in_of_an_apng_is_no_frame(tmp_path):
    frames = [Image.fromarray(frame) for frame in numbered(4)]
    cover = Image.new("RGB", frames[0].size, "white")
    cover.save(tmp_path / "a.png", save_all=True, append_images=frames, default_image=True, duration=40)
    clip = read_video(tmp_path / "a.png")
    assert numbers_of(clip.frames) == [0, 1, 2, 3]
    assert clip.times.fps == pytest.approx(25)
    assert clip.flags == ("extra_pictures_left_out",)


def test_smaller_copies_in_a_tiff_are_no_frames(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number, frame in enumerate(numbered(6)):
            file.write(frame, subfiletype=number % 2, contiguous=False)
    clip = read_video(tmp_path / "a.tif")
    assert numbers_of(clip.frames) == [0, 2, 4]
    assert "extra_pictures_left_out" in clip.flags


@pytest.mark.parametrize("axes", ["TCYX", "TZYX"])
def test_pages_that_go_through_channels_or_slices_besides_times_are_refused(axes, tmp_path):
    pages = numbered(6)[..., 0].reshape(3, 2, 32, 48)
    tifffile.imwrite(tmp_path / "a.tif", pages, imagej=True, metadata={"axes": axes})
    with pytest.raises(DataError, match=f"not frames alone.*{axes}"):
        read_video(tmp_path / "a.tif")


def test_a_stack_of_imagej_is_frames_and_what_it_calls_them_is_said(tmp_path):
    for axes, flags in (("ZYX", {"slices_as_frames", "no_rate"}), ("TYX", {"no_rate"})):
        tifffile.imwrite(tmp_path / "a.tif", numbered(6)[..., 0], imagej=True, metadata={"axes": axes})
        clip = read_video(tmp_path / "a.tif")
        assert numbers_of(clip.frames) == list(range(6))
        assert set(clip.flags) == flags


# ------------------------------------------------------------------------------------------------------------- arrays
def test_arrays_of_frames_are_read(tmp_path):
    np.save(tmp_path / "a.npy", numbered(5))
    np.savez(tmp_path / "a.npz", frames=numbered(5)[..., 0], other=np.zeros(3))
    np.save(tmp_path / "f.npy", np.linspace(0, 1, 5)[:, None, None] * np.ones((1, 4, 6)))
    assert numbers_of(read_video(tmp_path / "a.npy").frames) == list(range(5))
    assert read_video(tmp_path / "a.npz").frames.shape == (5, 32, 48, 1)
    assert read_video(tmp_path / "f.npy").frames[:, 0, 0, 0].tolist() == [0, 64, 128, 191, 255]


def test_arrays_of_other_things_are_refused(tmp_path):
    np.save(tmp_path / "flat.npy", np.zeros((4, 5)))
    np.save(tmp_path / "first.npy", np.zeros((4, 3, 8, 8), np.uint8))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=numbered(2), b=numbered(2))
    np.save(tmp_path / "picture.npy", numbered(1)[0])
    reasons = {"flat": "frames are", "first": "frames are", "objects": "cannot be read", "picture": "one picture"}
    for name, reason in reasons.items():
        with pytest.raises(DataError, match=reason):
            read_video(tmp_path / f"{name}.npy")
    with pytest.raises(DataError, match="none of its arrays is called frames"):
        read_video(tmp_path / "two.npz")
