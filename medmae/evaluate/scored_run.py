"""An evaluated run as rows that can be paired with another's, and what its figures mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medmae.errors import DataError
from medmae.evaluate.synthesis.figures_of_merit import RECORD, SCORES
from medmae.report.evaluations import evaluations
from medmae.report.folder import Row, read_object, read_rows

AGAIN = "evaluate both runs with the same settings"
# Settings that decide how hard a reconstruction is, as run.json records them.
_TASK = ("mask_ratio", "image_size", "patch_size", "samples_per_case")
NOT_SET = "not set"
Key = tuple[str, str]


@dataclass(frozen=True)
class ScoredRun:
    """One run.

    Attributes:
        path: Its folder.
        rows: By case and target (of a reconstruction: contrast).
        definitions: What the figures of each region mean.
        manifest_sha256: Of the data it was evaluated on; empty if the run does not say.
    """

    path: Path
    rows: dict[Key, Row]
    definitions: Mapping[str, Any]
    manifest_sha256: str = ""

    @classmethod
    def read(cls, path: str | Path) -> ScoredRun:
        """Reads the scores of a run.

        Raises:
            DataError: If it has none, or two rows are of the same case and target.
        """
        path = Path(path)
        tables = [known.scores for known in reversed(evaluations()) if known.scores]
        scores = next((file for name in tables if (file := path / "evaluation" / name).is_file()), None)
        if scores is None:
            remedy = f"give the folder of an evaluated run: it holds evaluation/{' or '.join(tables)}"
            raise DataError("this run has no scores", path=path, remedy=remedy)
        rows: dict[Key, Row] = {}
        for row in read_rows(scores):
            key = (row.get("case", ""), row.get("target", row.get("contrast", "")))
            if key in rows:
                raise DataError(
                    "two rows are of one case and target", path=scores, field="case", value=key, remedy=AGAIN
                )
            rows[key] = row
        manifest = read_object(path / "evaluation" / RECORD).get("manifest_sha256")
        definitions = {"scores": scores.name, **_definitions(path, scores)}
        return cls(path, rows, definitions, manifest if isinstance(manifest, str) else "")

    @property
    def columns(self) -> list[str]:
        """Of the table."""
        return list(next(iter(self.rows.values()), {}))


def check_same_definitions(first: ScoredRun, second: ScoredRun, *, only: Sequence[str] | None) -> None:
    """Two figures compare only if they mean the same; a region that one run alone has is no contradiction.

    Args:
        first: One run.
        second: The other.
        only: Regions that will be compared; None means all.

    Raises:
        DataError: With what differs.
    """
    for region in sorted(first.definitions.keys() & second.definitions.keys()):
        theirs, ours = first.definitions[region], second.definitions[region]
        if theirs != ours and (only is None or region in ("scores", *only)):
            raise DataError(
                f"the runs define their figures differently: {first.path} has {_apart(theirs, ours)}",
                path=second.path,
                field=region,
                value=_apart(ours, theirs),
                remedy=f"{AGAIN}, or choose with --only the regions that agree",
            )


def names_of(keys: Iterable[Key]) -> list[str]:
    """``case target``, sorted, to read."""
    return sorted(" ".join(part for part in key if part) for key in keys)


def _definitions(path: Path, scores: Path) -> dict[str, Any]:
    if scores.name == SCORES:
        found = read_object(scores.with_name(RECORD)).get("definitions")
        return found if isinstance(found, dict) else {}
    config = read_object(path / "run.json").get("config")
    return {"config": {name: config[name] for name in _TASK if name in config}} if isinstance(config, dict) else {}


def _apart(mine: object, others: object) -> object:
    """What of a definition is not as in the other one; what is not there at all is told, too."""
    if not (isinstance(mine, dict) and isinstance(others, dict)):
        return mine
    pairs = {name: (mine.get(name, NOT_SET), others.get(name, NOT_SET)) for name in {**mine, **others}}
    return {name: own for name, (own, other) in pairs.items() if own != other}
