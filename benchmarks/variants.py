"""Time to accuracy: what do the faster variants of MAE (not the same maths) give for the same seconds of training?

All contestants of a seed live in one process, start from the same encoder, see the same batches in the same order and
take turns of a few seconds each, so that the noise of the machine hits all alike. A contestant's clock counts its own
training steps only, in CPU seconds of one thread: what a wall clock shows on a quiet machine. At fixed times of that
clock its frozen encoder is probed with few labels: nearest neighbours and a linear probe on the mean of the patch
tokens, averaged over several draws of the labelled images. Raw pixels and the untrained encoder (0 seconds) stand
beside them. The learning rate is one for all and constant after a warm-up, so that no contestant's schedule knows the
end. Images are split at random: a data set without patient names cannot be split better, so accuracies are for
comparing contestants, not for quoting.

    python benchmarks/variants.py --data IMAGES.zip --out OUT --seconds 120 --seeds 3

IMAGES is a zip with one folder of pictures a class, or an npz with ``images`` and ``labels``. Writes OUT/results.csv as
it goes, and OUT/summary.md and OUT/curves.png at the end (``benchmarks/variants_report.py OUT`` writes them again).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, TextIO

import numpy as np
import torch
import typer
from image_sets import ImageSet, read_at_random
from race import Contestant, race
from torch import Tensor
from variants_report import report

from medmae.evaluate.features.probe import linear_probe, nearest_neighbours
from medmae.methods.mae import MAE

FIELDS = ("variant", "seed", "time", "seconds", "steps", "samples_per_second", "knn", "probe")


def contestants(dim: int, depth: int, heads: int) -> dict[str, dict[str, Any]]:
    """Constructor options of each, given the plain decoder's sizes."""
    half = {"decoder_dim": dim // 2, "decoder_depth": depth // 2, "decoder_heads": heads}
    return {
        "plain": {},
        "subset_0.5": {"decode_share": 0.5},
        "subset_0.25": {"decode_share": 0.25},
        "cross": {"decoder": "cross"},
        "cross_0.25": {"decoder": "cross", "decode_share": 0.25},
        "small": half,
        "small_cross_0.25": {**half, "decoder": "cross", "decode_share": 0.25},
    }


class Judge:
    """Few-label accuracy of features, over the same draws of labelled images for everyone."""

    def __init__(self, data: ImageSet, *, per_class: int, draws: int) -> None:
        self.data, self.draws = data, []
        for seed in range(draws):
            rng = np.random.default_rng(seed)
            classes = [np.flatnonzero(data.pool_labels == name) for name in np.unique(data.pool_labels)]
            self.draws.append(np.concatenate([rng.choice(members, per_class, replace=False) for members in classes]))
        self.labelled = np.unique(np.concatenate(self.draws))

    def __call__(self, features_of: Callable[[Tensor], np.ndarray]) -> dict[str, float]:
        """Accuracy in percent of both probes, averaged over the draws."""
        labelled, test = features_of(self.data.pool[self.labelled]), features_of(self.data.test)
        scores: dict[str, list[float]] = {"knn": [], "probe": []}
        for members in self.draws:
            known = labelled[np.searchsorted(self.labelled, members)], self.data.pool_labels[members]
            for name, model in (("knn", nearest_neighbours()), ("probe", linear_probe())):
                scores[name].append(float(model.fit(*known).score(test, self.data.test_labels)))
        return {name: round(100 * float(np.mean(values)), 3) for name, values in scores.items()}


def write_rows(file: TextIO, judge: Judge, fields: Iterable[list[Contestant]], marks: list[float], turn: float) -> None:
    """Raw pixels first, then every probe of every race as it happens."""
    writer = csv.DictWriter(file, fieldnames=FIELDS)
    writer.writeheader()
    writer.writerow({"variant": "raw pixels", **judge(lambda images: images.flatten(1).numpy())})
    for field in fields:
        untrained = judge(field[0].features)  # all start from one encoder: judging it once is enough
        writer.writerows({**contestant.about(0.0), **untrained} for contestant in field)
        for mark, contestant in race(field, marks=marks, turn=turn):
            row = {**contestant.about(mark), **judge(contestant.features)}
            writer.writerow(row)
            file.flush()
            print(*row.values(), flush=True)


def main(
    data: Annotated[Path, typer.Option(help="Zip of class folders, or npz.")],
    out: Annotated[Path, typer.Option(help="Receives results.csv, summary.md and curves.png.")],
    seconds: Annotated[float, typer.Option(help="Training seconds of each contestant and seed.")] = 120.0,
    every: Annotated[float, typer.Option(help="Seconds between probes, by each contestant's own clock.")] = 20.0,
    seeds: int = 3,
    first_seed: Annotated[int, typer.Option(help="So that several machines or cores can share the seeds.")] = 0,
    variants: Annotated[str, typer.Option(help="Separated by commas; all by default.")] = "",
    image_size: int = 64,
    patch_size: int = 8,
    encoder: Annotated[tuple[int, int, int], typer.Option(help="Width, depth, heads.")] = (192, 6, 3),
    decoder: Annotated[tuple[int, int, int], typer.Option(help="The same of the plain decoder.")] = (128, 8, 4),
    batch_size: int = 32,
    lr: float = 1e-3,
    labels_per_class: int = 5,
    draws: int = 5,
    test_images: int = 400,
    turn: float = 2.0,
) -> None:
    """Runs the race once a seed."""
    torch.set_num_threads(1)
    pictures = read_at_random(data, size=image_size, num_test=test_images)
    judge = Judge(pictures, per_class=labels_per_class, draws=draws)
    options = contestants(*decoder)
    chosen = variants.split(",") if variants else list(options)
    sizes = dict(zip(("embed_dim", "depth", "num_heads"), encoder, strict=True))
    sizes |= dict(zip(("decoder_dim", "decoder_depth", "decoder_heads"), decoder, strict=True))
    sizes |= {"image_size": image_size, "patch_size": patch_size, "in_channels": pictures.pool.shape[1]}

    def enter(name: str, seed: int) -> Contestant:
        torch.manual_seed(seed)
        method = MAE(**{**sizes, **options[name]})
        return Contestant(name=name, method=method, images=pictures.pool, batch_size=batch_size, lr=lr, seed=seed)

    out.mkdir(parents=True, exist_ok=True)
    marks = [every * (i + 1) for i in range(round(seconds / every))]
    with (out / "results.csv").open("w", newline="") as file:
        fields = ([enter(name, seed) for name in chosen] for seed in range(first_seed, first_seed + seeds))
        write_rows(file, judge, fields, marks, turn)
    report([out])


if __name__ == "__main__":
    typer.run(main)
