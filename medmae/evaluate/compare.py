"""Two evaluated runs on the same cases: paired differences over subjects, with intervals and a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medmae.errors import DataError
from medmae.evaluate.scored_run import AGAIN, Key, ScoredRun, check_same_definitions, names_of
from medmae.evaluate.statistics import Summary, signed_rank_p, summarise
from medmae.evaluate.tables import write_csv
from medmae.report.folder import as_float
from medmae.report.metrics import KNOWN, families


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One figure of the model in two runs.

    Attributes:
        metric: Column, such as ``psnr_model_foreground``.
        better: ``higher``, ``lower`` or ``nearer 1``.
        mean_a: Of the first run, over the subjects that both have.
        mean_b: Of the second.
        difference: Second minus first, paired, over subjects.
        p_value: Wilcoxon signed-rank, two-sided, over subjects; not corrected for the number of figures.
    """

    metric: str
    better: str
    mean_a: float
    mean_b: float
    difference: Summary
    p_value: float

    @property
    def interval(self) -> str:
        """The 95 % interval of the difference, with signs; a dash for a single subject."""
        low, high = self.difference.ci_low, self.difference.ci_high
        return "-" if low is None or high is None else f"{low:+.3g} to {high:+.3g}"

    def row(self) -> dict[str, object]:
        """A line of the table."""
        return {
            "metric": self.metric,
            "better": self.better,
            "mean_a": self.mean_a,
            "mean_b": self.mean_b,
            "b_minus_a": self.difference.mean,
            "ci_low": self.difference.ci_low,
            "ci_high": self.difference.ci_high,
            "p_wilcoxon": self.p_value,
            "n_subjects": self.difference.n_subjects,
        }


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """Two runs side by side.

    Attributes:
        differences: One a figure.
        shared: How many rows were paired.
        only_a: Cases (with their target) of the first run alone.
        only_b: Of the second alone.
        same_data: False if both runs say what data they were evaluated on, and it differs.
    """

    differences: list[Difference]
    shared: int
    only_a: list[str]
    only_b: list[str]
    same_data: bool


def compare_runs(
    a: str | Path, b: str | Path, *, out: str | Path | None = None, only: Sequence[str] | None = None
) -> RunComparison:
    """Pairs the rows of two runs by case and target (or contrast) and compares what the model scored.

    Args:
        a: Folder of an evaluated run.
        b: Folder of another.
        out: Receives the table as CSV.
        only: Regions to compare, such as ``foreground``; None compares all, which must then be defined alike.

    Raises:
        DataError: If a run is not evaluated, the two share no case or no figure, or define their figures differently.
    """
    first, second = ScoredRun.read(a), ScoredRun.read(b)
    check_same_definitions(first, second, only=only)
    shared = sorted(first.rows.keys() & second.rows.keys())
    if not shared:
        raise DataError(
            f"the runs share no case: {first.path} has {names_of(first.rows)[:5]}",
            path=second.path,
            field="case",
            value=names_of(second.rows)[:5],
            remedy="evaluate both on the same split of the same data",
        )
    found = [_difference(name, better, first, second, shared) for name, better in _figures(first, second, only).items()]
    differences = [difference for difference in found if difference is not None]
    if not differences:
        raise DataError("the runs share no figure", path=second.path, field="only", value=only, remedy=AGAIN)
    if out is not None:
        write_csv(out, [difference.row() for difference in differences])
    return RunComparison(
        differences=differences,
        shared=len(shared),
        only_a=names_of(first.rows.keys() - second.rows.keys()),
        only_b=names_of(second.rows.keys() - first.rows.keys()),
        same_data=len({run.manifest_sha256 for run in (first, second)} - {""}) < 2,
    )


def _figures(first: ScoredRun, second: ScoredRun, only: Sequence[str] | None) -> dict[str, str]:
    """Columns of the model that both runs have, and which way is better."""
    groups = families(first.columns)
    return {
        names[0]: KNOWN.get(stem, ("", "", "higher"))[2]
        for (stem, variant), names in groups.items()
        if names[0] in second.columns and (only is None or variant in only)
    }


def _difference(
    name: str, better: str, first: ScoredRun, second: ScoredRun, shared: Sequence[Key]
) -> Difference | None:
    scores = [(as_float(first.rows[key].get(name)), as_float(second.rows[key].get(name))) for key in shared]
    pairs = [(key, a, b) for key, (a, b) in zip(shared, scores, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    subjects = [first.rows[key].get("subject") or key[0] for key, _, _ in pairs]
    gaps = [b - a for _, a, b in pairs]
    return Difference(
        metric=name,
        better=better,
        mean_a=summarise([a for _, a, _ in pairs], subjects).mean,
        mean_b=summarise([b for _, _, b in pairs], subjects).mean,
        difference=summarise(gaps, subjects),
        p_value=signed_rank_p(gaps, subjects),
    )
