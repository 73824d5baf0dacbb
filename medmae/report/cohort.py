"""The section of data: who is in which split, what was measured, and what was left out and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from medmae.report.folder import RunFolder, as_float
from medmae.report.page import Section, details, note, table
from medmae.report.text import NOTHING, count, listing, plain, words

TITLE = "Data"
SPLITS = ("train", "val", "test")
NAMES = {"train": "Training", "val": "Validation", "test": "Test (held out)"}
CASE_COLUMNS = (
    *("case", "subject", "session", "split", "contrasts", "shape", "spacing_mm", "slices"),  # of volumes
    *("tiles", "images", "size", "classes", "tissue", "mpp", "flags"),  # of tiles, images and slides
)
ALWAYS = ("Split", "Subjects", "Cases", "Flagged")  # columns; others are left out where nothing is known of them
NUMERIC = ("Subjects", "Cases", "Slices", "Tiles", "Images")
MAX_NAMES = 60  # of subjects; more are in run.json
KNOWN = {"cases", "quarantine", "contrasts", "origins", "unit", "manifest_sha256", "made_of", "contents"}


def cohort(folder: RunFolder) -> Section:
    """Build the section from ``run.json["data"]``."""
    data = folder.data
    if not data:
        return Section(title=TITLE, blocks=[note("No data summary: run.json does not describe the data set.")])
    cases, bad = data.get("cases") or [], data.get("quarantine") or []
    blocks = [_splits(cases)] if cases else []
    known = KNOWN | ({"subjects"} if sum(map(len, (data.get("subjects") or {}).values())) > MAX_NAMES else set())
    facts = [[words(key).capitalize(), plain(value)] for key, value in data.items() if key not in known]
    if facts:
        blocks.append(table(["", ""], facts, wrap={1}))
    if cases:
        blocks.append(_cases(cases))
    blocks.append(_quarantine(bad) if bad else note("No case was quarantined."))
    return Section(title=TITLE, lead=" ".join(_lead(folder)), blocks=blocks)


def _lead(folder: RunFolder) -> Iterator[str]:
    if folder.data.get("contrasts"):
        yield f"Contrasts: {listing(folder.data['contrasts'])}."
    if folder.data.get("cases") and not folder.leaked and not folder.images():
        yield "No subject is in two splits."
    for origin, subjects in (folder.data.get("origins") or {}).items():
        yield f"Origin: {count(len(subjects), 'subject')} {origin}."
    told = folder.info.get("trained_on") or {}
    if told:
        learnt = count(int(told.get("samples", 0)), str(told.get("noun", "sample")))
        yield f"Trained on {learnt} of {count(len(folder.trained_on), 'subject')}."
    unused = folder.subjects("train") - folder.trained_on
    if unused:
        yield f"Not used for training: {listing(sorted(unused))} (nothing to learn from, or left out by fraction)."


def _splits(cases: list[Mapping[str, Any]]) -> Markup:
    names = [name for name in SPLITS if any(case.get("split") == name for case in cases)]
    names += sorted({str(case.get("split")) for case in cases} - set(names))
    lines = [_split(name, [case for case in cases if str(case.get("split")) == name]) for name in names]
    head = [name for name in lines[0] if name in ALWAYS or any(line[name] != NOTHING for line in lines)]
    numeric = [i for i, name in enumerate(head) if name in NUMERIC]
    return table(head, [[line[name] for name in head] for line in lines], numeric=numeric)


def _split(name: str, cases: list[Mapping[str, Any]]) -> dict[str, object]:
    totals = {key: sum(int(as_float(case.get(key)) or 0) for case in cases) for key in ("slices", "tiles", "images")}
    flagged = sum(plain(case.get("flags")) != NOTHING for case in cases)
    return {
        "Split": NAMES.get(name, name),
        "Subjects": NOTHING if _unknown(cases) else len({case.get("subject") for case in cases}),
        "Cases": len(cases),
        "Slices": f"{totals['slices']:,}" if totals["slices"] else NOTHING,
        "Tiles": f"{totals['tiles']:,}" if totals["tiles"] else NOTHING,
        "Images": f"{totals['images']:,}" if totals["images"] else NOTHING,
        "Shapes": _variants(cases, "shape"),
        "Spacing (mm)": _variants(cases, "spacing_mm"),
        "Flagged": flagged or NOTHING,
    }


def _unknown(cases: list[Mapping[str, Any]]) -> bool:
    """Whether nobody knows whose images these are."""
    return all("images" in case and "split_by_image" in plain(case.get("flags")) for case in cases)


def _variants(cases: list[Mapping[str, Any]], key: str) -> str:
    values = list(dict.fromkeys(_size(case.get(key)) for case in cases))
    return values[0] if len(values) == 1 else f"{values[0]} and {count(len(values) - 1, 'other')}"


def _cases(cases: list[Mapping[str, Any]]) -> Markup:
    columns = [key for key in CASE_COLUMNS if any(plain(case.get(key)) != NOTHING for case in cases)]
    rows = [[_field(case, key) for key in columns] for case in cases]
    numeric = [i for i, key in enumerate(columns) if key in ("slices", "tiles", "images", "tissue")]
    body = table([words(key) for key in columns], rows, numeric=numeric)
    return details(f"Every case ({len(cases):,})", body)


def _field(case: Mapping[str, Any], key: str) -> str:
    text = _size(case.get(key)) if key in ("shape", "spacing_mm") else plain(case.get(key))
    return text.replace(";", ", ")


def _size(value: object) -> str:
    """Write a shape or a spacing with crosses, from a list or from text such as ``[155, 240, 240]``."""
    if isinstance(value, str):
        value = value.strip("[]() ").replace(",", " ").replace("x", " ").replace("×", " ").split()
    return " × ".join(plain(item) for item in value) if isinstance(value, (list, tuple)) and value else plain(value)


def _quarantine(rows: list[Mapping[str, Any]]) -> Markup:
    columns = [
        key for key in ("case", "file", "field", "value", "reason", "remedy") if any(row.get(key) for row in rows)
    ]
    body = table(
        [words(key) for key in columns],
        [[plain(row.get(key)) for key in columns] for row in rows],
        wrap=[i for i, key in enumerate(columns) if key in ("file", "reason", "remedy", "value")],
    )
    return details(f"Quarantined: {count(len(rows), 'record')} left out of the data set", body, opened=True)
