"""Reading sounds: exact values, and twelve odd files of which each is read as it sounds, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("soundfile", reason="sounds are read by soundfile")
pytest.importorskip("av", reason="sound tracks are read by PyAV")

from medmae.data.audio.clock import clock_of
from medmae.data.audio.levels import levels_of
from medmae.data.audio.mix import mixed
from medmae.data.audio.read import read_sound
from medmae.data.audio.resample import resampled
from medmae.data.audio.sound import NoSoundError
from medmae.data.audio.with_av import floats_of
from medmae.errors import DataError
from tests.sounds import in_blocks, noise, sine, write_sound, write_track
from tests.videos import cut, numbered, write_video


def steps(count, step=0.05):
    return [number * step for number in range(count)]


# ------------------------------------------------------------------------------------------------------- as they are
@pytest.mark.parametrize(("suffix", "exact"), [("wav", 2e-5), ("flac", 2e-5), ("ogg", 0.05), ("mp3", 0.05)])
def test_a_sine_comes_back_as_it_was_written(tmp_path, suffix, exact):
    wanted = sine(seconds=1.0)
    sound = read_sound(write_sound(tmp_path / f"a.{suffix}", wanted))
    assert (sound.rate, sound.channels, sound.damage) == (16_000, 1, None)
    assert abs(sound.seconds - 1) < 0.06
    assert sound.samples.dtype == np.float32
    middle = sound.samples[0, 4000:12_000]
    assert np.abs(middle).max() == pytest.approx(0.3, abs=exact)
    found = np.fft.rfft(middle * np.hanning(len(middle)))
    assert np.abs(found).argmax() * 16_000 / len(middle) == pytest.approx(440, abs=2)


def test_the_sound_of_a_video_is_read_in_its_own_channels_and_on_its_own_clock(tmp_path):
    path = write_track(tmp_path / "v.mkv", in_blocks(sine()), times=steps(20), frames=numbered(20), first_frame=0.2)
    sound = read_sound(path)
    assert (sound.channels, sound.start) == (1, 0.0)
    assert np.allclose(sound.samples[0], sine(), atol=5e-5)
    late = write_track(tmp_path / "w.mkv", in_blocks(sine()), times=[0.3 + time for time in steps(20)])
    assert read_sound(late).start == pytest.approx(0.3, abs=1e-3)


def test_equal_samples_have_one_content_whatever_holds_them(tmp_path):
    exact = (sine() * 32_767).astype(np.int16)
    found = {read_sound(write_sound(tmp_path / f"a.{end}", exact)).content_sha256 for end in ("wav", "flac", "aiff")}
    assert len(found) == 1
    assert read_sound(write_sound(tmp_path / "b.wav", sine(441))).content_sha256 not in found


def test_the_first_bytes_say_what_a_file_is_not_its_name(tmp_path):
    write_sound(tmp_path / "a.flac", sine()).rename(tmp_path / "a.mp3")
    assert read_sound(tmp_path / "a.mp3").container == "FLAC"


# ----------------------------------------------------------------------------------------------------- twelve odd ones
def test_odd_1_samples_of_24_bits_keep_all_of_them(tmp_path):
    wanted = np.float32(1e-6) * np.arange(100, dtype=np.float32)
    found = read_sound(write_sound(tmp_path / "a.wav", wanted, subtype="PCM_24")).samples[0]
    assert np.abs(found - wanted).max() < 2**-23
    assert len(np.unique(found)) == 100


def test_odd_2_mu_law_of_8_khz_is_expanded_and_its_coarse_peak_is_no_clipping(tmp_path):
    sound = read_sound(write_sound(tmp_path / "a.wav", sine(rate=8000), rate=8000, subtype="ULAW"))
    assert (sound.rate, sound.codec) == (8000, "ULAW")
    assert np.abs(sound.samples[0] - sine(rate=8000)).max() < 0.01
    assert levels_of(sound.samples, rate=8000).flags == ()
    slow = read_sound(write_sound(tmp_path / "b.wav", sine(60, rate=8000), rate=8000, subtype="ULAW"))
    assert levels_of(slow.samples, rate=8000).flags == ()


def test_odd_3_six_channels_are_kept_and_their_mean_is_their_mean(tmp_path):
    levels = np.array([0.1, 0.2, 0.3, 0.4, 0.05, 0.15])
    sound = read_sound(write_sound(tmp_path / "a.wav", sine()[:, None] * levels, rate=48_000))
    assert sound.channels == 6
    mean, flags = mixed(sound.samples, mix="mean", path=tmp_path)
    assert np.allclose(mean[0], sine() * levels.mean(), atol=3e-5)
    assert flags == ("mixed:6",)


def test_odd_4_an_offset_is_told(tmp_path):
    sound = read_sound(write_sound(tmp_path / "a.wav", sine(level=0.1) + 0.2))
    assert levels_of(sound.samples, rate=16_000).flags == ("dc_offset:+0.200",)


def test_odd_5_clipping_is_told_with_its_share(tmp_path):
    sound = read_sound(write_sound(tmp_path / "a.wav", sine(443.7, level=2.0).clip(-0.9, 0.9)))
    (flag,) = levels_of(sound.samples, rate=16_000).flags
    assert flag.startswith("clipped:")
    assert float(flag.removeprefix("clipped:").removesuffix("%")) == pytest.approx(70, abs=3)


def test_odd_6_a_sound_that_begins_before_its_clock_says_so_and_keeps_its_samples(tmp_path):
    path = write_track(tmp_path / "a.mkv", in_blocks(noise()), times=[time - 0.5 for time in steps(20)])
    sound = read_sound(path)
    assert sound.start == -0.5
    assert "starts:-0.500" in sound.flags
    assert sound.samples.shape == (1, 16_000)


def test_odd_7_the_length_of_an_mp3_is_that_of_its_sound_and_not_that_of_its_header(tmp_path):
    path = write_sound(tmp_path / "a.mp3", noise(seconds=4))
    data = bytearray(path.read_bytes())
    mark = max(data.find(b"Xing"), data.find(b"Info"))
    assert mark > 0
    data[mark + 8 : mark + 12] = (1000).to_bytes(4, "big")  # frames: 1,000 in the place of some 110
    path.write_bytes(data)
    sound = read_sound(path)
    assert sound.seconds == pytest.approx(4.0, abs=0.1)
    assert any(flag.startswith("header_seconds:") for flag in sound.flags)


def test_odd_8_a_cover_picture_is_no_video_and_hides_no_sound(tmp_path):
    import av

    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as file:
        cover, sound = file.add_stream("mjpeg", rate=1), file.add_stream("aac", rate=16_000, layout="mono")
        cover.height, cover.width, cover.pix_fmt = 32, 48, "yuvj420p"
        file.mux(cover.encode(av.VideoFrame.from_ndarray(numbered(1)[0], format="rgb24")))
        for number, block in enumerate(in_blocks(sine(), 1024)):
            frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, number * 1024
            file.mux(sound.encode(frame))
        file.mux(cover.encode(None))
        file.mux(sound.encode(None))
    assert read_sound(tmp_path / "a.m4a").seconds == pytest.approx(1.0, abs=0.07)


@pytest.mark.parametrize("suffix", ["wav", "aiff"])
def test_odd_9_a_sound_of_no_seconds_is_refused(tmp_path, suffix):
    with pytest.raises(NoSoundError, match="no sample of sound"):
        read_sound(write_sound(tmp_path / f"a.{suffix}", sine()[:0]))


def test_odd_10_few_samples_that_are_no_numbers_are_filled_from_their_neighbours_and_many_are_refused(tmp_path):
    wanted = sine(100)
    few = wanted.copy()
    few[1000:1003], few[5000] = np.nan, np.inf
    sound = read_sound(write_sound(tmp_path / "few.wav", few, subtype="FLOAT"))
    assert "not_finite:4" in sound.flags
    assert np.abs(sound.samples[0] - wanted).max() < 0.01
    many = wanted.copy()
    many[:1000] = np.nan
    with pytest.raises(DataError, match="not numbers") as caught:
        read_sound(write_sound(tmp_path / "many.wav", many, subtype="FLOAT"))
    assert "1000 of 16000" in str(caught.value)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mkv"])
def test_odd_11_what_precedes_the_end_of_a_truncated_file_is_read_and_its_damage_told(tmp_path, suffix):
    whole = tmp_path / f"a.{suffix}"
    if suffix == "mkv":
        write_track(whole, in_blocks(noise(seconds=20)), times=steps(400), codec="flac")
    else:
        write_sound(whole, noise(seconds=20))
    sound = read_sound(cut(whole, 0.6))
    assert sound.damage is not None
    assert 4 < sound.seconds < 16
    assert read_sound(whole).damage is None


def test_odd_11_a_truncated_mp3_has_no_checksum_but_its_header_promised_more(tmp_path):
    sound = read_sound(cut(write_sound(tmp_path / "a.mp3", noise(seconds=4)), 0.5))
    assert sound.damage is not None or any(flag.startswith("header_seconds:") for flag in sound.flags)
    assert sound.seconds < 3


def test_odd_12_a_sound_that_drifts_against_its_clock_has_the_rate_that_its_clock_tells(tmp_path):
    path = write_track(tmp_path / "a.nut", in_blocks(noise(seconds=20)), times=[1.005 * time for time in steps(400)])
    sound = read_sound(path)
    assert sound.rate == pytest.approx(16_000 / 1.005, rel=1e-5)
    assert "drift:+5000ppm" in sound.flags
    assert resampled(sound.samples, rate=sound.rate, to=16_000).shape[1] == pytest.approx(20.1 * 16_000, abs=40)


def test_a_gap_in_the_time_stamps_holds_its_place_and_is_no_sound(tmp_path):
    times = [time + (0.7 if time >= 0.5 else 0) for time in steps(20)]
    sound = read_sound(write_track(tmp_path / "a.nut", in_blocks(noise()), times=times))
    assert sound.missing == ((8000, 11_200),)
    assert not sound.samples[0, 8000:19_200].any()
    assert np.abs(sound.samples[0, 19_200:] - noise()[8000:]).max() < 5e-5


def test_time_stamps_that_go_back_move_no_sound_and_are_told():
    clock = clock_of([0.0, 0.05, 0.0, 0.05], [800] * 4, 16_000)
    assert clock.flags == ("clock_jumps:1",)
    assert not clock.gaps


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ("u8", np.array([[0, 255, 128, 64]], np.uint8)),
        ("s16", np.array([[-32768, 32767, 0, -16384]], np.int16)),
        ("s32p", np.array([[-(2**31), 0], [2**31 - 1, -(2**30)]], np.int32)),
        ("flt", np.array([[-1, 1, 0, -0.5]], np.float32)),
        ("dblp", np.array([[-1.0, 0.0], [1.0, -0.5]])),
    ],
)
def test_every_form_of_samples_has_one_full_scale_and_its_own_channels(form, values):
    import av

    found = floats_of(av.AudioFrame.from_ndarray(values, format=form, layout="stereo"))
    assert found.dtype == np.float32
    assert np.allclose(found, [[-1, 0], [1, -0.5]], atol=0.01)


# ------------------------------------------------------------------------------------------------------------ refused
def test_a_video_without_a_sound_track_is_refused_by_a_name_of_its_own(tmp_path):
    with pytest.raises(NoSoundError, match="it has no sound"):
        read_sound(write_video(tmp_path / "a.mp4", numbered(5)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page, not a sound"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"RIFF\x24\0\0\0WAVEjunk" + bytes(40), "cannot be read"),
        (b"just words", "cannot open it as a sound"),
    ],
)
def test_what_is_no_sound_is_refused_with_what_it_is(tmp_path, content, said):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_sound(tmp_path / "a.wav")


def test_a_sound_larger_than_the_limit_is_refused_while_it_is_read(tmp_path):
    with pytest.raises(DataError, match="limit"):
        read_sound(write_sound(tmp_path / "a.wav", noise(seconds=10)), limit_gb=1e-3)


def test_floats_beyond_full_scale_are_brought_back_to_it_and_told(tmp_path):
    sound = read_sound(write_sound(tmp_path / "a.wav", sine(level=3.0), subtype="FLOAT"))
    assert np.abs(sound.samples).max() == pytest.approx(1.0)
    assert sound.flags == ("scaled_from:3",)


# ------------------------------------------------------------------------------------------------- mixing, resampling
def test_channels_that_cancel_each_other_are_not_mixed_to_silence(tmp_path):
    both = np.stack([sine(), -sine()])
    with pytest.raises(DataError, match="cancel each other"):
        mixed(both, mix="mean", path=tmp_path)
    first, flags = mixed(both, mix="first", path=tmp_path)
    assert np.array_equal(first[0], sine())
    assert flags == ("first_of:2",)


@pytest.mark.parametrize("count", [2, 8])
def test_channels_of_which_one_alone_is_heard_are_mixed(tmp_path, count):
    mean, _ = mixed(np.stack([sine(), *[0 * sine()] * (count - 1)]), mix="mean", path=tmp_path)
    assert np.allclose(mean[0], sine() / count)


@pytest.mark.parametrize(("rate", "to"), [(44_100, 16_000), (48_000, 16_000), (8000, 16_000), (22_050, 16_000)])
def test_a_resampled_sine_keeps_its_level_and_nothing_else_appears(rate, to):
    highest = min(rate, to) / 2
    for hertz in (997.0, 0.9 * highest):
        found = resampled(sine(hertz, rate=rate, level=1.0)[None], rate=rate, to=to)[0, to // 4 : 3 * to // 4]
        time = np.arange(to // 4, to // 4 + len(found)) / to
        basis = np.stack([np.sin(2 * np.pi * hertz * time), np.cos(2 * np.pi * hertz * time)], axis=1)
        fit, *_ = np.linalg.lstsq(basis, found, rcond=None)
        assert 20 * np.log10(np.hypot(*fit)) == pytest.approx(0, abs=0.05)
        assert 20 * np.log10(np.std(found - basis @ fit)) < -100
    if rate > to:
        folded = resampled(sine(1.1 * highest, rate=rate, level=1.0)[None], rate=rate, to=to)[0, 2000:-2000]
        assert 20 * np.log10(np.std(folded)) < -100


def test_silence_has_levels_and_no_logarithm_of_zero():
    levels = levels_of(np.zeros((1, 16_000), np.float32), rate=16_000)
    assert levels.decibels is None
    assert levels.silent == 1.0
