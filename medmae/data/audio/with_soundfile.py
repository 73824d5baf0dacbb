"""WAV, FLAC, Ogg, AIFF, AU, CAF and W64 through soundfile (libsndfile): exact, whatever the bits of a sample."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

from medmae.data.audio.sound import CHANNELS, RATES, Decoded
from medmae.errors import DataError
from medmae.reading import LIMIT_GB, check_budget, reading, words_of

_BLOCK = 2**16  # values that are read at once: of a damaged file so many are lost at most
_PROMISED = re.compile(r"^ *(data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_STREAMED = (0, 2**31 - 1, 2**31, 2**32 - 1)  # sizes that programs write which do not know the end yet
_TAIL = 2**16  # an Ogg page is no longer
_LAST_PAGE = 4


def decode(path: Path, *, limit_gb: float = LIMIT_GB) -> Decoded:
    """Reads all of a file, or what precedes its damage.

    Raises:
        DataError: If it cannot be opened, or takes more memory than the limit.
    """
    soundfile = load_soundfile()
    with reading(path, what="the sound"), soundfile.SoundFile(str(path)) as file:
        decoded = Decoded(rate=int(file.samplerate), container=str(file.format), codec=str(file.subtype))
        check_form(path, rate=file.samplerate, channels=file.channels)
        _blocks(soundfile, file, decoded, path, limit_gb)
        said = str(file.extra_info)
    if decoded.damage is None:
        decoded.damage = _early_end(said, decoded) or _ogg_end(path, decoded.container)
    return decoded


def _blocks(soundfile: ModuleType, file: Any, decoded: Decoded, path: Path, limit_gb: float) -> None:  # noqa: ANN401
    size = max(1, _BLOCK // file.channels)
    while True:
        try:
            block = file.read(size, dtype="float32", always_2d=True).T  # (C, n)
        except soundfile.SoundFileError as error:
            if not decoded.blocks:
                raise
            decoded.damage = f"damaged after {decoded.count} samples: {words_of(error)}"
            return
        if not block.shape[1]:
            return
        decoded.times.append(decoded.count / decoded.rate)
        decoded.blocks.append(block)
        check_length(decoded, path, limit_gb)


def _early_end(said: str, decoded: Decoded) -> str | None:
    """What the header promises beyond the end of the file."""
    found = _PROMISED.search(said)
    if found is None:
        return None
    promised, there = int(found[2]), int(found[3])
    if promised in _STREAMED or promised <= there:
        decoded.flags.append("header_without_length")
        return None
    return f"the file ends before its sound does: its header promises {promised} bytes, {there} are there"


def _ogg_end(path: Path, container: str) -> str | None:
    """Ogg marks its last page; libsndfile does not ask for it."""
    if container != "OGG":
        return None
    with reading(path), path.open("rb") as file:
        file.seek(-min(_TAIL, path.stat().st_size), 2)
        tail = file.read()
    last = tail.rfind(b"OggS")
    ends = last >= 0 and len(tail) > last + 5 and bool(tail[last + 5] & _LAST_PAGE)
    return None if ends else "the file ends before its sound does: its last page is not marked as the last"


def check_form(path: Path, *, rate: float, channels: int) -> None:
    """Refuses what no device records.

    Raises:
        DataError: With rate and channels.
    """
    if not RATES[0] <= rate <= RATES[1] or not 1 <= channels <= CHANNELS:
        raise DataError(
            f"no device records so; read are {RATES[0]} to {RATES[1]} Hz, 1 to {CHANNELS} channels",
            path=path,
            field="rate, channels",
            value=(rate, channels),
            remedy="its header is damaged: copy or export it again",
        )


def check_length(decoded: Decoded, path: Path, limit_gb: float) -> None:
    """Refuses a sound that takes more memory than the limit, while it is read.

    Raises:
        DataError: With how long it is so far.
    """
    held = 3 * 4 * decoded.count * decoded.blocks[0].shape[0]  # in parts, as a whole, and as what is made of it
    check_budget(
        held,
        path=path,
        field="samples, channels",
        value=(decoded.count, decoded.blocks[0].shape[0]),
        limit_gb=limit_gb,
        remedy="raise --limit-gb, or cut it into parts",
    )


def load_soundfile() -> ModuleType:
    """Soundfile, on first use.

    Raises:
        ModuleNotFoundError: With how to install it.
    """
    try:
        import soundfile
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "sound files need the package soundfile: pip install 'soundfile>=0.13'", name="soundfile"
        ) from error
    return soundfile
