"""Refuses to evaluate weights on patients whom they have seen in training."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medmae.data.identity.spelling import normalised
from medmae.data.manifest import Manifest, refuse_seen
from medmae.data.source import Cohort
from medmae.errors import DataError
from medmae.files import read_object, sha256_of
from medmae.weights.about import read_about
from medmae.weights.seen import Seal, among, count, sealed

RECORD = "run.json"
_IMAGE = "image of "  # before the names of images among those seen
_REMEDY = "train again, or take other weights"


def require_unseen(
    *, model_dir: str | Path, manifest: str | Path | Cohort, split: str | None = "test", allow: bool = False
) -> None:
    """Compares the subjects to evaluate with those that the run behind some weights trained on.

    The run's ``run.json``, in ``model_dir`` or the folder above it, names them; without one the weights' own header
    tells, hashed, whom they have seen. Of weights with neither nobody can tell, and a warning says so. Patients are
    compared with patients, and images, where no patient is known, with images of the same source; a warning tells of
    all others.

    Args:
        model_dir: Folder of the weights.
        manifest: Of the data to evaluate on; or images with their splits.
        split: Of that data; None for all of it.
        allow: True declares the evaluation transductive, on patients who were seen on purpose: it is warned of.

    Raises:
        DataError: With the subjects that were seen; with equal contents under other names; if the same source was split
            by other units; if the weights are not those of the record, or it cannot be read.
    """
    _refuse_other_weights(model_dir)
    seen = subjects_seen(model_dir)
    seals = [] if seen else seals_at(model_dir)
    if not seen and not seals:
        warnings.warn(
            f"no {RECORD} at {model_dir} with subjects: nobody can tell whom these weights have seen", stacklevel=2
        )
        return
    cohort = Manifest.read(manifest) if isinstance(manifest, str | Path) else manifest
    known = _comparable(seen, cohort) if seen else _recognised(seals, cohort)
    apart = len(seen) - len(known) if seen else count([seal for seal in seals if seal["unit"] != cohort.unit])
    try:
        _refuse_other_unit(model_dir, cohort)
        refuse_seen(known, cohort, split=split)
        _refuse_contents(model_dir, cohort, split=split)
    except DataError as error:
        if not allow or error.field not in ("subject", "content"):
            raise
        warnings.warn(f"transductive evaluation: {error.reason}", stacklevel=2)
    if apart:
        warnings.warn(
            f"pre-training has seen {apart} subjects that cannot be compared with the {cohort.unit} "
            f"to evaluate (images compare within one source, or by equal content): nobody can tell whether they are "
            f"the same",
            stacklevel=2,
        )


def subjects_seen(model_dir: str | Path) -> set[str]:
    """Whom the run behind some weights trained on, and those behind the weights that it began with; maybe nobody.

    Where no patients were known, these are images, with their source before their name: other sources have images
    of the same name.

    Raises:
        DataError: If there is a record that cannot be read.
    """
    path, record = _record(model_dir)
    if path is None:
        return set()
    try:
        data = record["data"]
        before = _prefix(data["made_of"]) if data.get("unit") == "images" else ""
        return {*(before + name for name in data["subjects"]["train"]), *record.get("pretrained_on", ())}
    except (KeyError, TypeError) as error:
        raise DataError("the record of the run cannot be read", path=path, remedy=_REMEDY) from error


def seals_at(model_dir: str | Path) -> list[Seal]:
    """Whom the weights of a folder have seen by their own headers, hashed; nobody of weights that do not say it.

    Raises:
        DataError: If a header cannot be read.
    """
    files = sorted(Path(model_dir).glob("*.safetensors"))
    found = [seal for path in files for seal in read_about(path).get("seen", ())]
    return list({seal["salt"]: seal for seal in found}.values())  # a network and its method say the same


def seal_of(data: Cohort, *, before: Iterable[str | Path] = ()) -> list[Seal]:
    """Whom a training has seen, to be told in the header of its weights.

    Args:
        data: What it learnt from.
        before: Folders of the weights that it began with, or that taught it.
    """
    own = _prefix(data.made_of) if data.unit == "images" else ""
    found: list[Seal] = [{"unit": data.unit, **sealed(_spelt(own + name) for name in data.subjects("train"))}]
    for folder in before:
        units: dict[str, set[str]] = {"patients": set(), "images": set()}
        for name in subjects_seen(folder):
            units["images" if name.startswith(_IMAGE) else "patients"].add(_spelt(name))
        found += [{"unit": unit, **sealed(names)} for unit, names in units.items() if names] or seals_at(folder)
    return found


def contents_seen(model_dir: str | Path) -> set[str]:
    """Short hashes of what the run behind some weights, and those before it, trained on, as far as it is recorded.

    Raises:
        DataError: If there is a record that cannot be read.
    """
    _, record = _record(model_dir)
    data = record.get("data")
    return {*(data.get("contents", ()) if isinstance(data, dict) else ()), *record.get("pretrained_contents", ())}


def origins_seen(model_dir: str | Path) -> set[str]:
    """Origins of those whom the run behind some weights, and those before it, trained on, as far as they are recorded.

    Raises:
        DataError: If there is a record that cannot be read.
    """
    _, record = _record(model_dir)
    data = record.get("data")
    known = data if isinstance(data, dict) else {}
    train = set((known.get("subjects") or {}).get("train", ()))
    own = {origin for origin, subjects in (known.get("origins") or {}).items() if train & set(subjects)}
    return own | set(record.get("weights_origins", ()))


def _refuse_contents(model_dir: str | Path, cohort: Cohort, *, split: str | None) -> None:
    """Equal files or equal pixels, whatever they are called; a warning tells of copies within one source and split."""
    contents, data = contents_seen(model_dir), _record(model_dir)[1].get("data", {})
    subjects = data.get("subjects", {}).get(split or "", ())
    own = data.get("made_of") == cohort.made_of and sorted(subjects) == sorted(cohort.subjects(split))
    same = contents & cohort.contents(split) if contents else set()
    if same and own:
        warnings.warn(f"{len(same)} of the {split} data of {cohort.path} equal some of its training data", stacklevel=3)
    elif same:
        raise DataError(
            f"pre-training has seen {len(same)} of the files (or of what they hold) to evaluate, under other names",
            path=cohort.path,
            field="content",
            value=sorted(same)[:3],
            remedy="evaluate on other data",
        )


def _refuse_other_weights(model_dir: str | Path) -> None:
    """The record must be that of the weights: each file that it names has the hash that it was written with."""
    path, record = _record(model_dir)
    hashes = record.get("hashes")
    for name, sha256 in (hashes if isinstance(hashes, dict) else {}).items():
        file = Path(model_dir) / name
        if file.is_file() and sha256_of(file) != sha256:
            raise DataError(
                f"these weights are not those of the run that {path} records: nobody can tell whom they have seen",
                path=file,
                field="sha256",
                value=sha256,
                remedy="put the record of their own run beside them, or take the weights of this run",
            )


def _prefix(made_of: str) -> str:
    return f"{_IMAGE}{hashlib.sha256(made_of.encode()).hexdigest()[:16]} "


def _comparable(seen: Iterable[str], cohort: Cohort) -> set[str]:
    """Those of the cohort's unit and, if these are images, of its source, as they are called there."""
    if cohort.unit == "patients":
        return {name for name in seen if not name.startswith(_IMAGE)}
    before = _prefix(cohort.made_of)
    return {name.removeprefix(before) for name in seen if name.startswith(before)}


def _recognised(seals: Iterable[Seal], cohort: Cohort) -> set[str]:
    """Those of the cohort whom weights say that they have seen."""
    before = _prefix(cohort.made_of) if cohort.unit == "images" else ""
    spelt = {name: _spelt(before + name) for name in cohort.subjects()}
    seen = among(spelt.values(), list(seals))
    return {name for name, text in spelt.items() if text in seen}


def _spelt(name: str) -> str:
    """Patients are compared however their names are written."""
    return name if name.startswith(_IMAGE) else normalised(name)


def _refuse_other_unit(model_dir: str | Path, cohort: Cohort) -> None:
    """One source, once split by patient and once by image: test images are of patients who were trained on."""
    data = _record(model_dir)[1].get("data", {})
    if data.get("made_of") == cohort.made_of and data.get("unit") != cohort.unit:
        raise DataError(
            f"pre-training split these same images by {data.get('unit')}, this evaluation splits them by {cohort.unit}",
            path=cohort.path,
            field="subject",
            value=cohort.unit,
            remedy="pass the same subject_from as in pre-training",
        )


def _record(model_dir: str | Path) -> tuple[Path | None, dict[str, Any]]:
    """The record of the run behind some weights and where it lies; None and nothing if there is none."""
    folder = Path(model_dir).absolute()
    path = next((path for path in (folder / RECORD, folder.parent / RECORD) if path.is_file()), None)
    record = {} if path is None else read_object(path, remedy=_REMEDY)
    if fault := _fault(record):
        raise DataError("the record of the run cannot be read", path=path, field=fault, remedy=_REMEDY)
    return path, record


def _fault(record: dict[str, Any]) -> str | None:
    """Where names do not stand as they are written: a text in place of a list would be nobody's name."""
    data = record.get("data") or {}
    if not isinstance(data, dict) or not isinstance(data.get("made_of", ""), str):
        return "data"
    for field in ("subjects", "origins"):
        lists = data.get(field) or {}
        if not isinstance(lists, dict) or not all(map(_is_names, lists.values())):
            return f"data.{field}"
    named = {"data.contents": data.get("contents", [])}
    named |= {field: record.get(field, []) for field in ("pretrained_on", "pretrained_contents", "weights_origins")}
    return next((field for field, names in named.items() if not _is_names(names)), None)


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
