"""One recording under two names, whatever was done to it, is told; other recordings are not."""

import io

import numpy as np
import pytest
from rich.console import Console

from data_prep.tiny.sounds import Heart, heart_sound
from medmae.data.audio.alike import form_of, twins_among
from medmae.data.audio.resample import resampled

RATE = 16_000


def sound(seed, *, seconds=3.0):
    return heart_sound(Heart.of(seed, murmur=seed % 2 == 1), seconds=seconds, rate=RATE, seed=seed)[None].astype(
        np.float64
    )


def at_4000(samples, rate=RATE):
    return form_of(resampled(samples, rate=rate, to=4000), rate=4000)


@pytest.mark.parametrize(
    "change",
    [
        lambda samples: samples * 0.3,
        lambda samples: -samples,
        lambda samples: np.round(samples * 200) / 200,
        lambda samples: samples + 1e-3 * np.random.default_rng(1).normal(size=samples.shape),
        lambda samples: np.concatenate([samples, np.zeros((1, 40))], axis=1),
    ],
)
def test_a_copy_that_was_changed_is_the_same_recording(change):
    forms = {str(seed): at_4000(sound(seed)) for seed in range(12)} | {"copy": at_4000(change(sound(3)))}
    assert [set(pair) for pair in twins_among(forms)] == [{"3", "copy"}]


def test_a_copy_at_another_rate_is_the_same_recording_too():
    other = resampled(sound(3), rate=RATE, to=8000)
    forms = {str(seed): at_4000(sound(seed)) for seed in range(12)} | {"copy": at_4000(other, rate=8000)}
    assert [set(pair) for pair in twins_among(forms)] == [{"3", "copy"}]


def test_other_takes_noise_tones_and_silence_are_no_twins():
    rng = np.random.default_rng(0)
    noise = {f"noise{number}": at_4000(rng.normal(0, 0.1, (1, 4000))) for number in range(8)}
    takes = {
        f"take{number}": at_4000(heart_sound(Heart.of(1, murmur=True), seed=number, rate=RATE)[None])
        for number in range(8)
    }
    assert twins_among(takes) == []
    assert twins_among(noise) == []
    tone = np.sin(np.arange(RATE) / RATE * 2 * np.pi * 300)[None]
    assert twins_among({"a": at_4000(tone), "b": at_4000(tone * 0.5)}) == []  # one band is no recording
    assert twins_among({}) == []


def test_a_preparation_tells_them_and_what_is_too_short_to_hear(tmp_path):
    import soundfile

    from data_prep.audio import prepare

    (tmp_path / "raw").mkdir()
    for name, seed in (("anna", 1), ("otto", 2)):
        soundfile.write(str(tmp_path / "raw" / f"{name}.wav"), sound(seed)[0], RATE)
    soundfile.write(str(tmp_path / "raw" / "fritz.ogg"), sound(1)[0], RATE, format="OGG", subtype="VORBIS")
    soundfile.write(str(tmp_path / "raw" / "short.wav"), sound(3)[0, :64], RATE)
    console = Console(file=io.StringIO(), width=400)
    prepare(source=tmp_path / "raw", out=tmp_path / "out", rate=4000, workers=0, console=console)
    told = console.file.getvalue()
    assert "1 sounds of different subjects are one recording" in told
    assert "anna = fritz" in told or "fritz = anna" in told
    assert "1 of 4 sounds are shorter than 50 ms" in told
