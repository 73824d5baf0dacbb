"""What makes a missing MR contrast best in a given time, and does a pre-trained encoder help with it?

For each fold, held-out patients are seen by nothing. Edge-MAE pre-trains on all contrasts of all training patients;
then, for each share of *paired* training patients, every network learns source -> target for the same time with the
same batches, optimiser and loss: the practical form of MT-UNet on the pre-trained encoder (trained on, or frozen),
with a fresh one (trained, or frozen as it was drawn), and without any; and MONAI's U-Net. Time is that of one thread of
the process itself on a CPU, whose cores others may use, and of the clock on a GPU. What needs no network stands beside
them: a table of grey values and a regression on neighbourhoods. Scores are of the packed slices of held-out patients
(8 bits), pooled to one row a patient and region; of every contestant's pictures what is background in the source is
background, as in inference. Nothing is augmented. Blockiness is the larger one of the encoder's patches and of the
coarsest pixels of convolutions.

    python benchmarks/synthesis.py real.npz --fold 0 --out results.csv        # leave one patient out; resumes
    python benchmarks/synthesis.py cohort.npz --folds 3 --fold 0 --seeds 0,1,2 --out results.csv
    python benchmarks/synthesis.py cohort.npz --folds 3 --fold 0 --source T1+FLAIR --out results.csv
    python benchmarks/synthesis_report.py results.csv...

What it reads is made by ``benchmarks/synthesis_pack.py``.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from synthesis_networks import VARIANTS, Given, Predict, edge_mae, pretrain, train
from synthesis_pack import Pack, PackedCases
from torch import Tensor

from medmae.evaluate.synthesis.baselines import JOINT, PATCH, TABLE, Baselines
from medmae.evaluate.synthesis.similarity import blockiness, similarity
from medmae.evaluate.synthesis.task import Task
from medmae.methods.edge_mae import EdgeMAE

KEY = ("data", "source", "seed", "fold", "variant", "fraction")
FIELDS = (*KEY, "subject", "region", "psnr", "ssim", "nmse", "mae", "blockiness", "steps", "seconds")
WITHOUT_NETWORK = {TABLE: "table of grey values", JOINT: "joint table", PATCH: "regression on neighbourhoods"}


@torch.no_grad()
def predicted(predict: Predict, source: Tensor) -> np.ndarray:
    """Slices ``(K, S, S)``."""
    return torch.cat([predict(part) for part in source.split(32)])[:, 0].float().cpu().numpy()


def scores(guess: np.ndarray, truth: np.ndarray, lesion: np.ndarray, extents: tuple[int, ...]) -> list[dict[str, Any]]:
    """Of one patient: the whole image, where the target has signal, and inside lesions where any are marked."""
    regions = {"whole": None, "brain": truth > 0, **({"lesion": lesion} if lesion.any() else {})}
    rows = [{"region": name, **similarity(guess, truth, mask=mask)} for name, mask in regions.items()]
    rows[1]["blockiness"] = max(blockiness(guess, truth, patch=extent) for extent in extents)
    return rows


def split(subjects: list[str], *, folds: int | None, fold: int) -> tuple[list[str], list[str]]:
    """Training and held-out patients: one is left out, or every n-th."""
    held_out = [subjects[fold]] if folds is None else [s for i, s in enumerate(subjects) if i % folds == fold]
    return [s for s in subjects if s not in held_out], held_out


def known(path: Path) -> set[tuple[str, ...]]:
    """Runs that a CSV holds."""
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {tuple(row[name] for name in KEY) for row in csv.DictReader(file)}


def append(path: Path, rows: list[dict[str, Any]]) -> None:
    """Rows of one run, at once."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=FIELDS)
        if new:
            writer.writeheader()
        writer.writerows(rows)


@dataclass(frozen=True)
class Fold:
    """What runs of a fold share: its patients, what is made of what, and where its rows go."""

    data: Pack
    number: int
    learners: list[str]
    held_out: list[str]
    sources: tuple[str, ...]
    target: str
    given: Given
    out: Path

    def source(self, subjects: list[str]) -> Tensor:
        """Input of the networks, ``(K, channels, S, S)``."""
        if self.given.told:
            return self.data.stacks(subjects, self.sources)
        return self.data.of(subjects, self.sources[0], neighbours=self.given.neighbours)

    def encoder(self, *, seconds: float, batch: int, plain: bool) -> EdgeMAE:
        """Pre-trained on its learners, once: kept beside the rows."""
        path = self.out.with_name(f"{self.out.stem}-{self.data.name}-{self.number}.pt")
        if not path.exists():
            images = torch.cat([self.data.of(self.learners, contrast) for contrast in self.data.contrasts])
            images = images[images.flatten(1).any(dim=1)]
            torch.save(pretrain(images, seconds=seconds, batch=batch, plain=plain).state_dict(), path)
        method = edge_mae()
        method.load_state_dict(torch.load(path, weights_only=True))
        return method

    def note(self, about: dict[str, object], predict: Callable[[Tensor], np.ndarray]) -> None:
        """Adds the scores of a run on every held-out patient."""
        rows, edge = [], self.data.size
        extents = (edge * edge_mae().patches.patch[0] // edge_mae().patches.size[0], 8)
        for subject in self.held_out:
            image = self.source([subject])
            truth = self.data.of([subject], self.target)[:, 0].cpu().numpy()
            shown = self.given.own(image).ne(0).any(dim=1).cpu().numpy()  # a sigmoid never reaches the background's 0
            guess = np.where(shown, predict(image), np.float32(0))
            lesion = self.data.lesions[self.data.subjects == subject]
            rows += [{**about, "subject": subject, **row} for row in scores(guess, truth, lesion, extents)]
        append(self.out, rows)


def baseline(baselines: Baselines, name: str, task: Task, given: Given, source: Tensor) -> np.ndarray:
    """What one of them makes of slices ``(K, channels, S, S)``: ``(K, S, S)``."""
    made = baselines(task, given.own(source).cpu().numpy())[name]
    assert made is not None
    return made


def main(
    path: Annotated[Path, typer.Argument(help="What synthesis_pack.py wrote.")],
    fold: int = 0,
    folds: Annotated[
        int | None, typer.Option(help="Patients are dealt into so many; one is left out if not given.")
    ] = None,
    seeds: str = "0",
    source: Annotated[str, typer.Option(help="One contrast, or several joined by +.")] = "T1",
    target: str = "T2",
    fractions: str = "1.0",
    variants: str = ";".join(VARIANTS),
    pretrain_seconds: float = 180,
    pretrain_batch: int = 32,
    seconds: float = 180,
    batch: int = 4,
    neighbours: Annotated[int, typer.Option(help="Slices on each side that every network sees; of one contrast.")] = 3,
    plain: Annotated[bool, typer.Option("--plain", help="No CUDA graphs.")] = False,
    out: Path = Path("results.csv"),
) -> None:
    """One fold: appends rows to a CSV, but for runs that stand there already."""
    torch.set_float32_matmul_precision("high")
    torch.set_num_threads(1)  # what a process takes of a shared CPU is then what it computes
    data = Pack.read(path)
    patients, sources = split(sorted(set(data.subjects.tolist())), folds=folds, fold=fold), tuple(source.split("+"))
    several = {"told": tuple(name in sources for name in data.contrasts), "output": data.contrasts.index(target)}
    given = Given(data.size, **(several if len(sources) > 1 else {"neighbours": neighbours}))  # type: ignore[arg-type]
    of_fold = Fold(data, fold, *patients, sources, target, given, out)
    done = known(out)
    for seed, fraction in itertools.product(map(int, seeds.split(",")), map(float, fractions.split(","))):
        order = np.random.default_rng(seed).permutation(of_fold.learners).tolist()
        kept = order[: max(round(fraction * len(order)), 1)]
        about = {"data": data.name, "source": source, "seed": seed, "fold": fold, "fraction": fraction}

        def is_known(variant: str, about: dict[str, object] = about) -> bool:
            return tuple(str({**about, "variant": variant}[name]) for name in KEY) in done

        cases = PackedCases(data, kept, sources, target)
        baselines = Baselines(train=cases)  # type: ignore[arg-type]
        for name in baselines.names:
            shown = WITHOUT_NETWORK[name]
            if not is_known(shown) and (fraction < 1 or seed == int(seeds[0])):  # of all pairs they know no chance
                made = partial(baseline, baselines, name, cases.tasks()[0], given)
                of_fold.note({**about, "variant": shown}, made)
        pairs = of_fold.source(kept), data.of(kept, target)
        for variant in itertools.filterfalse(is_known, variants.split(";")):
            pretrained = None
            if "pre-trained" in variant:
                pretrained = of_fold.encoder(seconds=pretrain_seconds, batch=pretrain_batch, plain=plain)
            learn = {"seconds": seconds, "batch": batch, "seed": seed, "plain": plain}
            predict, steps = train(variant, pairs, given, pretrained, **learn)
            cost = {"variant": variant, "steps": steps, "seconds": seconds}
            of_fold.note({**about, **cost}, lambda x, p=predict: predicted(p, x))


if __name__ == "__main__":
    typer.run(main)
