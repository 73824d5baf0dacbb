"""Collections of sounds whose file names say what they are: ESC, RAVDESS, spoken digits, speech commands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.said import nfc
from data_prep.video_source import FoundVideos, Segment, VideoSource, video_at
from medmae.data.left_out import LeftOut
from medmae.reading import read_text

ESC = re.compile(r"(?P<fold>\d)-(?P<source>\d+)-(?P<take>[A-Z])(?:-(?P<target>\d+))?")
RAVDESS = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")
DIGITS = re.compile(r"(?P<digit>\d)_(?P<speaker>[A-Za-z]+)_(?P<number>\d+)")
COMMANDS = re.compile(r"(?P<speaker>[0-9a-f]{8})_nohash_(?P<number>\d+)")
LISTS = {"validation_list.txt": "val", "testing_list.txt": "test"}
_NUMBERED = re.compile(r"\d+\s*[-_ ]\s*")
_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
_NOISE = "_background_noise_"


def named_by(pattern: re.Pattern[str], paths: Sequence[Path]) -> bool:
    """Whether the names of all files are of this form."""
    return bool(paths) and all(pattern.fullmatch(path.stem) for path in paths)


def esc(paths: Sequence[Path], source: Path, left: Sequence[LeftOut]) -> FoundVideos:
    """ESC-10 and ESC-50 without their table: the fold, the recording that clips were cut from, the class by its folder.

    Clips of one recording are of one subject, so that no split cuts it in two.
    """
    sounds = []
    for path in paths:
        found = ESC.fullmatch(path.stem)
        assert found is not None, "all were looked at"
        folder = _NUMBERED.sub("", path.parent.name, count=1).replace("_", " ")
        label = folder if path.parent != source and folder != "audio" else found["target"]
        sounds.append(_sound(path, source, found["source"], label, about={"fold": int(found["fold"])}))
    return FoundVideos(tuple(sounds), tuple(left))


def ravdess(paths: Sequence[Path], source: Path, left: Sequence[LeftOut]) -> FoundVideos:
    """RAVDESS: emotion as the class, actor as the subject; what else the fields say is kept under ``recorded``."""
    sounds = []
    for path in paths:
        found = RAVDESS.fullmatch(path.stem)
        assert found is not None, "all were looked at"
        modality, channel, emotion, intensity, statement, repetition, actor = map(int, found.groups())
        told = {
            "modality": ("audio and video", "video", "audio")[modality - 1],
            "channel": ("speech", "song")[channel - 1],
            "intensity": ("normal", "strong")[intensity - 1],
            "statement": statement,
            "repetition": repetition,
        }
        about = {"recorded": told}
        sounds.append(_sound(path, source, f"actor_{actor:02d}", _EMOTIONS[emotion - 1], about=about))
    return FoundVideos(
        tuple(sounds), tuple(left), notes=("labels of RAVDESS are acted emotions, as raters perceive them",)
    )


def digits(paths: Sequence[Path], source: Path, left: Sequence[LeftOut]) -> FoundVideos:
    """Spoken digits (FSDD): the digit as the class, the speaker as the subject."""
    sounds = []
    for path in paths:
        found = DIGITS.fullmatch(path.stem)
        assert found is not None, "all were looked at"
        sounds.append(_sound(path, source, found["speaker"], found["digit"]))
    return FoundVideos(tuple(sounds), tuple(left), notes=("split by speaker, not by the numbers of takes",))


def commands(paths: Sequence[Path], source: Path, left: Sequence[LeftOut]) -> FoundVideos:
    """Speech commands: words by folder, speakers by name, splits by the lists that come with them."""
    split = {nfc(line.strip()): name for file, name in LISTS.items() for line in read_text(source / file).splitlines()}
    sounds, other = [], list(left)
    for path in paths:
        found, name = COMMANDS.fullmatch(path.stem), path.relative_to(source).as_posix()
        if path.parent.name == _NOISE:
            other.append(LeftOut(path, "background noise, and no word"))
        elif found is None:
            other.append(LeftOut(path, "its name tells no speaker as those of speech commands do"))
        else:
            own = split.get(nfc(name), "train")
            sounds.append(_sound(path, source, found["speaker"], path.parent.name, split=own))
    return FoundVideos(tuple(sounds), tuple(other))


def _sound(
    path: Path,
    source: Path,
    subject: str,
    label: str | None,
    *,
    split: str | None = None,
    about: Mapping[str, object] | None = None,
) -> VideoSource:
    name = path.relative_to(source).as_posix() if path.is_relative_to(source) else path.name
    segments = (Segment(label=None if label is None else nfc(label)),)
    return video_at(
        path,
        name,
        subject=nfc(subject),
        known=True,
        split=split,
        segments=segments,
        about=tuple((about or {}).items()),
        what="sound",
    )
