"""The manifest: one row a case, with its shards, hashes, grid and split; read with every check before use."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from medmae.data.identity.spelling import normalised
from medmae.data.rows import Row as Row
from medmae.data.rows import contents_of, files_of, hashes_of, kind_of, row_fault, row_kinds, sources_of
from medmae.data.shards import Shards, inside, sha256_of_shard
from medmae.data.source import Cohort
from medmae.data.splits import Unit, check_disjoint, require_split
from medmae.errors import DataError
from medmae.files import from_json, sha256_of, write_text

NAME = "manifest.jsonl"
VERSION = 2  # of rows: 2 has hashes of contents; rows without a version are of 1, and are read, too


@dataclass(frozen=True)
class Manifest:
    """A prepared data set.

    Args:
        path: The ``manifest.jsonl``; shard paths are relative to its folder.
        rows: One dict a case, sorted by case; the keys are documented in :mod:`data_prep.mr`, :mod:`data_prep.wsi` and
            :mod:`data_prep.tiles`.
    """

    path: Path
    rows: tuple[Row, ...]

    @classmethod
    def read(cls, path: str | Path, *, verify: bool = False) -> Manifest:
        """Reads and checks a manifest.

        Args:
            path: The file, or the folder that holds it.
            verify: Also compare the sha256 of every shard (reads all data).

        Raises:
            DataError: Bad rows (all of them, with line numbers), no rows, a shard that is missing, lies outside the
                folder or has another sha256, a subject or an identical source file in two splits.
        """
        path = Path(path)
        path = path / NAME if path.is_dir() else path
        if not path.is_file():
            raise DataError("there is no manifest here", path=path, remedy="run `medmae prep` first: it writes one")
        rows, faults = _parsed(path)
        faults += _shard_faults(rows, path.parent, verify=verify) if not faults else []
        if faults:
            raise DataError(
                f"{len(faults)} bad {'rows' if len(faults) > 1 else 'row'}: " + "; ".join(faults),
                path=path,
                remedy="prepare the data again; finished cases are skipped",
            )
        if not rows:
            raise DataError("the manifest has no rows", path=path, field="rows", value=0, remedy="prepare some data")
        ordered = tuple(row for _, row in sorted(rows, key=lambda pair: pair[1]["case"]))
        check_leaks(ordered, path=path)
        return cls(path=path, rows=ordered)

    @classmethod
    def of(cls, manifest: str | Path | Cohort) -> Manifest:
        """A manifest as it is, or read from its file or folder."""
        if isinstance(manifest, Manifest):
            return manifest
        return cls.read(manifest if isinstance(manifest, str | Path) else manifest.path)

    def require(self, *kinds: str) -> Manifest:
        """The same, if all of its rows are of these kinds.

        Raises:
            DataError: With the kinds that it has otherwise.
        """
        other = {kind_of(row) for row in self.rows} - set(kinds)
        if other:
            raise DataError(
                f"this data set holds other things than {' or '.join(kinds)}",
                path=self.path,
                field="kind",
                value=sorted(other),
                remedy=f"prepare the data with {' or '.join(f'`{row_kinds()[kind].made_by}`' for kind in kinds)}",
            )
        return self

    @property
    def folder(self) -> Path:
        """Where the shard paths start."""
        return self.path.parent

    @cached_property
    def contrast_names(self) -> tuple[str, ...]:
        """Names of all contrasts, sorted: the index of a name is what data sets give as ``contrast``."""
        return tuple(sorted({contrast["name"] for row in self.rows for contrast in row.get("contrasts", ())}))

    @cached_property
    def sha256(self) -> str:
        """Hash of the file: what a run records about its data."""
        return sha256_of(self.path)

    @property
    def made_of(self) -> str:
        """What tells this data set from another one of the same names."""
        return self.sha256

    @property
    def unit(self) -> Unit:
        """What subjects are."""
        return unit_of(self.rows)

    def subjects(self, split: str | None = None) -> tuple[str, ...]:
        """Subjects of a split (of all splits without one), sorted."""
        return tuple(sorted({row["subject"] for row in self.select(split=split)}))

    def places(self, split: str | None = None) -> list[int]:
        """Numbers of the rows of a split, or of all, in order."""
        require_split(split)
        return [place for place, row in enumerate(self.rows) if split in (None, row["split"])]

    def subject_of(self, place: int) -> str:
        """Whose the case of this number is."""
        return str(self.rows[place]["subject"])

    def contents(self, split: str | None = None) -> set[str]:
        """Short hashes of all files and of what was decoded from them, of a split or of all."""
        return {sha256 for row in self.select(split=split) for sha256 in hashes_of(row)}

    @cached_property
    def shards(self) -> Shards:
        """The arrays behind the rows."""
        return Shards(self.folder, {str(shard): str(sha256) for row in self.rows for shard, sha256 in files_of(row)})

    def select(self, *, split: str | None = None, contrasts: Iterable[str] | None = None) -> tuple[Row, ...]:
        """The rows of a split that have at least one of the contrasts."""
        wanted = None if contrasts is None else self.known(contrasts)
        return tuple(
            row
            for row in map(self.rows.__getitem__, self.places(split))
            if (wanted is None or any(contrast["name"] in wanted for contrast in row.get("contrasts", ())))
        )

    def known(self, contrasts: Iterable[str]) -> tuple[str, ...]:
        """The contrasts as given.

        Raises:
            DataError: If one is not in the data set.
        """
        names = tuple(contrasts)
        unknown = [name for name in names if name not in self.contrast_names]
        if unknown:
            raise DataError(
                f"no contrast {', '.join(unknown)} in this data set",
                path=self.path,
                field="contrasts",
                value=list(self.contrast_names),
                remedy="choose among these, or prepare the data with it",
            )
        return names

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def unit_of(rows: Iterable[Row]) -> Unit:
    """What the subjects of some rows are: images, or parts of a set of images, where nothing tells whose they are."""
    return "images" if any("split_by_image" in row.get("flags", ()) for row in rows) else "patients"


def write(path: str | Path, rows: Iterable[Row]) -> Path:
    """Writes rows as JSON lines, sorted by case, atomically."""
    path = Path(path)
    ordered = sorted(rows, key=lambda row: row["case"])
    lines = (json.dumps({"version": VERSION, **row}, allow_nan=False) for row in ordered)
    write_text(path, "".join(f"{line}\n" for line in lines))
    return path


def check_leaks(rows: Iterable[Row], *, path: str | Path | None = None) -> None:
    """Refuses a subject in two splits and an identical source file in two splits.

    Raises:
        DataError: With every overlap listed.
    """
    rows = list(rows)
    check_disjoint(((row["subject"], row["split"]) for row in rows), what="subject", path=path)
    for what, of in (("source file (sha256)", sources_of), ("content (sha256)", contents_of)):
        found: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            for sha256, name in of(row):
                found[sha256].add(name)
        shown = {sha256: f"{', '.join(sorted(names)[:5])} = {sha256}" for sha256, names in found.items()}
        check_disjoint(((shown[sha256], row["split"]) for row in rows for sha256, _ in of(row)), what=what, path=path)


def refuse_seen(subjects: Iterable[str], evaluation: Cohort, *, split: str | None = "test") -> None:
    """Refuses to evaluate on patients whom pre-training has seen, also under a name that is only spelled otherwise.

    Raises:
        DataError: With those of them that ``split`` holds, all of the data if it is None.
    """
    known = {normalised(name) for name in subjects} if evaluation.unit == "patients" else set(subjects)
    seen = sorted(
        name
        for name in evaluation.subjects(split)
        if (normalised(name) if evaluation.unit == "patients" else name) in known
    )
    if seen:
        raise DataError(
            f"pre-training has seen {len(seen)} of the subjects to evaluate: {', '.join(seen)}",
            path=evaluation.path,
            field="subject",
            value=len(seen),
            remedy="evaluate on other subjects, or pre-train with the same splits.csv",
        )


def _parsed(path: Path) -> tuple[list[tuple[int, Row]], list[str]]:
    rows: list[tuple[int, Row]] = []
    faults: list[str] = []
    first: dict[str, int] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        fault = None
        try:
            row = from_json(line)
            fault = _version_fault(row) or row_fault(row)
        except ValueError as error:  # also of what is not UTF-8
            fault = f"not JSON ({error})"
        if fault is None and row["case"] in first:
            fault = f"case {row['case']!r} is also on line {first[row['case']]}"
        if fault is None:
            first[row["case"]] = number
            rows.append((number, row))
        else:
            faults.append(f"line {number}: {fault}")
    return rows, faults


def _version_fault(row: object) -> str | None:
    version = row.get("version", 1) if isinstance(row, dict) else 1
    if isinstance(version, int) and 1 <= version <= VERSION:
        return None
    return f"version {version!r} is not one that this medmae reads (1 to {VERSION}): update medmae"


def _shard_faults(rows: list[tuple[int, Row]], folder: Path, *, verify: bool) -> list[str]:
    faults = []
    for number, row in rows:
        for shard, sha256 in files_of(row):
            fault = _shard_fault(folder, str(shard), sha256, verify=verify)
            if fault:
                faults.append(f"line {number}: {fault}")
    return faults


def _shard_fault(folder: Path, shard: str, sha256: object, *, verify: bool) -> str | None:
    try:
        path = inside(folder, shard)
    except ValueError as error:
        return str(error)
    if not path.exists():
        return f"shard {shard!r} does not exist"
    if verify and (found := sha256_of_shard(path)) != sha256:
        return f"shard {shard!r} has sha256 {found}, not {sha256}"
    return None
