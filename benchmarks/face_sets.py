"""Faces as ``face_occlusion.py`` takes them, 48 px: simulated ones, photographs of expressions, landmarks of the news.

No picture at hand has units that a person coded, so that three sets stand beside each other:

- ``simulated``: drawings whose units are known.
- ``expressions``: photographs, and what people called their expressions (six, each learnt as a unit is). People are
  known by the names of files; files that look alike under two names stay on one side.
- ``news``: landmarks of real faces and what a program says of their units, py-feat (a proxy: no person coded them).
  Their pictures are not there, so that faces are drawn on these landmarks; networks are those of ``simulated``, for who
  is in a clip is not told, and so nothing of a clip teaches.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_prep.face_align import aligned, to_template
from data_prep.face_drawing import Person, draw_face
from data_prep.face_units import STRONGEST
from data_prep.tiny.faces import ACTIVE, drawn_intensities

UNITS = ("AU1", "AU4", "AU6", "AU12", "AU15", "AU25")
EXPRESSIONS = ("anger", "disgust", "happiness", "neutral", "sadness", "surprise")  # of fear there are 14
PEOPLE = {"train": (0, 160, 12), "val": (160, 40, 6), "test": (200, 60, 4)}  # first, how many, frames of each
SIZE, FOLDS, ALIKE = 48, 3, 0.9  # ALIKE: correlation of two crops
STEPS = {"mae": 600, "first": 2000, "second": 150, "student": 250}
FEW_STEPS = {"mae": 500, "first": 500, "second": 100, "student": 150}
Set = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Faces:
    """Faces of one fold.

    Attributes:
        names: Of units, or of expressions.
        sets: ``train``, ``val``, ``test`` and ``unlabelled``, of which each has ``image`` uint8 ``(F, S, S, 3)`` and,
            but for the last, ``target`` float32 ``(F, K)``, ``person`` and ``name`` ``(F,)``, perhaps ``landmarks``.
        steps: Of training.
        shift: Pixels by which faces are moved in training, at most.
        one_label: Whether of each face exactly one name holds.
    """

    names: tuple[str, ...]
    sets: Mapping[str, Set]
    steps: Mapping[str, int]
    shift: int = 0
    one_label: bool = False


def folds_of(data: str) -> tuple[int, ...]:
    """Numbers of the folds of a set."""
    return tuple(range(FOLDS)) if data == "expressions" else (0,)


def read_faces(data: str, out: Path, *, fold: int, real: Path) -> Faces:
    """One fold of a set.

    Args:
        data: See the module.
        out: Folder in which what was drawn or cropped is kept.
        fold: Its number.
        real: ``faces`` of the shared data.
    """
    if data == "expressions":
        return _expressions(out, fold, real)
    simulated = _simulated(out)
    if data == "simulated":
        return simulated
    return replace(simulated, sets={**simulated.sets, "test": _news(real / "pyfeat" / "news_landmarks_au.csv")})


def _simulated(out: Path) -> Faces:
    sets = {}
    for split, (first, count, each) in PEOPLE.items():
        file = out / f"{split}.npz"
        if not file.is_file():
            np.savez(file, **_drawn(first, count, each))
        found = dict(np.load(file))
        found["target"] = (found["intensity"] >= ACTIVE).astype(np.float32)
        found["name"] = np.array([f"{person}/{place}" for place, person in enumerate(found["person"])])
        sets[split] = found
    return Faces(names=UNITS, sets={**sets, "unlabelled": sets["train"]}, steps=STEPS)


def _drawn(first: int, count: int, each: int) -> dict[str, np.ndarray]:
    pictures, strengths, points, people = [], [], [], []
    for number in range(first, first + count):
        person = Person.of(number)
        for frame in range(each):
            intensity = drawn_intensities(np.random.default_rng((number, frame, 3)))
            seed = number * 1000 + frame
            drawn = draw_face(person, {n: v / STRONGEST for n, v in intensity.items()}, size=SIZE, seed=seed)
            pictures.append(drawn.pixels)
            points.append(drawn.landmarks)
            strengths.append([intensity[name] for name in UNITS])
            people.append(number)
    return {
        "image": np.stack(pictures),
        "intensity": np.array(strengths, np.float32),
        "landmarks": np.stack(points),
        "person": np.array(people),
    }


def _news(table: Path) -> Set:
    """Frames of 12 clips, drawn on their landmarks, of which clip stands for a person."""
    with table.open(newline="") as file:
        lines = list(csv.DictReader(file))
    points = np.array([[[float(line[f"{axis}_{n}"]) for axis in "xy"] for n in range(68)] for line in lines])
    clips = sorted({line["clip_id"] for line in lines})
    drawn = []
    for place, (line, own) in enumerate(zip(lines, points, strict=True)):
        move = to_template(own)
        person = replace(Person.of(10_000 + clips.index(line["clip_id"])), points=own @ move[:, :2].T + move[:, 2])
        drawn.append(draw_face(person, {}, size=SIZE, seed=place))
    columns = [f"AU{int(name[2:]):02d}" for name in UNITS]
    said = np.array([[float(line[column]) for column in columns] for line in lines])
    return {
        "image": np.stack([one.pixels for one in drawn]),
        "target": (said >= 0.5).astype(np.float32),
        "landmarks": np.stack([one.landmarks for one in drawn]),
        "person": np.array([line["clip_id"] for line in lines]),
        "name": np.array([f"{line['clip_id']}/{line['frame_no']}" for line in lines]),
    }


def _expressions(out: Path, fold: int, real: Path) -> Faces:
    """A third of the people tested; of the others a sixth is the validation, and all teach without labels."""
    held = cropped(out, real)
    label, groups = held["label"], _groups(held["person"], held["image"])
    parts = _parted(groups, FOLDS, seed=0)
    tested = parts == fold
    judged = (_parted(np.where(tested, -1, groups), 6, seed=1 + fold) == 0) & ~tested
    named = np.isin(label, EXPRESSIONS)
    sets = {
        split: _of(held, np.flatnonzero(own & named), groups)
        for split, own in (("train", ~tested & ~judged), ("val", judged), ("test", tested))
    }
    own = held["image"][~tested & ~judged]
    simulated = _simulated(out).sets["train"]["image"]
    sets["unlabelled"] = {"image": np.concatenate([simulated, *[own] * round(len(simulated) / len(own))])}
    return Faces(names=EXPRESSIONS, sets=sets, steps=FEW_STEPS, shift=3, one_label=True)


def cropped(out: Path, real: Path) -> Set:
    """All photographs, cropped once; ``found`` says of which a detector knew the face, others are taken as they are."""
    file = out / "photographs.npz"
    if not file.is_file():
        files = sorted((real / "expressions").glob("*/*.jpg"))
        nowhere = np.full((68, 2), np.nan)
        crops, found = [], []
        for path in files:
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            crop = aligned(pixels, nowhere, size=SIZE, align="detect")
            found.append(crop is not None)
            crop = crop or aligned(pixels, nowhere, size=SIZE, align="none")
            assert crop is not None
            crops.append(crop.pixels)
        who = [path.stem.rpartition("_")[0] for path in files]
        label = [path.parent.name for path in files]
        names = [path.stem for path in files]
        np.savez(file, image=np.stack(crops), found=found, person=who, label=label, name=names)
    return dict(np.load(file))


def _of(held: Set, rows: np.ndarray, groups: np.ndarray) -> Set:
    target = (held["label"][rows][:, None] == np.array(EXPRESSIONS)).astype(np.float32)
    return {
        "image": held["image"][rows],
        "target": target,
        "person": groups[rows],
        "name": held["name"][rows],
    }


def _groups(people: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Numbers of people, of whom those share one of whom two pictures are nearly copies."""
    grey = pictures.mean(axis=3).reshape(len(pictures), -1)
    grey = (grey - grey.mean(axis=1, keepdims=True)) / grey.std(axis=1, keepdims=True)
    _, groups = np.unique(people, return_inverse=True)
    for first, second in zip(*np.nonzero(np.triu(grey @ grey.T / grey.shape[1], 1) > ALIKE), strict=True):
        if groups[first] != groups[second]:
            print(f"{people[first]} and {people[second]} look alike and stay on one side")
            groups[groups == groups[second]] = groups[first]
    return groups


def _parted(groups: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Of each face a part, of about equal size; a group is in one; -1 of group -1."""
    some, sizes = np.unique(groups[groups >= 0], return_counts=True)
    drawn = np.random.default_rng(seed).permutation(len(some))
    order = drawn[np.argsort(-sizes[drawn], kind="stable")]
    filled, parts = np.zeros(count), np.full(len(groups), -1)
    for place in order:
        part = int(filled.argmin())
        filled[part] += sizes[place]
        parts[groups == some[place]] = part
    return parts


def shared_faces() -> Path:
    """``faces`` of the shared data: ``MEDMAE_SHARED``, or ``../shared`` beside the repository."""
    return Path(os.environ.get("MEDMAE_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data" / "faces"


def people_of(faces: Sequence[Faces], split: str) -> int:
    """How many people are in a split of all folds."""
    return len({person for one in faces for person in one.sets[split]["person"].tolist()})
