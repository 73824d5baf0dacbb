"""The tables of ``benchmarks/video_text_methods.py``, written into docs/methods/simvtp.md.

    python benchmarks/video_text_report.py OUT [--longer]

A figure of a caption or query is the mean over the seeds that are there; intervals (95 %) draw whole patients, of
ultrasound whole sources. What an arm gains over another has the interval of the paired difference.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from document import DOCS, table, write_section

from medmae.evaluate.statistics import summarise
from medmae.evaluate.words.hidden_words import BLANK, COMMON, OTHER, OWN
from medmae.evaluate.words.told_cubes import NO_WORDS, OTHER_WORDS, OWN_WORDS

PAGE = DOCS / "methods" / "simvtp.md"
REFERENCE = "words 75 %"
Row = dict[str, str]
Of = Callable[[Row], float]


@dataclass(frozen=True)
class Measured:
    """Figures of an arm by what was asked: a caption, or a query, of a subject, with every seed that there is.

    Attributes:
        rows: By what was asked, those of all seeds.
    """

    rows: Mapping[tuple[str, ...], Sequence[Row]]

    @classmethod
    def of(cls, rows: Sequence[Row], *, asked: Sequence[str]) -> Measured:
        """Rows of one arm; what not every seed was asked is refused.

        Raises:
            ValueError: If seeds were asked different things.
        """
        found: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            found[tuple(row[key] for key in asked)].append(row)
        if len({len(each) for each in found.values()}) > 1:
            raise ValueError(f"{rows[0]['arm']}: not every seed was asked the same: finish it, or delete its rows")
        return cls(found)

    @property
    def seeds(self) -> int:
        """How many there are."""
        return len(next(iter(self.rows.values())))

    def figure(self, of: Of, *, minus: Measured | None = None, digits: int = 3) -> str:
        """Mean and interval over subjects; with a rival, of the paired difference on seeds of both, with its sign."""
        if minus is not None:
            both = self._seeds() & minus._seeds()
            return self._only(both)._shown(of, minus._only(both), digits=digits)
        return self._shown(of, None, digits=digits)

    def _seeds(self) -> set[str]:
        return {row["seed"] for row in next(iter(self.rows.values()))}

    def _only(self, seeds: set[str]) -> Measured:
        return Measured({key: [row for row in rows if row["seed"] in seeds] for key, rows in self.rows.items()})

    def _shown(self, of: Of, minus: Measured | None, *, digits: int) -> str:
        asked = [key for key in self.rows if minus is None or key in minus.rows]
        values = [_mean(of, self.rows[key]) - (0 if minus is None else _mean(of, minus.rows[key])) for key in asked]
        found = summarise(values, [self.rows[key][0]["subject"] for key in asked])
        sign = "" if minus is None else "+"
        if found.ci_low is None or found.ci_high is None:
            return f"{found.mean:{sign}.{digits}f}"
        return f"{found.mean:{sign}.{digits}f} ({found.ci_low:{sign}.{digits}f} to {found.ci_high:{sign}.{digits}f})"


def _mean(of: Of, rows: Sequence[Row]) -> float:
    return sum(map(of, rows)) / len(rows)


def _plain(name: str) -> Of:
    return lambda row: float(row[name])


def _gain(over: str, own: str) -> Of:
    return lambda row: float(row[over]) - float(row[own])


def read(path: Path, domain: str) -> list[Row]:
    """Rows of one set of clips."""
    with path.open() as file:
        return [row for row in csv.DictReader(file) if row["domain"] == domain]


def arms(rows: Sequence[Row], *, asked: Sequence[str], **wanted: str) -> dict[str, Measured]:
    """By arm, in the order in which they were measured, of rows that have these values."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if all(row[key] == value for key, value in wanted.items()):
            found[row["arm"]].append(row)
    return {arm: Measured.of(each, asked=asked) for arm, each in found.items()}


def words(rows: Sequence[Row]) -> str:
    """What hidden words cost in each arm, all asked with the same words hidden."""
    asked = {ratio: arms(rows, asked=("fold", "sample"), word_ratio=ratio) for ratio in ("0.75", "0.15")}
    heads = [
        "arm",
        "seeds",
        "own clip, nats",
        "another's clip",
        "blank clip",
        "by frequency",
        "gain of own over another's",
    ]
    heads += [
        "gain minus that of 75 %",
        "right, own",
        "right, another's",
        "right, frequency",
        "gain where 15 % are hidden",
    ]
    lines = []
    for arm, found in asked["0.75"].items():
        gain, rival = _gain(OTHER, OWN), asked["0.75"].get(REFERENCE)
        few = asked["0.15"].get(arm)
        lines.append(
            [
                arm,
                str(found.seeds),
                found.figure(_plain(OWN)),
                *(found.figure(_plain(name)) for name in (OTHER, BLANK, COMMON)),
                found.figure(gain),
                "" if rival in (None, found) else found.figure(gain, minus=rival),
                *(found.figure(_plain(f"right, {name}"), digits=2) for name in (OWN, OTHER, COMMON)),
                "" if few is None else few.figure(gain),
            ]
        )
    return table(heads, lines)


def cubes(rows: Sequence[Row]) -> str:
    """What hidden cubes cost in each arm, by the words that are read."""
    heads = [
        "arm",
        "its own words",
        "words of another clip",
        "all words hidden",
        "gain over another's",
        "gain over hidden",
    ]
    lines = []
    for arm, found in arms(rows, asked=("fold", "sample"), word_ratio="0.75").items():
        costs = [found.figure(_plain(name), digits=4) for name in (OWN_WORDS, OTHER_WORDS, NO_WORDS)]
        gains = [found.figure(_gain(other, OWN_WORDS), digits=4) for other in (OTHER_WORDS, NO_WORDS)]
        lines.append([arm, *costs, *gains])
    return table(heads, lines)


def retrieval(rows: Sequence[Row]) -> str:
    """Recall and ranks, both ways, of networks and of what needs none."""
    heads = ["what", "by", "seeds"]
    ways = list(dict.fromkeys(row["way"] for row in rows))
    for way in ways:
        heads += [f"{way}: R@1", "R@5", "mean rank", "R@5 minus that of 75 %"]
    lines = []
    for by in ("baseline", "cosine", "ridge"):
        found = {way: arms(rows, asked=("fold", "query"), way=way, by=by) for way in ways}
        for arm, first in found[ways[0]].items():
            line = [arm, "" if by == "baseline" else by, "" if by == "baseline" else str(first.seeds)]
            for way in ways:
                own, rival = found[way][arm], found[way].get(REFERENCE)
                line += [own.figure(_plain(name), digits=2) for name in ("r_at_1", "r_at_5")]
                line += [own.figure(_plain("rank"), digits=1)]
                line += ["" if rival in (None, own) else own.figure(_plain("r_at_5"), minus=rival, digits=2)]
            lines.append(line)
    return table(heads, lines)


def trainings(path: Path, domain: str) -> str:
    """Which arms were trained, and what that cost."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in read(path, domain):
        found[row["arm"]].append(row)
    lines = [
        [
            arm,
            str(len({row["seed"] for row in rows})),
            str(len(rows)),
            rows[0]["steps"],
            f"{sum(float(row['cpu_seconds']) for row in rows) / len(rows):.0f}",
        ]
        for arm, rows in found.items()
    ]
    return table(["arm", "seeds", "trainings", "steps of each", "CPU s of each"], lines)


def main(
    out: Annotated[Path, typer.Argument(help="What video_text_methods.py left.")],
    longer: Annotated[bool, typer.Option("--longer", help="Of a study with --longer: a section of its own.")] = False,
    dry: Annotated[bool, typer.Option("--dry", help="Leave the page alone.")] = False,
) -> None:
    """Prints the tables, and writes them into the page."""
    for domain, place in ({"simulated": _longer} if longer else PLACES).items():
        measured, ranks = (read(out / name, domain) for name in ("measured.csv", "ranks.csv"))
        if not measured:
            continue
        parts = (trainings(out / "training.csv", domain), words(measured), cubes(measured), retrieval(ranks))
        text = "\n\n".join(f"{title}\n\n{part}" for title, part in zip(TITLES, parts, strict=True))
        print(f"{domain}\n\n{text}\n")
        if not dry:
            place(text)


TITLES = (
    "Trainings:",
    "Words helped by clips: mean cross-entropy of hidden words, 75 % of them hidden (last column: 15 %):",
    "Clips helped by words: squared error of hidden, normalised cubes; words are read whole:",
    "Retrieval between held-out captions and clips:",
)


def _simulated(text: str) -> None:
    write_section("video_text_simulated", text, page=PAGE)


def _longer(text: str) -> None:
    write_section("video_text_longer", text, page=PAGE)


def _ultrasound(text: str) -> None:
    write_section("video_text_ultrasound", text, page=PAGE)


def _speech(text: str) -> None:
    write_section("video_text_speech", text, page=PAGE)


PLACES = {"simulated": _simulated, "ultrasound": _ultrasound, "speech": _speech}  # each named, as a test looks for them

if __name__ == "__main__":
    typer.run(main)
