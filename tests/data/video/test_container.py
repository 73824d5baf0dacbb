"""Video files: what other readers get wrong in silence, a file made for each."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from data_prep.tiny.clips import moving_disc
from medmae.data.video.opening import open_video
from medmae.data.video.read import read_video
from medmae.errors import DataError
from tests.videos import (
    corner_names,
    corners,
    cut,
    hurt,
    numbered,
    numbers_of,
    sound_only,
    textured,
    write_video,
)

UNKNOWN = "colour_matrix_unknown"


# ------------------------------------------------------------------------------------------------------------ formats
@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "mpeg4", "yuv420p"),
        ("a.MP4", "libx264", "yuv420p"),
        ("a.m4v", "mpeg4", "yuv420p"),
        ("a.mov", "mjpeg", "yuvj420p"),
        ("a.mkv", "libx265", "yuv420p"),
        ("a.webm", "libvpx", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.mpg", "mpeg1video", "yuv420p"),
        ("a.mpeg", "mpeg2video", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.wmv", "wmv2", "yuv420p"),
        ("a.flv", "flv", "yuv420p"),
    ],
)
def test_every_frame_of_every_format_is_read_in_order(name, codec, pixels, tmp_path):
    # libx265 writes beyond its memory where frames have fewer than 64 rows.
    path = write_video(tmp_path / name, numbered(20, size=(64, 96)), codec=codec, pixels=pixels)
    clip = read_video(path)
    assert clip.frames.shape == (20, 64, 96, 3)
    assert numbers_of(clip.frames) == list(range(20))
    assert clip.damage is None
    assert clip.times.fps == pytest.approx(25, rel=1e-3)
    np.testing.assert_allclose(clip.times.seconds, np.arange(20) / 25, atol=1.1e-3)


def test_what_a_file_holds_counts_and_not_what_it_is_called(tmp_path):
    path = write_video(tmp_path / "a.mkv", numbered(5))
    assert read_video(path.rename(tmp_path / "b.mp4")).container == "matroska,webm"


# -------------------------------------------------------------------------------------------------------------- times
def test_variable_rates_keep_the_time_of_each_frame(tmp_path):
    times = [0.0, 0.04, 0.2, 0.24, 1.0]
    clip = read_video(write_video(tmp_path / "phone.mkv", numbered(5), times=times))
    np.testing.assert_allclose(clip.times.seconds, times, atol=1e-6)
    assert clip.times.fps == pytest.approx(4)
    assert {"variable_rate", "header_rate:25"} <= set(clip.flags)


def test_a_late_first_frame_is_time_zero(tmp_path):
    clip = read_video(write_video(tmp_path / "late.mp4", numbered(5), times=[3 + 0.1 * i for i in range(5)]))
    np.testing.assert_allclose(clip.times.seconds, 0.1 * np.arange(5), atol=1e-3)


def test_b_frames_come_in_the_order_in_which_they_are_shown(tmp_path):
    path = write_video(tmp_path / "b.mp4", numbered(20), codec="libx264", max_b_frames=3)
    assert numbers_of(read_video(path).frames) == list(range(20))


def test_an_avi_with_b_frames_has_no_times_of_its_own_and_keeps_the_order_of_decoding(tmp_path):
    path = write_video(tmp_path / "b.avi", numbered(20), codec="libx264", max_b_frames=3, options={"bf": "3"})
    with path.open("rb") as handle, av.open(handle) as file:  # what makes it hard is in the file
        times = [frame.time for frame in file.decode(video=0)]
    assert sorted(times) != times
    clip = read_video(path)
    assert numbers_of(clip.frames) == list(range(20))
    np.testing.assert_allclose(clip.times.seconds, np.arange(20) / 25, atol=1e-6)
    assert "times_from_rate" in clip.flags


def test_an_edit_list_leaves_out_what_a_player_leaves_out(tmp_path):
    path = write_video(tmp_path / "cut.mp4", numbered(20), codec="libx264", options={"g": "20"}, max_b_frames=2)
    with av.open(str(path)) as file:
        ticks = round(5 / 25 / file.streams.video[0].time_base)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 16
    struct.pack_into(">i", data, at, struct.unpack_from(">i", data, at)[0] + ticks)  # starts five frames later
    path.write_bytes(data)
    clip = read_video(path)
    assert numbers_of(clip.frames) == list(range(5, 20))
    np.testing.assert_allclose(clip.times.seconds, np.arange(15) / 25, atol=1e-3)
    assert "header_frames:20" in clip.flags


def test_a_stream_without_times_has_an_unknown_rate_where_ffmpeg_makes_one_up(tmp_path):
    path = write_video(tmp_path / "raw.mjpeg", numbered(6), codec="mjpeg", pixels="yuvj420p", container="mjpeg")
    clip = read_video(path)
    assert numbers_of(clip.frames) == list(range(6))
    assert clip.times.seconds is None
    assert clip.times.fps is None
    assert "no_rate" in clip.flags


def test_sound_longer_than_the_pictures_does_not_stretch_them(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as file:
        pictures, sound = file.add_stream("mpeg4", rate=25), file.add_stream("aac", rate=16000)
        pictures.width, pictures.height, pictures.pix_fmt, sound.layout = 48, 32, "yuv420p", "mono"
        for pixels in numbered(5):
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 64000), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    clip = read_video(path)
    assert len(clip.frames) == 5
    assert clip.times.fps == pytest.approx(25)


def test_a_negative_rate_in_a_header_is_not_believed(tmp_path):
    path = write_video(tmp_path / "negative.avi", numbered(8))
    data = bytearray(path.read_bytes())
    at = data.index(b"strh") + 8
    scale, rate = struct.unpack_from("<ii", data, at + 20)
    assert rate / scale == 25
    struct.pack_into("<ii", data, at + 20, scale, -rate)
    struct.pack_into("<i", data, data.index(b"avih") + 8, -40000)
    path.write_bytes(data)
    clip = read_video(path)
    assert numbers_of(clip.frames) == list(range(8))
    assert clip.times.fps is None or clip.times.fps > 0


# ------------------------------------------------------------------------------------------------ orientation, shape
def patched_matrix(path: Path, *, degrees: int | None, mirror: bool = False) -> Path:
    """Puts a turn into the header of an .mp4."""
    a, b, c, d = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees or 0]
    if mirror:
        a, c = -a, -c
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # of version 0
    struct.pack_into(">9i", data, at, *(65536 * v for v in (a, b)), 0, *(65536 * v for v in (c, d)), 0, 0, 0, 2**30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("degrees", "mirror", "seen", "flag"),
    [
        (90, False, "BRWG", "rotated:90"),
        (180, False, "WBGR", "rotated:180"),
        (270, False, "GWRB", "rotated:270"),
        (0, True, "GRWB", "mirrored:left_right"),
    ],
)
def test_a_video_is_turned_as_a_player_shows_it(degrees, mirror, seen, flag, tmp_path):
    path = write_video(tmp_path / "turned.mp4", [corners()] * 3, codec="libx264", pixels="yuv444p")
    clip = read_video(patched_matrix(path, degrees=degrees, mirror=mirror))
    assert clip.frames.shape[1:3] == ((48, 32) if degrees in (90, 270) else (32, 48))
    assert [corner_names(frame) for frame in clip.frames] == [seen] * 3
    assert flag in clip.flags


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    path = write_video(tmp_path / "dvd.mp4", numbered(3), codec="libx264", sample_aspect_ratio=2)
    clip = read_video(path)
    assert clip.frames.shape[1:3] == (32, 96)
    assert "pixel_aspect:2/1" in clip.flags


def test_odd_sizes_stay(tmp_path):
    frames = numbered(4, size=(31, 47))
    clip = read_video(write_video(tmp_path / "odd.mkv", frames, codec="ffv1", pixels="yuv444p"))
    assert clip.frames.shape == (4, 31, 47, 3)
    assert numbers_of(clip.frames) == [0, 1, 2, 3]


def joined(path: Path, *sizes: tuple[int, int]) -> Path:
    """A stream whose size changes midway."""
    parts = []
    for number, size in enumerate(sizes):
        part = write_video(
            path.with_name(f"part{number}.mpg"), textured(6, size=size), codec="mpeg2video", container="mpeg2video"
        )
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))
    return path


def test_the_same_picture_at_another_size_is_scaled_and_that_is_said(tmp_path):
    clip = read_video(joined(tmp_path / "a.m2v", (64, 96), (128, 192)))
    assert clip.frames.shape[1:3] == (64, 96)
    assert len(clip.frames) >= 11  # FFmpeg's decoder drops the frame that it holds back when the size changes
    assert "size_changes:6" in clip.flags


def test_another_shape_midway_is_refused(tmp_path):
    with pytest.raises(DataError, match="change their shape") as caught:
        read_video(joined(tmp_path / "a.m2v", (64, 96), (96, 96)))
    assert caught.value.path == tmp_path / "a.m2v"
    assert caught.value.remedy


def test_interlaced_frames_are_made_whole(tmp_path):
    fields = np.full((16, 64, 96, 3), 40, dtype=np.uint8)
    for number, field in enumerate(fields):  # a bar that moves by 5 pixels from field to field
        field[:, 5 * number : 5 * number + 16] = 200
    combed = fields[0::2].copy()
    combed[:, 1::2] = fields[1::2, 1::2]
    path = write_video(tmp_path / "tv.mpg", combed, codec="mpeg2video", options={"flags": "+ildct+ilme", "top": "1"})
    with path.open("rb") as handle, av.open(handle) as file:
        assert all(frame.interlaced_frame for frame in file.decode(video=0))
    clip = read_video(path)
    assert len(clip.frames) == 8
    assert "deinterlaced" in clip.flags
    combs = np.abs(np.diff(combed[4, :, :, 0].astype(int), axis=0)).mean()
    left = np.abs(np.diff(clip.frames[4, :, :, 0].astype(int), axis=0)).mean()
    assert left < combs / 3


def test_rows_from_bottom_to_top_are_turned(tmp_path):
    frame = corners((32, 48))
    raw = np.ascontiguousarray(frame[::-1, :, ::-1])  # BGR, last row first, as Windows has it
    path = tmp_path / "windows.avi"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "bgr24"
        for _ in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr24")))
        file.mux(stream.encode(None))
    assert raw[0].tobytes() in path.read_bytes()  # what makes it hard is in the file
    assert corner_names(read_video(path).frames[1]) == "RGBW"


# ------------------------------------------------------------------------------------------------------------- colour
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("matrix", "name"), [(1, "bt709"), (5, "bt470bg")])
def test_colours_follow_the_matrix_and_the_range_of_the_stream(matrix, name, full, tmp_path):
    colour = np.array([200, 40, 60], dtype=np.uint8)
    kr, kb = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    r, g, b = colour / 255.0
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / (2 - 2 * kb), (r - y) / (2 - 2 * kr)
    scale = (255, 0, 255) if full else (219, 16, 224)
    planes = [y * scale[0] + scale[1], u * scale[2] + 128, v * scale[2] + 128]
    pixels = np.stack([np.full((32, 48), round(value), np.uint8) for value in planes])
    path = tmp_path / "colour.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full else 1
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(pixels, format="yuv444p")
            frame.colorspace, frame.color_range = matrix, 2 if full else 1
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    clip = read_video(path)
    np.testing.assert_allclose(clip.frames[1].reshape(-1, 3).mean(axis=0), colour, atol=3)
    assert UNKNOWN not in clip.flags


def test_an_unknown_colour_matrix_is_flagged_where_there_are_colours(tmp_path):
    coloured = moving_disc(frames=3, colour=True)
    assert read_video(write_video(tmp_path / "a.mp4", coloured)).flags.count(UNKNOWN) == 1
    assert UNKNOWN not in read_video(write_video(tmp_path / "b.mp4", moving_disc(frames=3))).flags  # grey has no matrix


def test_ten_bits_become_eight_and_that_is_said(tmp_path):
    clip = read_video(write_video(tmp_path / "deep.mkv", numbered(4), codec="ffv1", pixels="yuv420p10le"))
    assert numbers_of(clip.frames) == [0, 1, 2, 3]
    assert "pixels:yuv420p10le" in clip.flags


def test_grey_streams_have_one_channel(tmp_path):
    clip = read_video(write_video(tmp_path / "grey.mkv", numbered(4), codec="ffv1", pixels="gray"))
    assert clip.frames.shape == (4, 32, 48, 1)
    assert numbers_of(clip.frames) == [0, 1, 2, 3]


# ------------------------------------------------------------------------------------------------------- which stream
def test_a_cover_picture_is_not_the_video(tmp_path):
    path = tmp_path / "cover.mkv"
    with av.open(str(path), "w") as file:
        cover, movie = file.add_stream("mjpeg", rate=25), file.add_stream("mpeg4", rate=25)
        cover.width, cover.height, cover.pix_fmt = 320, 240, "yuvj420p"
        movie.width, movie.height, movie.pix_fmt = 48, 32, "yuv420p"
        cover.disposition = av.stream.Disposition.attached_pic
        file.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((240, 320, 3), np.uint8), format="rgb24")))
        file.mux(cover.encode(None))
        for pixels in numbered(6):
            file.mux(movie.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(movie.encode(None))
    clip = read_video(path)
    assert clip.frames.shape == (6, 32, 48, 3)
    assert numbers_of(clip.frames) == list(range(6))


def test_sound_alone_is_no_video(tmp_path):
    with pytest.raises(DataError, match="no moving pictures, only sound"):
        read_video(sound_only(tmp_path / "talk.mp4"))


# ------------------------------------------------------------------------------------------------------------- damage
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>404</html>", "it is a web page"),
        (b"\x00\x05\x16\x07" + bytes(200), "a shadow that macOS leaves"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (bytes(5000), "nothing but zeros"),
        (bytes(range(1, 251)) * 20, "FFmpeg cannot open it as a video"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "a single JPEG picture"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "FFmpeg cannot open it as a video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "FFmpeg cannot open it as a video"),
    ],
)
def test_what_is_no_video_is_refused_with_its_reason(content, reason, tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read_video(path)
    assert caught.value.path == path
    assert caught.value.remedy


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        open_video(tmp_path / "gone.mp4")


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "mjpeg"), ("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.mpg", "mpeg2video")]
)
def test_a_truncated_file_gives_what_precedes_the_end_and_says_so(name, codec, tmp_path):
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(tmp_path / name, textured(40), codec=codec, pixels=pixels)
    whole, part = read_video(path), read_video(cut(path, 0.7))
    assert 0 < len(part.frames) < 40
    assert part.damage is not None
    np.testing.assert_array_equal(part.frames, whole.frames[: len(part.frames)])


def test_an_mp4_without_its_index_cannot_be_read(tmp_path):
    path = write_video(tmp_path / "a.mp4", textured(20))
    with pytest.raises(DataError, match="if its end is missing, copy or export it again"):
        read_video(cut(path, 0.6))


@pytest.mark.parametrize("at", [0.35, 0.65, 0.8])
@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mjpeg"), ("a.mp4", "libx264"), ("a.mpg", "mpeg2video")])
def test_frames_after_damage_are_not_given(name, codec, at, tmp_path):
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(tmp_path / name, textured(40), codec=codec, pixels=pixels, options={"g": "8"})
    whole, part = read_video(path), read_video(hurt(path, at=at))
    assert part.damage is not None
    assert len(part.frames) < 40
    np.testing.assert_array_equal(part.frames, whole.frames[: len(part.frames)])


@pytest.mark.parametrize("at", [0.5, 0.65, 0.8])
def test_a_little_damage_in_a_jpeg_is_found_because_errors_are_looked_for_strictly(at, tmp_path):
    path = write_video(tmp_path / "a.avi", textured(40), codec="mjpeg", pixels="yuvj420p")
    whole, part = read_video(path), read_video(hurt(path, at=at, count=60))
    assert part.damage is not None
    np.testing.assert_array_equal(part.frames, whole.frames[: len(part.frames)])


def test_half_a_jpeg_within_a_video_is_damage(tmp_path):
    path = write_video(tmp_path / "a.avi", textured(12, size=(128, 192)), codec="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data) - 3) if data[at : at + 3] == b"\xff\xd8\xff"]
    begin, end = starts[6], starts[7] - 8
    middle = (begin + end) // 2
    data[middle:end] = bytes(end - middle)
    path.write_bytes(data)
    clip = read_video(path)
    assert len(clip.frames) == 6
    assert clip.damage is not None
    assert "6 frames" in clip.damage


def test_a_stream_without_key_frames_fails_with_a_reason(tmp_path):
    path = write_video(tmp_path / "a.mkv", textured(20), codec="libx264", options={"g": "250"})
    packets = []
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        packets = [packet for packet in source.demux(stream) if packet.size and not packet.is_keyframe]
        with av.open(str(tmp_path / "b.mkv"), "w") as target:
            copy = target.add_stream_from_template(stream)
            for packet in packets:
                packet.stream = copy
                target.mux(packet)
    with pytest.raises(DataError, match="no frame can be decoded"):
        read_video(tmp_path / "b.mkv")


def test_a_cover_picture_alone_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as file:
        sound, cover = file.add_stream("aac", rate=16000), file.add_stream("mjpeg", rate=25)
        sound.layout = "mono"
        cover.width, cover.height, cover.pix_fmt = 48, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
        file.mux(cover.encode(av.VideoFrame.from_ndarray(numbered(1)[0], format="rgb24")))
        file.mux(cover.encode(None))
    with pytest.raises(DataError, match="no moving pictures, only a cover picture"):
        read_video(path)


def test_what_is_transparent_in_a_video_is_black(tmp_path):
    pixels = np.zeros((32, 48, 4), np.uint8)
    pixels[..., 0], pixels[:, :24, 3] = 200, 255
    path = tmp_path / "alpha.mov"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "argb"
        for _ in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(format="argb")))
        file.mux(stream.encode(None))
    clip = read_video(path)
    assert clip.frames[0, 5, 5].tolist() == [200, 0, 0]
    assert clip.frames[0, 5, 40].tolist() == [0, 0, 0]
    assert "transparent_on_black" in clip.flags


def test_sixteen_grey_bits_keep_their_upper_eight(tmp_path):
    clip = read_video(write_video(tmp_path / "deep.mkv", numbered(4), codec="ffv1", pixels="gray16le"))
    assert clip.frames.shape[-1] == 1
    assert numbers_of(clip.frames) == [0, 1, 2, 3]
    assert "pixels:gray16le" in clip.flags


def test_high_dynamic_range_is_not_mapped_and_that_is_said(tmp_path):
    path = tmp_path / "hdr.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p10le"
        stream.codec_context.color_trc, stream.codec_context.colorspace = 16, 9
        for pixels in numbered(3):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p10le")
            frame.color_trc, frame.colorspace = 16, 9
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert "not_tone_mapped:pq" in read_video(path).flags


def test_of_several_views_the_largest_counts_and_that_is_said(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as file:
        small, large = file.add_stream("mpeg4", rate=25), file.add_stream("mpeg4", rate=25)
        for stream, (width, height) in ((small, (48, 32)), (large, (96, 64))):
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for pixels in numbered(5):
            file.mux(small.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            file.mux(large.encode(av.VideoFrame.from_ndarray(pixels.repeat(2, 0).repeat(2, 1), format="rgb24")))
        file.mux(small.encode(None))
        file.mux(large.encode(None))
    clip = read_video(path)
    assert clip.frames.shape[1:3] == (64, 96)
    assert "video_streams:2" in clip.flags


def test_frames_over_the_limit_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("medmae.data.video.video.LIMIT_PIXELS", 1000)
    with pytest.raises(DataError, match="larger than the limit"):
        read_video(write_video(tmp_path / "a.mp4", numbered(3)))


def test_what_ffmpeg_says_in_its_log_alone_is_damage(tmp_path):
    path = write_video(tmp_path / "a.mkv", textured(30), codec="libx264")
    part = read_video(cut(path, 0.6))
    assert "File ended prematurely" in part.damage
    assert av.logging.get_level() is None  # as it was
