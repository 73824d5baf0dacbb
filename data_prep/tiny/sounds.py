"""Simulated heart sounds, with and without a murmur, in class folders: a phonocardiogram whose truth is known.

Each beat has a first and a second sound (damped tones, about 45 and 65 Hz). A murmur is noise of 100 to 350 Hz between
them. Patients differ in rate, in the pitch of both sounds, in how loud breath and the recorder's noise are; nothing but
the murmur goes with the class. This is no heart, and nothing measured on it says anything of patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE = 4000  # samples a second, as digital stethoscopes have it
_PATIENTS, _EACH = 6, 2  # recordings a class and patient
_SYSTOLE = 0.32  # share of a beat between the two sounds


@dataclass(frozen=True, kw_only=True)
class Heart:
    """One patient, as far as it is heard.

    Attributes:
        rate: Beats a minute.
        pitch: Of the first and second sound, in Hz.
        murmur: How loud, over the first sound; 0 for none.
        breath: How loud, likewise.
        noise: Of the recorder, likewise.
    """

    rate: float = 70.0
    pitch: tuple[float, float] = (45.0, 65.0)
    murmur: float = 0.0
    breath: float = 0.05
    noise: float = 0.01

    @classmethod
    def of(cls, seed: int, *, murmur: bool) -> Heart:
        """A patient by number."""
        rng = np.random.default_rng((seed, 7))
        return cls(
            rate=rng.uniform(55, 95),
            pitch=(rng.uniform(38, 52), rng.uniform(56, 74)),
            murmur=rng.uniform(0.25, 0.5) if murmur else 0.0,
            breath=rng.uniform(0.02, 0.08),
            noise=rng.uniform(0.005, 0.02),
        )

    def beats(self, seconds: float, *, seed: int) -> np.ndarray:
        """When each beat begins, in seconds; a little irregular."""
        rng, period = np.random.default_rng((seed, 1)), 60 / self.rate
        steps = period * (1 + 0.03 * rng.standard_normal(int(seconds / period) + 2))
        starts = rng.uniform(0, period) + np.concatenate([[0.0], np.cumsum(steps)])
        return starts[starts < seconds]


def heart_sound(heart: Heart, *, seconds: float = 4.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """What a stethoscope would record, float32 ``(T,)`` within [-0.9, 0.9]."""
    rng = np.random.default_rng((seed, 2))
    time = np.arange(round(seconds * rate)) / rate
    period = 60 / heart.rate
    sound = heart.noise * rng.standard_normal(len(time))
    sound += heart.breath * _band(rng, len(time), rate, 150, 600) * (1 + np.sin(2 * np.pi * 0.25 * time)) / 2
    hiss = _band(rng, len(time), rate, 100, 350)
    for beat in heart.beats(seconds, seed=seed):
        second = beat + _SYSTOLE * period
        sound += _tone(time - beat, heart.pitch[0], 0.05)
        sound += 0.7 * _tone(time - second, heart.pitch[1], 0.04)
        if heart.murmur:
            within = np.clip((time - beat - 0.05) / (second - beat - 0.05), 0, 1)
            sound += heart.murmur * hiss * np.sin(np.pi * within) ** 2
    return (0.9 * sound / np.abs(sound).max()).astype(np.float32)


def _tone(time: np.ndarray, hertz: float, width: float) -> np.ndarray:
    """A damped tone that begins at 0."""
    return np.where(time >= 0, np.sin(2 * np.pi * hertz * time) * np.exp(-time / width), 0.0) * (time < 10 * width)


def _band(rng: np.random.Generator, count: int, rate: int, low: float, high: float) -> np.ndarray:
    """Noise of these frequencies, of deviation 1 at the rate of :data:`RATE` and above."""
    values = np.fft.rfft(rng.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / rate)
    found = np.fft.irfft(np.where((hertz >= low) & (hertz <= high), values, 0), count)
    return np.asarray(found / found.std())


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files; see :func:`data_prep.tiny.make`."""
    import soundfile

    from data_prep.audio import prepare

    for label, murmur in (("murmur", True), ("normal", False)):
        for patient in range(_PATIENTS):
            for number in range(_EACH):
                seed = 100 * patient + 10 * murmur + number
                name = f"p{patient + _PATIENTS * murmur}_{number}.wav"
                path = folder / "raw" / label / name
                path.parent.mkdir(parents=True, exist_ok=True)
                sound = heart_sound(Heart.of(patient, murmur=murmur), seed=seed)
                soundfile.write(str(path), sound, RATE)
    prepare(source=folder / "raw", out=folder / "prepared", subject_from=r"^(p\d+)_", rate=RATE, workers=0)
    return folder / "prepared", folder / "raw"
