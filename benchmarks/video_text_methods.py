"""What does SimVTP's recipe bring, arm by arm: how many words to hide, contrast, matching, and who helps whom?

Clips with captions: simulated ones, ultrasound whose captions are made of real labels, and spoken sentences. Arms of a
fold and seed begin with the same weights and see the same clips, captions and hidden tubes in the same order, for as
many steps: 15, 50, 75 or 90 % of words hidden, and with 75 % the contrast, the matching, or both. Trainings can be
stopped and continued exactly; what is done is not done again.

    python benchmarks/video_text_methods.py prepare OUT --shared ../shared
    python benchmarks/video_text_methods.py train OUT [--domains simulated,ultrasound] [--arms ...] [--seeds 0,1,2]
        [--longer 3]
    python benchmarks/video_text_methods.py evaluate OUT [--domains ...] [--arms ...] [--seeds ...] [--longer 3]

``train`` leaves a ``.state`` for each arm, fold and seed and a row in ``OUT/training.csv``; ``evaluate`` writes a row a
held-out caption into ``OUT/measured.csv``, and ``OUT/ranks.csv``. ``video_text_report.py OUT`` makes the tables.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
import typer
from grown_table import append
from video_text_clips import DOMAINS, FRAMES, MAX_WORDS, Pairs, prepare_simulated, prepare_speech, prepare_ultrasound
from video_text_measures import RATIOS, Searched, hidden_parts
from video_training import Training

from medmae.methods.simvtp import SimVTP

ARMS: dict[str, dict[str, float]] = {
    "words 15 %": {"word_ratio": 0.15},
    "words 50 %": {"word_ratio": 0.5},
    "words 75 %": {},
    "words 90 %": {"word_ratio": 0.9},
    "75 %, contrast": {"contrast": 1.0},
    "75 %, matching": {"matching": 1.0},
    "75 %, both": {"contrast": 1.0, "matching": 1.0},
}
SIZE: dict[str, Any] = {"patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 2} | {
    "decoder_dim": 64,
    "decoder_depth": 1,
    "decoder_heads": 2,
    "word_dropout": 0.0,
}
STEPS = {"simulated": 600, "ultrasound": 150, "speech": 100}
BATCH, RATE, TUBES = 32, 3e-3, 0.75
UNTRAINED = "untrained"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Out = Annotated[Path, typer.Argument(help="Receives data, networks and tables.")]
Longer = Annotated[int, typer.Option(help="For so many times the steps; a folder holds one such study.")]


@dataclass(frozen=True)
class Run:
    """One arm of a fold with one seed."""

    keys: ClassVar[tuple[str, ...]] = ("domain", "arm", "fold", "seed")

    domain: str
    arm: str
    fold: int
    seed: int
    longer: int = 1

    @property
    def steps(self) -> int:
        """How many there are to be."""
        return STEPS[self.domain] * self.longer

    @property
    def told(self) -> dict[str, Any]:
        """What tells it from others."""
        return {key: getattr(self, key) for key in self.keys}

    @property
    def number(self) -> int:
        """What random numbers are drawn by."""
        return self.fold + 10 * self.seed

    def path(self, out: Path) -> Path:
        """The file of its training."""
        return out / f"{self.domain}-{self.arm.replace(' ', '').replace('%', '')}-{self.fold}-{self.seed}.state"

    def network(self, pairs: Pairs) -> SimVTP:
        """As it begins."""
        torch.manual_seed(self.number)
        return SimVTP(
            num_frames=FRAMES,
            image_size=pairs.domain.edge,
            in_channels=1,
            mask_ratio=TUBES,
            vocabulary=pairs.words,
            max_words=MAX_WORDS,
            scale=pairs.scale(),
            **{**SIZE, **ARMS.get(self.arm, {})},
        )

    def trained(self, pairs: Pairs, out: Path) -> SimVTP | None:
        """As it ended; None if it did not."""
        method = self.network(pairs)
        if self.arm != UNTRAINED:
            if not self.path(out).exists():
                return None
            state = torch.load(self.path(out), weights_only=True)
            if int(state["clock"][1]) < self.steps:
                return None
            method.load_state_dict(state["method"])
        return method.eval()

    def training(self, pairs: Pairs, out: Path) -> Training:
        """At its beginning, or where it was stopped."""
        return Training(
            self.network(pairs),
            lambda order: pairs.draw(order, batch_size=BATCH),
            number=self.number,
            path=self.path(out),
            peak=RATE,
        )


@app.command()
def prepare(out: Out, *, shared: Path = Path("../shared")) -> None:
    """Makes the three sets of clips."""
    prepare_simulated(out)
    prepare_ultrasound(out, shared)
    prepare_speech(out, shared)


@app.command()
def train(
    out: Out,
    *,
    domains: str = "simulated,ultrasound",
    arms: str = ";".join(ARMS),
    seeds: str = "0,1,2",
    longer: Longer = 1,
) -> None:
    """Trains arms, those of a seed one after the other, and keeps their weights."""
    torch.set_num_threads(1)
    for pairs, run in _runs(out, domains, arms, seeds, longer):
        training = run.training(pairs, out)
        if training.steps >= run.steps:
            continue
        training.run(steps=run.steps)
        row = {
            **run.told,
            "cpu_seconds": round(training.seconds, 1),
            "steps": training.steps,
            "first_loss": round(float(np.mean(training.losses[:20])), 4),
            "last_loss": round(float(np.mean(training.losses[-50:])), 4),
        }
        append(out / "training.csv", row)
        print(*row.values(), flush=True)


@app.command()
def evaluate(
    out: Out,
    *,
    domains: str = "simulated,ultrasound",
    arms: str = ";".join(ARMS),
    seeds: str = "0,1,2",
    longer: Longer = 1,
) -> None:
    """Hidden words and cubes, and retrieval, of all networks that are trained, of untrained ones, and of baselines."""
    torch.set_num_threads(1)
    measured, ranks = Sheet(out / "measured.csv"), Sheet(out / "ranks.csv")
    searched: dict[Path, Searched] = {}
    for pairs, run in _runs(out, domains, f"{UNTRAINED};{arms}", seeds, longer):
        method = run.trained(pairs, out)
        if method is None or ranks.has(run.told):
            continue
        if pairs.source not in searched:
            searched[pairs.source] = Searched(pairs)
        found = searched[pairs.source]
        if run.arm == UNTRAINED and run.seed == 0:
            for name, similarity in found.of_baselines().items():
                ranks.add({**run.told, "arm": name, "by": "baseline"}, found.rank(similarity))
        elif run.arm != UNTRAINED:
            for ratio in RATIOS:
                measured.add(run.told, hidden_parts(method, pairs, ratio=ratio))
        for by, similarity in found.of_network(method).items():
            ranks.add({**run.told, "by": by}, found.rank(similarity))
        print(*run.told.values(), flush=True)


class Sheet:
    """A table that grows by whole runs."""

    def __init__(self, path: Path) -> None:
        self.path, self.done = path, set[tuple[str, ...]]()
        if path.exists():
            with path.open() as file:
                self.done = {tuple(row[key] for key in Run.keys) for row in csv.DictReader(file)}

    def has(self, told: Mapping[str, Any]) -> bool:
        """Whether a run is in it."""
        return tuple(str(told[key]) for key in Run.keys) in self.done

    def add(self, told: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of a run."""
        for row in rows:
            append(self.path, {**told, **row})


def _runs(out: Path, domains: str, arms: str, seeds: str, longer: int) -> Iterator[tuple[Pairs, Run]]:
    known: dict[tuple[str, int], Pairs] = {}
    for seed, domain in product(map(int, seeds.split(",")), domains.split(",")):
        for fold, arm in product(range(DOMAINS[domain].folds), arms.split(";")):
            if (domain, fold) not in known:
                known[domain, fold] = Pairs(out, domain, fold)
            yield known[domain, fold], Run(domain, arm, fold, seed, longer)


if __name__ == "__main__":
    app()
