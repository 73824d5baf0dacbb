"""The reader of sound: one function for wav, flac, ogg, mp3, m4a and the sound track of a video."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from medmae.data.audio import with_av, with_soundfile
from medmae.data.audio.clock import Clock, clock_of
from medmae.data.audio.sound import Decoded, NoSoundError, Sound
from medmae.data.first_bytes import head_of, refuse_other
from medmae.errors import DataError
from medmae.reading import LIMIT_GB

SUFFIXES = (
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64"),
    *(".mp3", ".m4a", ".aac", ".mka", ".wma", ".amr", ".ac3"),
)
_EXACT = (b"RIFX", b"RF64", b"fLaC", b"OggS", b".snd", b"caff", b"riff\x2e\x91\xcf\x11", b"NIST_1A")
_MOST_MISSING = 0.01  # share of samples that are no numbers


def read_sound(path: str | Path, *, limit_gb: float = LIMIT_GB) -> Sound:
    """Decodes the sound of a file of any kind: all channels, at its own rate, on its own clock.

    The first bytes say which decoder, not the name. Nothing is mixed or resampled here: see
    :func:`medmae.data.audio.mix.mixed` and :func:`medmae.data.audio.resample.resampled`.

    Args:
        path: The file.
        limit_gb: Most memory that it may take, in 10^9 bytes.

    Raises:
        NoSoundError: If there is no sound track, or not one sample.
        DataError: With path, field and remedy, whatever else is wrong with it.
    """
    path = Path(path)
    head = head_of(path)
    refuse_other(head, path, what="sound")
    decoded = _decoder(head)(path, limit_gb=limit_gb)
    if not decoded.count:
        raise NoSoundError(
            "it holds no sample of sound",
            path=path,
            field="samples",
            value=0,
            remedy="leave it out, or record it again",
        )
    return _settled(decoded, path)


def _decoder(head: bytes) -> Callable[..., Decoded]:
    exact = head.startswith(_EXACT) or (head[:4] == b"RIFF" and head[8:12] == b"WAVE") or _is_aiff(head)
    return _either if exact else with_av.decode


def _is_aiff(head: bytes) -> bool:
    return head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")


def _either(path: Path, *, limit_gb: float) -> Decoded:
    """By libsndfile; what it does not know (Theora in Ogg, odd codecs in WAV) by FFmpeg."""
    try:
        return with_soundfile.decode(path, limit_gb=limit_gb)
    except DataError as first:
        try:
            return with_av.decode(path, limit_gb=limit_gb)
        except DataError:
            raise first from None  # it was the right decoder for these bytes, and says best what is wrong


def _settled(decoded: Decoded, path: Path) -> Sound:
    clock = clock_of(decoded.times, [block.shape[1] for block in decoded.blocks], decoded.rate)
    damage, blocks = decoded.damage, decoded.blocks
    if clock.ends is not None:
        damage = damage or f"its time stamps jump by more than 600 s after block {clock.ends}"
        blocks = blocks[: clock.ends]
    samples = np.concatenate(blocks, axis=1)  # (C, T)
    digest = hashlib.sha256(repr((decoded.rate, samples.shape)).encode())
    digest.update(np.ascontiguousarray(samples).data)
    samples, flags = _finite(samples, path)
    peak = float(np.abs(samples).max())
    if peak > 1:
        samples, flags = samples / np.float32(peak), [*flags, f"scaled_from:{peak:.4g}"]
    samples, missing = _with_gaps(samples, [block.shape[1] for block in blocks], clock)
    return Sound(
        samples=samples,
        rate=clock.rate,
        stated_rate=decoded.rate,
        start=clock.start,
        missing=missing,
        flags=(*decoded.flags, *clock.flags, *flags),
        damage=damage,
        container=decoded.container,
        codec=decoded.codec,
        content_sha256=digest.hexdigest(),
    )


def _finite(samples: np.ndarray, path: Path) -> tuple[np.ndarray, list[str]]:
    """Few samples that are no numbers get those between their neighbours, which is told; many are refused."""
    bad = ~np.isfinite(samples)
    count = int(bad.sum())
    if not count:
        return samples, []
    if count > _MOST_MISSING * samples.size:
        raise DataError(
            "samples are not numbers (NaN or infinite)",
            path=path,
            field="samples",
            value=f"{count} of {samples.size}",
            remedy="export it again; up to 1 % would be filled from their neighbours",
        )
    filled = samples.copy()
    places = np.arange(samples.shape[1])
    for channel, wrong in zip(filled, bad, strict=True):
        if wrong.any() and not wrong.all():
            channel[wrong] = np.interp(places[wrong], places[~wrong], channel[~wrong])
    return np.where(np.isfinite(filled), filled, 0.0).astype(np.float32), [f"not_finite:{count}"]


def _with_gaps(samples: np.ndarray, counts: list[int], clock: Clock) -> tuple[np.ndarray, tuple[tuple[int, int], ...]]:
    """Zeros where time stamps leave a gap, so that what follows stands where it sounds; and where these zeros are."""
    if not clock.gaps:
        return samples, ()
    ends = np.cumsum([0, *counts])
    parts, missing, last, shift = [], [], 0, 0
    for block, length in clock.gaps:
        place = int(ends[block])
        parts += [samples[:, last:place], np.zeros((len(samples), length), dtype=np.float32)]
        missing.append((place + shift, length))
        last, shift = place, shift + length
    return np.concatenate([*parts, samples[:, last:]], axis=1), tuple(missing)
