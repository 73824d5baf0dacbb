"""Does MMAE help on real H&E tiles with few labels? Beside an RGB-only MAE of equal cost, none, and colour alone.

Tiles are 112 px. A small ViT (4 x 128, patches of 16: 49 tokens a modality) is pre-trained by MMAE on RGB, hematoxylin
and eosin, and by MAE on RGB alone. Both show 24 tokens, over all modalities together, both rebuild the same two
outputs, see the same tiles in the same order by the same crops, and both spend the same number of floating-point
operations, as torch counts them. Stains are separated once, when tiles are packed, and are not in that account. Then
each encoder, and the same one untrained, is evaluated with few labels: a linear probe and nearest neighbours on frozen
features, and fine-tuning. Mean colour, a histogram of colours and reduced pixels stand beside them. Folds, labels and
classifiers are those of ``medmae.evaluate``; nothing was tuned on these tasks, for there is nothing to tune on.

Tasks: ``breakhis``, benign or malignant, by patient; ``dsb``, whether a tile holds more nuclei than most, by image.
Pre-training sees, without labels, either ``others`` (every source but the task's own: no tile of a tested patient) or
``all`` (the test tiles, too: transductive, and said to be).

    medmae prep wsi wsi/ P/slides --tile 112 --mpp 0.499
    medmae prep tiles nct_crc_he_samples/ P/nct --label-from '^([A-Z]+)-'
    medmae prep tiles breakhis_samples/ P/breakhis --subject-from '_14-([0-9]+)'
    medmae prep tiles dsb2018_stained/images/ P/dsb
    python benchmarks/pathology.py pack P --nuclei dsb2018_stained/labels --out tiles.npz
    python benchmarks/pathology.py run tiles.npz --seeds 3 --out OUT
    python benchmarks/pathology_report.py OUT
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from medmae.allocator import keep_freed_memory
from medmae.data.augment.stain import StainAugment, unit
from medmae.evaluate.classify.estimators import Estimator, OnFeatures
from medmae.evaluate.classify.fine_tune import FineTune
from medmae.evaluate.classify.folds import few_label_folds
from medmae.evaluate.classify.plain_features import describe_images, plain_features
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.evaluate.features.probe import linear_probe, nearest_neighbours
from medmae.kinds import Kind
from medmae.methods.he_mmae import HEMMAE, RGB_OUTPUTS, he_mmae_rgb
from medmae.nn.vit import MaskedViT
from medmae.training.measure import count_flops
from medmae.training.optim import OptimizerSpec
from medmae.training.schedule import WarmupCosine

EDGE = 112
ENCODER = {"image_size": EDGE, "patch_size": 16, "embed_dim": 128, "depth": 4, "num_heads": 4, "num_visible": 24}
DECODER = {"decoder_dim": 64, "decoder_depth": 2, "decoder_heads": 4, "outputs": RGB_OUTPUTS}
METHODS = {"MMAE": HEMMAE, "RGB-only MAE": he_mmae_rgb}
LABELS = {"breakhis": 12, "dsb": 20}  # a benign patient may have 6 tiles only: more labels than 12 there are not
POOLS = ("others", "all")
FITS = ("task", "seed", "fold", "estimator", "tile", "group", "label", "probability")
TRAINED = ("seed", "pool", "method", "tiles", "steps", "epochs", "gflop_a_step", "tflop", "seconds", "loss")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
app = typer.Typer(add_completion=False)


# ----------------------------------------------------------------------------------------------------------------- pack
@app.command()
def pack(
    prepared: Annotated[Path, typer.Argument(help="Folder with slides, nct, breakhis and dsb, as prepared.")],
    nuclei: Annotated[Path, typer.Option(help="Label maps of the nuclei of dsb2018_stained.")],
    out: Annotated[Path, typer.Option(help="An npz.")] = Path("tiles.npz"),
) -> None:
    """Cuts tiles and separates their stains into one file, for machines that have nothing but torch."""
    from medmae.tokens.stains import StainSeparator

    rows = [*_slides(prepared), *_colon(prepared), *_breast(prepared), *_nuclei(prepared, nuclei)]
    sources, groups, labels, images = zip(*rows, strict=True)
    started, separator = time.perf_counter(), StainSeparator()
    found = [separator(image) for image in images]
    seconds = time.perf_counter() - started
    stains = np.stack([np.stack([each.hematoxylin, each.eosin]) for each in found])  # (K, 2, S, S)
    columns = {"source": np.array(sources), "group": np.array(groups), "label": np.array(labels)}
    np.savez_compressed(out, images=np.stack(images), stains=stains, **columns)
    counts = {name: sources.count(name) for name in dict.fromkeys(sources)}
    print(f"{out}: {counts}, stains in {seconds:.0f} s, {sum(bool(each.fit.flag) for each in found)} fall back")


Row = tuple[str, str, str, np.ndarray]  # source, group, label, image (S, S, 3) uint8


def _opened(folder: Path, *, size: int | None) -> Iterator[tuple[dict[str, Any], str, np.ndarray]]:
    """Description, class (or nothing) and image ``(H, W, 3)`` of every tile."""
    from medmae.data import Samples, Tiles

    tiles = Samples(source=folder, view=Tiles(size=size, dtype="uint8"), split=None)
    for index in range(len(tiles)):
        image = torch.as_tensor(tiles[index]["image"]).permute(1, 2, 0).contiguous().numpy()
        label = int(tiles.labels[index])
        yield tiles.describe(index), "" if label < 0 else tiles.classes[label], image


def _corners(image: np.ndarray) -> Iterator[tuple[int, int]]:
    """Of the four tiles about the centre."""
    top, left = (extent // 2 - EDGE for extent in image.shape[:2])
    return ((top + down, left + right) for down in (0, EDGE) for right in (0, EDGE))


def _cut(image: np.ndarray, top: int, left: int) -> np.ndarray:
    return np.ascontiguousarray(image[top : top + EDGE, left : left + EDGE])


def _slides(prepared: Path) -> Iterator[Row]:
    yield from (
        ("slides", str(known["case"]), "", image) for known, _, image in _opened(prepared / "slides", size=EDGE)
    )


def _colon(prepared: Path) -> Iterator[Row]:
    for known, _, image in _opened(prepared / "nct", size=None):
        yield from (("nct", str(known["tile"]), "", _cut(image, *corner)) for corner in _corners(image))


def _breast(prepared: Path) -> Iterator[Row]:
    for known, label, image in _opened(prepared / "breakhis", size=EDGE):
        yield "breakhis", str(known["subject"]), label, image


def _nuclei(prepared: Path, maps: Path) -> Iterator[Row]:
    """Four tiles an image, and whether a tile holds more nuclei (by their centres) than the median."""
    from PIL import Image
    from skimage.measure import regionprops

    cut, counts = [], []
    for known, _, image in _opened(prepared / "dsb", size=None):
        centres = np.array([part.centroid for part in regionprops(np.asarray(Image.open(maps / str(known["tile"]))))])
        for corner in _corners(image):
            counts.append(int(((centres >= corner) & (centres < np.add(corner, EDGE))).all(axis=1).sum()))
            cut.append((str(known["tile"]), _cut(image, *corner)))
    middle = np.median(counts)
    for (name, tile), count in zip(cut, counts, strict=True):
        yield "dsb", name, "many" if count > middle else "few", tile


# ------------------------------------------------------------------------------------------------------------------ run
@dataclass(frozen=True)
class Tiles:
    """``images`` ``(K, 3, S, S)`` and ``stains`` ``(K, 2, S, S)`` uint8 on the device; a column each of names."""

    images: Tensor
    stains: Tensor
    source: np.ndarray
    group: np.ndarray
    label: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Tiles:
        """As :func:`pack` wrote it."""
        with np.load(path, allow_pickle=False) as file:
            images = torch.from_numpy(file["images"]).movedim(-1, 1).contiguous().to(DEVICE)
            stains = torch.from_numpy(file["stains"]).to(DEVICE)
            return cls(images, stains, file["source"], file["group"], file["label"])

    def pool(self, task: str | None) -> np.ndarray:
        """Places of the tiles to pre-train on: all, or all but a task's own."""
        return np.flatnonzero(self.source != (task or ""))

    def batch(self, places: Tensor, *, stained: bool) -> dict[str, Tensor]:
        """In [0, 1], not augmented."""
        found = {"rgb": self.images[places]}
        if stained:
            found |= {"h": self.stains[places, :1], "e": self.stains[places, 1:]}
        return {name: unit(picture) for name, picture in found.items()}


def build(name: str, *, seed: int) -> HEMMAE:
    """A method; of one seed all encoders start alike."""
    torch.manual_seed(seed)
    return METHODS[name](**ENCODER, **DECODER, scale="imagenet").to(DEVICE)


def batches(count: int, size: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    """Shuffled places, epoch after epoch, all batches of one size."""
    while True:
        yield from (part for part in torch.randperm(count, generator=generator).split(size) if len(part) == size)


def pretrain(
    name: str, tiles: Tiles, places: np.ndarray, *, tflop: float, batch: int, lr: float, seed: int
) -> tuple[MaskedViT, dict[str, Any]]:
    """The encoder after ``tflop`` of steps, and what it took."""
    method = build(name, seed=seed)
    stained = len(method.modalities.names) > 1
    order, masks = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1000)
    crops, augment = torch.Generator().manual_seed(seed + 2000), StainAugment(size=EDGE)
    pool = torch.from_numpy(places)
    cost = count_flops(method, tiles.batch(pool[:batch], stained=stained))
    steps = round(tflop * 1e12 / cost)
    schedule = WarmupCosine(warmup_epochs=steps / 10)
    optimizer = OptimizerSpec(base_lr=lr, scale_by_batch=False).build(method, batch_size=batch)
    losses, started = [], time.process_time()
    for step, index in zip(range(steps), batches(len(pool), batch, generator=order), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = schedule.value(step, peak=lr, epochs=steps)
        loss = method(augment(tiles.batch(pool[index], stained=stained), generator=crops), generator=masks).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    row = {"method": name, "tiles": len(pool), "steps": steps, "epochs": round(steps * batch / len(pool), 1)}
    row |= {"gflop_a_step": round(cost / 1e9, 2), "tflop": round(steps * cost / 1e12, 2)}
    row |= {
        "seconds": round(time.process_time() - started, 1),
        "loss": round(float(torch.stack(losses[-50:]).mean()), 4),
    }
    return method.encoder, row


class Task:
    """Labelled tiles of one source, and its estimators of one seed."""

    def __init__(self, name: str, tiles: Tiles, *, tuning: Mapping[str, Any] | None) -> None:
        self.name, self.places = name, np.flatnonzero(tiles.source == name)
        self.images, self.tuning = tiles.images[self.places], tuning
        self.groups = tiles.group[self.places]
        self.classes, labels = np.unique(tiles.label[self.places], return_inverse=True)
        self.labels = labels.astype(np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """``{"rgb": (3, S, S)}`` in [0, 1]."""
        return {"rgb": self.images[number].float().div(255).cpu()}

    def colours(self) -> dict[str, Estimator]:
        """The baselines."""
        found = describe_images([self], by=plain_features(Kind.image()), name="rgb")
        return {
            f"{name}, linear probe": OnFeatures(features=each, model=linear_probe()) for name, each in found.items()
        }

    def estimators(self, name: str, encoder: MaskedViT) -> dict[str, Estimator]:
        """Two classifiers on a frozen encoder, and fine-tuning if there are options for it."""
        extract = FeatureExtractor(encoder=encoder, device=DEVICE)
        features = extract.in_batches(self.images.float().div(255))
        found: dict[str, Estimator] = {
            f"{name}, linear probe": OnFeatures(features=features, model=linear_probe()),
            f"{name}, 5 neighbours": OnFeatures(features=features, model=nearest_neighbours()),
        }
        if self.tuning is not None:
            augment = StainAugment(size=EDGE, modalities=("rgb",))
            options = {"augment": augment, "device": DEVICE, **self.tuning}
            found[f"{name}, fine-tuned"] = FineTune(encoder=encoder, samples=self, **options)
        return found

    def predict(self, estimators: Mapping[str, Estimator], *, folds: int, seed: int) -> Iterator[dict[str, Any]]:
        """A row a tested tile of every fit; the probability is that of the second class."""
        drawn = few_label_folds(
            self.labels,
            groups=self.groups,
            each=LABELS[self.name] // len(self.classes),
            folds=folds,
            seed=seed,
            validate=False,
        )
        for name, estimator in estimators.items():
            for number, fold in enumerate(drawn):
                found = estimator(fold, self.labels, task=SingleLabel(classes=self.classes), seed=seed)[:, 1]
                about = {"task": self.name, "seed": seed, "fold": number, "estimator": name}
                for place, probability in zip(fold.test.tolist(), found.tolist(), strict=True):
                    known = {"group": self.groups[place], "label": self.classes[self.labels[place]]}
                    yield {**about, "tile": place, **known, "probability": f"{probability:.6f}"}


class Table:
    """A CSV that grows row by row; a new run goes on with it."""

    def __init__(self, path: Path, fields: Sequence[str]) -> None:
        new = not path.exists()
        self._file = path.open("a", newline="")
        self._writer = csv.DictWriter(self._file, fieldnames=fields)
        if new:
            self._writer.writeheader()

    def add(self, rows: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> None:
        """Written at once."""
        self._writer.writerows(rows)
        self._file.flush()


@app.command()
def run(
    path: Annotated[Path, typer.Argument(help="What pack wrote.")],
    seeds: int = 3,
    first_seed: Annotated[int, typer.Option(help="So that a run can be gone on with.")] = 0,
    tflop: Annotated[float, typer.Option(help="Of each pre-training.")] = 3.0,
    batch: int = 32,
    lr: float = 1e-3,
    folds: int = 5,
    epochs: Annotated[int, typer.Option(help="Of fine-tuning; all labels are one step.")] = 40,
    base_lr: Annotated[float, typer.Option(help="Of fine-tuning, per 256 samples.")] = 8e-3,
    frozen: Annotated[bool, typer.Option("--frozen", help="No fine-tuning: a third less time.")] = False,
    threads: int = 1,
    out: Annotated[Path, typer.Option(help="Receives fits.csv and pretraining.csv.")] = Path("pathology"),
) -> None:
    """Pre-trains and judges, seed after seed."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    out.mkdir(parents=True, exist_ok=True)
    tiles, fits, trained = Tiles.read(path), Table(out / "fits.csv", FITS), Table(out / "pretraining.csv", TRAINED)
    tuning = None if frozen else {"epochs": epochs, "base_lr": base_lr}
    tasks = {name: Task(name, tiles, tuning=tuning) for name in LABELS}
    for seed in range(first_seed, first_seed + seeds):
        for task in tasks.values():
            scratch = task.estimators("from scratch", build("MMAE", seed=seed).encoder)
            fits.add(task.predict({**task.colours(), **scratch}, folds=folds, seed=seed))
        for left_out in (*tasks, None):  # None: all tiles, one pre-training for both tasks
            for name in METHODS:
                places = tiles.pool(left_out)
                encoder, row = pretrain(name, tiles, places, tflop=tflop, batch=batch, lr=lr, seed=seed)
                trained.add([{"seed": seed, "pool": f"without {left_out}" if left_out else "all", **row}])
                print(seed, left_out, *row.values(), flush=True)
                for task in (tasks[left_out],) if left_out else tasks.values():
                    label = f"{name} ({POOLS[left_out is None]})"
                    fits.add(task.predict(task.estimators(label, encoder), folds=folds, seed=seed))


if __name__ == "__main__":
    app()
