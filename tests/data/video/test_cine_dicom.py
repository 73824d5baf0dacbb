"""Multi-frame DICOM: colours by the file, times as stated, frames as there are."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    SegmentationStorage,
)

from medmae.data.video.read import read_video
from medmae.errors import DataError
from tests.videos import dicom_video, numbered, numbers_of, write_video


def save(data, path):
    data.save_as(path, enforce_file_format=True)
    return path


VECTOR = {"FrameTimeVector": [0.0, 10.0, 30.0, 20.0]}
COLOUR = np.array([200, 60, 20], np.uint8)


def coloured(count=3, size=(16, 24)):
    frames = np.empty((count, *size, 3), np.uint8)
    frames[:] = COLOUR
    frames[:, :, : size[1] // 2] = 128
    return frames


def jpeg(frame, **options):
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


# ------------------------------------------------------------------------------------------------------------- pixels
def test_grey_frames_are_read_as_they_are(tmp_path):
    clip = read_video(save(dicom_video(numbered(6)[..., 0], FrameTime=40.0), tmp_path / "a.dcm"))
    assert clip.frames.shape == (6, 32, 48, 1)
    assert numbers_of(clip.frames) == list(range(6))
    assert clip.times.fps == pytest.approx(25)
    assert clip.container == "DICOM"
    assert not clip.damage


def test_a_file_is_dicom_whatever_it_is_called(tmp_path):
    assert len(read_video(save(dicom_video(numbered(3)[..., 0]), tmp_path / "IM_0001")).frames) == 3


@pytest.mark.parametrize(
    "form",
    [
        "rgb",
        "planar",
        "ybr",
        "ybr_422",
        "rle",
        "jpeg_ybr",
        "jpeg_422",
        "jpeg_rgb",
        "j2k",
        "palette",
        "palette_of_bytes",
        "rgb_16",
    ],
)
def test_colours_are_those_of_the_photometric_interpretation(form, tmp_path):
    frames = coloured()
    ybr = np.stack([np.asarray(Image.fromarray(frame).convert("YCbCr")) for frame in frames])
    if form == "rgb":
        data = dicom_video(frames)
    elif form == "planar":
        data = dicom_video(frames, pixels=frames.transpose(0, 3, 1, 2).tobytes(), PlanarConfiguration=1)
    elif form == "ybr":
        data = dicom_video(frames, photometric="YBR_FULL", pixels=ybr.tobytes())
    elif form == "ybr_422":
        pairs = np.stack([ybr[..., ::2, 0], ybr[..., 1::2, 0], ybr[..., ::2, 1], ybr[..., ::2, 2]], axis=-1)
        data = dicom_video(frames, photometric="YBR_FULL_422", pixels=pairs.tobytes())
    elif form == "rle":
        data = dicom_video(frames)
        data.compress(RLELossless)
    elif form == "rgb_16":
        data = dicom_video(frames.astype("<u2"), BitsStored=8, HighBit=7)
    elif form.startswith("palette"):
        index = np.zeros((3, 16, 24), np.uint8)
        index[:, :, 12:] = 1
        data = dicom_video(index, photometric="PALETTE COLOR")
        for number, name in enumerate(("Red", "Green", "Blue")):
            setattr(data, f"{name}PaletteColorLookupTableDescriptor", [2, 0, 16])
            shift = 0 if form == "palette_of_bytes" else 8
            table = np.array([128 << shift, int(COLOUR[number]) << shift], "<u2").tobytes()
            setattr(data, f"{name}PaletteColorLookupTableData", table)
    elif form == "j2k":
        codes = []
        for frame in frames:
            stream = io.BytesIO()
            Image.fromarray(frame).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
            codes.append(stream.getvalue())
        data = dicom_video(frames, photometric="RGB", syntax=JPEG2000Lossless, pixels=encapsulate(codes))
    else:
        keep = {"keep_rgb": True} if form == "jpeg_rgb" else {"subsampling": 1 if form == "jpeg_422" else 0}
        photometric = {"jpeg_rgb": "RGB", "jpeg_422": "YBR_FULL_422"}.get(form, "YBR_FULL")
        data = dicom_video(
            frames,
            photometric=photometric,
            syntax=JPEGBaseline8Bit,
            pixels=encapsulate([jpeg(frame, **keep) for frame in frames]),
        )
    clip = read_video(save(data, tmp_path / "a.dcm"))
    assert clip.frames.shape == (3, 16, 24, 3)
    np.testing.assert_allclose(clip.frames[1, 8, 20], COLOUR, atol=4)
    np.testing.assert_allclose(clip.frames[1, 8, 2], 128, atol=4)


def test_jpeg_lossless_goes_through_gdcm(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 24), dtype=np.uint8)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(tmp_path / "a.dcm"))
    writer.SetUseCompression(True)
    writer.SetCompressor("JPEG")
    writer.Execute(sitk.GetImageFromArray(frames))
    assert "Lossless" in pydicom.dcmread(tmp_path / "a.dcm").file_meta.TransferSyntaxUID.name
    np.testing.assert_array_equal(read_video(tmp_path / "a.dcm").frames[..., 0], frames)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_what_gdcm_decodes_is_turned_over_and_rescaled_once(photometric, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    frames = np.stack([np.full((16, 24), value, np.uint16) for value in (0, 1000, 4000)])
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(tmp_path / "a.dcm"))
    writer.SetUseCompression(True)
    writer.SetCompressor("JPEG")
    writer.Execute(sitk.GetImageFromArray(frames))
    data = pydicom.dcmread(tmp_path / "a.dcm")
    data.PhotometricInterpretation, data.RescaleSlope, data.RescaleIntercept = photometric, 2, -1000
    data.WindowCenter, data.WindowWidth = 3000, 8000  # of rescaled values: all that there are
    data.save_as(tmp_path / "a.dcm")
    levels = read_video(tmp_path / "a.dcm").frames[:, 0, 0, 0].tolist()
    assert levels == ([255, 191, 0] if photometric == "MONOCHROME1" else [0, 64, 255])


def test_monochrome1_is_turned_over(tmp_path):
    frames = np.stack([np.full((8, 8), value, np.uint8) for value in (0, 100, 255)])
    clip = read_video(save(dicom_video(frames, photometric="MONOCHROME1"), tmp_path / "a.dcm"))
    assert clip.frames[:, 0, 0, 0].tolist() == [255, 155, 0]


def test_twelve_bits_are_cut_to_the_window_of_the_file_or_else_scaled_by_the_span(tmp_path):
    frames = np.stack([np.full((8, 8), value, np.uint16) for value in (0, 1000, 2000, 4000)])
    plain = dicom_video(frames, BitsStored=12, HighBit=11)
    clip = read_video(save(plain, tmp_path / "a.dcm"))
    assert clip.frames[:, 0, 0, 0].tolist() == [0, 64, 128, 255]
    assert "scaled:0..4000" in clip.flags
    window = {"WindowCenter": [500, 40], "WindowWidth": [1000, 400], "RescaleSlope": 1, "RescaleIntercept": -1000}
    windowed = dicom_video(frames, BitsStored=12, HighBit=11, **window)
    clip = read_video(save(windowed, tmp_path / "b.dcm"))
    assert clip.frames[:, 0, 0, 0].tolist() == [0, 0, 255, 255]
    assert "window:500,1000" in clip.flags


# -------------------------------------------------------------------------------------------------------------- times
@pytest.mark.parametrize(
    ("elements", "seconds", "flag"),
    [
        ({"FrameTime": 50.0}, [0, 0.05, 0.1, 0.15], None),
        (VECTOR, [0, 0.01, 0.04, 0.06], "variable_rate"),
        ({**VECTOR, "FrameTime": 50.0, "FrameIncrementPointer": 0x00181063}, [0, 0.05, 0.1, 0.15], None),
        ({**VECTOR, "FrameTime": 50.0, "FrameIncrementPointer": 0x00181065}, [0, 0.01, 0.04, 0.06], None),
        ({"FrameTimeVector": [0.0, 10.0], "FrameTime": 50.0}, [0, 0.05, 0.1, 0.15], "frame_time_vector_length:2"),
        ({"CineRate": 20}, [0, 0.05, 0.1, 0.15], "times_from_cine_rate"),
        ({"FrameTime": 0.0}, None, "no_rate"),
        ({"RecommendedDisplayFrameRate": 30}, None, "no_rate"),
        ({}, None, "no_rate"),
    ],
)  # fmt: skip
def test_times_are_those_that_the_file_states_and_none_are_made_up(elements, seconds, flag, tmp_path):
    clip = read_video(save(dicom_video(numbered(4)[..., 0], **elements), tmp_path / "a.dcm"))
    if seconds is None:
        assert clip.times.seconds is None
    else:
        np.testing.assert_allclose(clip.times.seconds, seconds, atol=1e-9)
    assert flag is None or flag in clip.flags


# ------------------------------------------------------------------------------------------------------ what is wrong
@pytest.mark.parametrize("stated", [2, 9])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_frames_that_are_there_count_and_not_the_header(stated, compressed, tmp_path):
    frames = numbered(5)[..., 0]
    if compressed:
        pixels = encapsulate([jpeg(frame) for frame in frames], has_bot=False)
        data = dicom_video(frames, syntax=JPEGBaseline8Bit, pixels=pixels, count=stated)
    else:
        data = dicom_video(frames, count=stated)
    clip = read_video(save(data, tmp_path / "a.dcm"))
    assert numbers_of(clip.frames) == [0, 1, 2, 3, 4]
    assert f"header_frames:{stated}" in clip.flags


def test_a_damaged_frame_ends_the_clip_there(tmp_path):
    codes = [jpeg(frame) for frame in numbered(5)[..., 0]]
    codes[3] = codes[3][:40]
    data = dicom_video(numbered(5)[..., 0], syntax=JPEGBaseline8Bit, pixels=encapsulate(codes))
    clip = read_video(save(data, tmp_path / "a.dcm"))
    assert numbers_of(clip.frames) == [0, 1, 2]
    assert "damaged after 3 frames" in clip.damage


def test_files_without_pixels_are_refused(tmp_path):
    data = dicom_video(numbered(2)[..., 0])
    del data.PixelData
    with pytest.raises(DataError, match="no DICOM image: it lacks PixelData"):
        read_video(save(data, tmp_path / "a.dcm"))
    (tmp_path / "b.dcm").write_bytes(b"nothing of the kind" * 20)
    with pytest.raises(DataError, match="DICOM"):
        read_video(tmp_path / "b.dcm")
    whole = save(dicom_video(numbered(4)[..., 0]), tmp_path / "c.dcm").read_bytes()
    (tmp_path / "c.dcm").write_bytes(whole[: len(whole) // 2])
    try:
        clip = read_video(tmp_path / "c.dcm")
    except DataError:
        pass
    else:
        assert len(clip.frames) < 4


def test_regions_names_and_overlays_are_flagged_and_no_patient_is_told(tmp_path):
    region = pydicom.Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 2, 3
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 40, 30
    data = dicom_video(numbered(3)[..., 0], BurnedInAnnotation="YES", SequenceOfUltrasoundRegions=[region, region])
    data.PixelAspectRatio = [2, 1]
    data.add_new(0x60003000, "OW", bytes(192))
    clip = read_video(save(data, tmp_path / "a.dcm"))
    assert {"regions:2", "burned_in_annotation", "overlay_planes", "pixel_aspect:1/2"} <= set(clip.flags)
    assert clip.frames.shape[1:3] == (32, 24)
    assert "Doe" not in repr(clip)
    assert "123" not in repr(clip.flags)


@pytest.mark.parametrize("photometric", ["YBR_PARTIAL_422", "CMYK", "HSV"])
def test_colours_of_no_known_interpretation_are_refused(photometric, tmp_path):
    with pytest.raises(DataError, match=f"no one meaning as colours.*{photometric}"):
        read_video(save(dicom_video(coloured(), photometric=photometric), tmp_path / "a.dcm"))


def test_segmentations_and_volumes_are_no_videos(tmp_path):
    frames = numbered(3)[..., 0]
    segments = dicom_video(frames, SOPClassUID=SegmentationStorage)
    segments.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    with pytest.raises(DataError, match="it is a segmentation"):
        read_video(save(segments, tmp_path / "seg.dcm"))
    for still in (False, True):
        data = dicom_video(frames, FrameTime=40.0)
        data.PerFrameFunctionalGroupsSequence = [placed(0.0 if still else 5.0 * number) for number in range(3)]
        path = save(data, tmp_path / "a.dcm")
        if still:  # one slice through time
            assert numbers_of(read_video(path).frames) == [0, 1, 2]
        else:
            with pytest.raises(DataError, match=r"it is a volume.*ImagePositionPatient"):
                read_video(path)
    dose = dicom_video(frames, FrameIncrementPointer=0x3004000C, GridFrameOffsetVector=[0.0, 5.0, 10.0])
    with pytest.raises(DataError, match=r"it is a volume.*GridFrameOffsetVector"):
        read_video(save(dose, tmp_path / "dose.dcm"))


def placed(z):
    """What an enhanced DICOM says of one frame: where it lies."""
    place, frame = pydicom.Dataset(), pydicom.Dataset()
    place.ImagePositionPatient = [0.0, 0.0, z]
    frame.PlanePositionSequence = [place]
    return frame


def test_lookup_tables_that_are_not_applied_are_flagged(tmp_path):
    table = pydicom.Dataset()
    table.LUTDescriptor = [256, 0, 8]
    table.add_new("LUTData", "OW", bytes(range(255, -1, -1)))
    clip = read_video(save(dicom_video(numbered(3)[..., 0], VOILUTSequence=[table]), tmp_path / "a.dcm"))
    assert "lookup_table_not_applied" in clip.flags


def test_a_video_stream_within_dicom_is_decoded(tmp_path):
    stream = write_video(tmp_path / "a.mp4", numbered(6), codec="libx264").read_bytes()
    stream += bytes(len(stream) % 2)
    data = dicom_video(numbered(6), syntax=MPEG4HP41, pixels=encapsulate([stream]), photometric="YBR_PARTIAL_420")
    data.FrameTime = 20.0
    clip = read_video(save(data, tmp_path / "a.dcm"))
    assert numbers_of(clip.frames) == list(range(6))
    assert clip.times.fps == pytest.approx(50)
    assert clip.codec == "h264"
