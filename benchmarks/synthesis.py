"""What makes a missing MR contrast best in a given time, and does a pre-trained encoder help with it?

For each fold, held-out patients are seen by nothing. Edge-MAE pre-trains on all contrasts of all training patients;
then, for each share of *paired* training patients, every network learns source -> target for the same time with the
same batches, optimiser and L1 loss: the practical form of MT-UNet on the pre-trained encoder, with a fresh one, and
without any; the published form; and MONAI's U-Net. Time is that of one thread of the process itself on a CPU, whose
cores others may use, and of the clock on a GPU. What needs no network stands beside them: a table of grey values and a
regression on neighbourhoods. Scores are of the packed slices of held-out patients (8 bits, at the network's size),
pooled to one row a patient and region; of every contestant's pictures what is background in the source is background,
as in inference. Nothing is augmented. Blockiness is the larger one of the encoder's patches and of the coarsest pixels
of convolutions.

    python benchmarks/synthesis.py pack PREPARED... --contrasts T1,T2,FLAIR --size 96 --out real.npz
    python benchmarks/synthesis.py run real.npz --fold 0 --out results.csv        # leave one patient out; resumes
    python benchmarks/synthesis.py run cohort.npz --folds 3 --fold 0 --seeds 0,1,2 --out results.csv
    python benchmarks/synthesis_report.py results.csv...
"""

from __future__ import annotations

import csv
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import torch
import typer
from graphed import Stepper
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.data.contrasts import label_kind
from medmae.data.evenly import evenly
from medmae.data.volumes.slices import around
from medmae.evaluate.synthesis.baselines import PATCH, TABLE, Baselines
from medmae.evaluate.synthesis.similarity import blockiness, similarity
from medmae.evaluate.synthesis.task import Task
from medmae.masking import Mask
from medmae.methods.edge_mae import EdgeMAE
from medmae.methods.mt_unet import MTUNet
from medmae.nn.conv_unet import ConvUNet
from medmae.weights.kernels import adapt_channels

Predict = Callable[[Tensor], Tensor]

KEY = ("data", "seed", "fold", "variant", "fraction")
FIELDS = (*KEY, "subject", "region", "psnr", "ssim", "nmse", "mae", "blockiness", "steps", "seconds")
FORM, PUBLISHED, RIVAL = "practical", "MT-UNet as published", "MONAI U-Net"
VARIANTS = (
    f"{FORM}, pre-trained",
    f"{FORM}, from scratch",
    f"{FORM}, no ViT",
    f"{PUBLISHED}, pre-trained",
    f"{PUBLISHED}, from scratch",
    RIVAL,
)
PEAK = {FORM: 2e-3, PUBLISHED: 6e-4, RIVAL: 4e-3}
COARSEST = 8  # pixels that one of the coarsest stage of either convolutional network stands for
WITHOUT_NETWORK = {TABLE: "table of grey values", PATCH: "regression on neighbourhoods"}
app = typer.Typer(add_completion=False)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Sizes:
    """Of all networks of a run.

    Attributes:
        image: Edge in pixels.
        patch: Edge of a patch.
        unet: Options of the U-Nets of MT-UNet.
    """

    image: int
    patch: int
    unet: dict[str, Any]

    @property
    def encoder(self) -> dict[str, Any]:
        """Options that Edge-MAE and MT-UNet share."""
        return {"image_size": self.image, "patch_size": self.patch, "embed_dim": 128, "depth": 6, "num_heads": 4}


NARROW = (8, 16, 32, 64)  # in minutes on a CPU more steps are worth more than width
SIZES = {
    96: Sizes(96, 12, {"unet_depths": (2, 2), "unet_heads": (4, 8), "conv_channels": NARROW}),
    192: Sizes(192, 12, {"unet_depths": (2, 2, 2), "unet_heads": (4, 8, 8), "conv_channels": NARROW}),
}


@dataclass(frozen=True)
class Pack:
    """Slices of all patients, case by case.

    Attributes:
        name: Of the file.
        images: ``(K, C, S, S)`` uint8; a missing contrast is 0.
        lesions: ``(K, S, S)`` bool.
        cases: ``(K,)``.
        subjects: ``(K,)``.
        contrasts: Names of the channels.
    """

    name: str
    images: np.ndarray
    lesions: np.ndarray
    cases: np.ndarray
    subjects: np.ndarray
    contrasts: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Pack:
        """As :func:`pack` wrote it."""
        with np.load(path, allow_pickle=False) as file:
            parts = (file[name] for name in ("images", "lesions", "cases", "subjects"))
            return cls(path.stem, *parts, tuple(file["contrasts"].tolist()))

    def of(self, subjects: list[str], contrast: str, *, neighbours: int = 0) -> Tensor:
        """Slices ``(K, 1 + 2 * neighbours, S, S)`` in [0, 1] on the device."""
        volumes = [self.volume(case, contrast) for case in self.cases_of(subjects)]
        return torch.cat(
            [volume[around(range(len(volume)), neighbours=neighbours, count=len(volume))] for volume in volumes]
        )

    def volume(self, case: str, contrast: str) -> Tensor:
        """Slices ``(K, S, S)`` in [0, 1] on the device."""
        found = self.images[self.cases == case, self.contrasts.index(contrast)]
        return torch.from_numpy(found).to(DEVICE).float().div_(255)

    def cases_of(self, subjects: list[str]) -> list[str]:
        """Their names, as they lie in the file."""
        return list(dict.fromkeys(self.cases[np.isin(self.subjects, subjects)].tolist()))


@dataclass(frozen=True)
class PackedCases:
    """Packed slices of some patients as cases, a volume each, for the baselines that an evaluation fits."""

    data: Pack
    subjects: list[str]
    source: str
    target: str

    def tasks(self) -> list[Task]:
        """One a case."""
        pair = {"channels": (self.source,), "sources": (self.source,), "target": self.target}
        return [Task(row={"case": case}, **pair) for case in self.data.cases_of(self.subjects)]  # type: ignore[arg-type]

    def read(self, task: Task) -> Any:
        """``image`` ``(S, 1, H, W)`` and ``real`` ``(S, H, W)``."""
        image, real = (self.data.volume(task.row["case"], name).cpu().numpy() for name in (self.source, self.target))
        return SimpleNamespace(image=image[:, None], real=real)


@app.command()
def pack(
    prepared: Annotated[list[Path], typer.Argument(help="Folders of medmae prep mr.")],
    contrasts: str = "T1,T2,FLAIR",
    size: int = 96,
    per_case: Annotated[int, typer.Option(help="At most so many slices of a case, evenly spread.")] = 60,
    out: Path = Path("pack.npz"),
) -> None:
    """Puts slices of prepared data sets into one file of 8-bit images, for machines that have nothing but torch."""
    from medmae.data import Samples, Slices, Stacks
    from medmae.data.volumes.slices import fit

    names = contrasts.split(",")
    images, lesions, owners, subjects = [], [], [], []
    for folder in prepared:
        data = Samples(
            source=folder, view=Stacks(cut=Slices(size=size, min_foreground=0.05), contrasts=names), split=None
        )
        cases: dict[str, list[int]] = {}
        for index in range(len(data)):
            cases.setdefault(str(data.describe(index)["case"]), []).append(index)
        rows = {row["case"]: row for row in data.source.rows}
        for case, members in cases.items():
            marked = [label["shard"] for label in rows[case]["labels"] if label_kind(label["name"]) == "lesion"]
            for index in np.array(members)[evenly(len(members), per_case)].tolist():
                about, image = data.describe(index), data[index]["image"]
                lesion = torch.zeros(1, size, size)
                if marked:
                    plane = data.source.shards[marked[0]][int(about["slice"])] > 0
                    lesion = fit(torch.from_numpy(plane).float()[None], size=size)
                images.append((image * 255).round().byte().numpy())
                lesions.append((lesion[0] >= 0.5).numpy())
                owners.append(case)
                subjects.append(str(about["subject"]))
    whose = {"cases": np.array(owners), "subjects": np.array(subjects), "contrasts": np.array(names)}
    np.savez_compressed(out, images=np.stack(images), lesions=np.stack(lesions), **whose)
    print(f"{out}: {len(images)} slices of {len(set(subjects))} patients, {out.stat().st_size / 1e6:.1f} MB")


def clock() -> float:
    """Seconds: of this process on a CPU, for others may run there; of the clock on a GPU."""
    return time.process_time() if DEVICE.type == "cpu" else time.perf_counter()


def rates(seconds: float, *, peak: float) -> Iterator[float]:
    """For so long: linear warm-up over a tenth of the time, then a cosine to a hundredth, as in the published code."""
    begin = clock()
    while (share := (clock() - begin) / seconds) < 1:
        cosine = 0.01 + 0.495 * (1 + np.cos(np.pi * (share - 0.1) / 0.9))
        yield peak * (max(share / 0.1, 0.01) if share < 0.1 else cosine)


def batches(count: int, size: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    """Shuffled indices, epoch after epoch, all batches of one size."""
    while True:
        order = torch.randperm(count, generator=generator)
        order = order.repeat(-(-size // count))  # a single patient may have fewer slices than a batch
        yield from (part for part in order.split(size) if len(part) == size)


def edge_mae(sizes: Sizes) -> EdgeMAE:
    """Whose encoder has the sizes of a run."""
    return EdgeMAE(**sizes.encoder, decoder_dim=128, decoder_depth=2, decoder_heads=4)


def pretrain(slices: Tensor, sizes: Sizes, *, seconds: float, batch: int, plain: bool) -> EdgeMAE:
    """Edge-MAE on slices ``(K, 1, S, S)`` of all contrasts."""
    torch.manual_seed(0)
    method = edge_mae(sizes).to(DEVICE)
    num_tokens = method.patches.num_tokens

    def loss(data: dict[str, Tensor]) -> Tensor:
        return method({"image": data["image"]}, masks={"image": Mask(data["visible"], data["masked"], num_tokens)}).loss

    step, generator = Stepper(method, loss, betas=(0.9, 0.95), plain=plain), torch.Generator().manual_seed(0)
    order, steps = batches(len(slices), batch, generator=generator), 0
    for rate, index in zip(rates(seconds, peak=1.5e-3), order, strict=False):
        image = slices[index.to(DEVICE)]
        mask = method.draw_masks({"image": image}, generator=generator)["image"]
        step({"image": image, "visible": mask.visible, "masked": mask.masked}, lr=rate)
        steps += 1
    print(f"pre-trained on {len(slices)} slices: {steps} steps, last loss {float(step.loss):.3f}", flush=True)
    return method


class WithoutViT(nn.Module):
    """The practical form whose encoder says nothing: what its convolutions do alone."""

    def __init__(self, unet: ConvUNet, *, shape: tuple[int, int]) -> None:
        super().__init__()
        self.unet, self.shape = unet, shape

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 1, S, S)`` -> ``(B, 1, S, S)``."""
        return self.unet(image.new_zeros(len(image), *self.shape), image)


def contestant(variant: str, sizes: Sizes, pretrained: EdgeMAE | None, *, neighbours: int) -> tuple[nn.Module, Predict]:
    """A network, and how it predicts."""
    channels = 1 + 2 * neighbours
    if variant == RIVAL:
        from monai.networks.nets import UNet

        shape = {"spatial_dims": 2, "in_channels": channels, "out_channels": 1}
        net = UNet(**shape, channels=(32, 64, 128, 256), strides=(2, 2, 2), num_res_units=2)
        return net, net
    form, _, begin = variant.partition(", ")
    decoder = "conv_unet" if form == FORM else "swin_unet"
    ours = {"decoder": decoder, "neighbours": neighbours, "feature_weight": 0.0, "initial_brightness": 0.15}
    method = MTUNet(**sizes.encoder, **sizes.unet, **ours)
    if begin == "no ViT":
        net = WithoutViT(method.unet, shape=(method.encoder.num_tokens, method.encoder.dim))
        return net, net
    if begin == "pre-trained":
        assert pretrained is not None
        state = pretrained.encoder.state_dict()
        kernel = adapt_channels(state["patch_embed.proj.weight"], channels=channels)
        method.encoder.load_state_dict({**state, "patch_embed.proj.weight": kernel})
    return method, method.predict


def train(
    variant: str,
    pairs: tuple[Tensor, Tensor],
    sizes: Sizes,
    pretrained: EdgeMAE | None,
    *,
    seconds: float,
    batch: int,
    neighbours: int,
    seed: int,
    plain: bool,
) -> tuple[Predict, int]:
    """The trained contestant's way to predict, and how many steps it took."""
    torch.manual_seed(seed)
    net, predict = contestant(variant, sizes, pretrained, neighbours=neighbours)
    net.to(DEVICE)
    steps, source, target = 0, *pairs

    def loss(data: dict[str, Tensor]) -> Tensor:
        return 1e4 * F.l1_loss(predict(data["image"]), data["target"])

    step, generator = Stepper(net, loss, plain=plain), torch.Generator().manual_seed(seed)
    order = batches(len(source), batch, generator=generator)
    for rate, index in zip(rates(seconds, peak=PEAK[variant.split(", ")[0]]), order, strict=False):
        index = index.to(DEVICE)
        step({"image": source[index], "target": target[index]}, lr=rate)
        steps += 1
    net.eval()
    count = sum(p.numel() for p in net.parameters() if p.requires_grad)
    print(f"{variant}: {count / 1e6:.1f} M parameters, {steps} steps, last loss {float(step.loss):.1f}", flush=True)
    return predict, steps


@torch.no_grad()
def predicted(predict: Predict, source: Tensor) -> np.ndarray:
    """Slices ``(K, S, S)``."""
    return torch.cat([predict(part) for part in source.split(32)])[:, 0].float().cpu().numpy()


def without_background(guess: np.ndarray, source: np.ndarray) -> np.ndarray:
    """A picture that is 0 where its source is: a sigmoid never gets there, an L1 loss and a copy do in part."""
    return np.where(source == 0, np.float32(0), guess)


def scores(guess: np.ndarray, truth: np.ndarray, lesion: np.ndarray, patch: int) -> list[dict[str, Any]]:
    """Of one patient: the whole image, where the target has signal, and inside lesions where any are marked."""
    regions = {"whole": None, "brain": truth > 0, **({"lesion": lesion} if lesion.any() else {})}
    rows = [{"region": name, **similarity(guess, truth, mask=mask)} for name, mask in regions.items()]
    rows[1]["blockiness"] = max(blockiness(guess, truth, patch=extent) for extent in (patch, COARSEST))
    return rows


def split(subjects: list[str], *, folds: int | None, fold: int) -> tuple[list[str], list[str]]:
    """Training and held-out patients: one is left out, or every n-th."""
    if folds is None:
        return [s for i, s in enumerate(subjects) if i != fold], [subjects[fold]]
    return [s for i, s in enumerate(subjects) if i % folds != fold], [
        s for i, s in enumerate(subjects) if i % folds == fold
    ]


def baseline(baselines: Baselines, name: str, task: Task, source: Tensor) -> np.ndarray:
    """What one of them makes of slices ``(K, 1 + 2 k, S, S)``: ``(K, S, S)``."""
    middle = source.shape[1] // 2
    made = baselines(task, source[:, middle : middle + 1].cpu().numpy())[name]
    assert made is not None
    return made


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
    """What runs of a fold share: its patients, the pair of contrasts, and where its rows go."""

    data: Pack
    number: int
    learners: list[str]
    held_out: list[str]
    source: str
    target: str
    neighbours: int
    out: Path

    @property
    def sizes(self) -> Sizes:
        """Of its networks."""
        return SIZES[self.data.images.shape[-1]]

    def encoder(self, *, seconds: float, batch: int, plain: bool) -> EdgeMAE:
        """Pre-trained on its learners, once: kept beside the rows."""
        path = self.out.with_name(f"{self.out.stem}-{self.data.name}-{self.number}.pt")
        if not path.exists():
            images = torch.cat([self.data.of(self.learners, contrast) for contrast in self.data.contrasts])
            images = images[images.flatten(1).any(dim=1)]
            method = pretrain(images, self.sizes, seconds=seconds, batch=batch, plain=plain)
            torch.save(method.state_dict(), path)
        method = edge_mae(self.sizes)
        method.load_state_dict(torch.load(path, weights_only=True))
        return method

    def note(self, about: dict[str, object], predict: Callable[[Tensor], np.ndarray]) -> None:
        """Adds the scores of a run on every held-out patient."""
        rows = []
        for subject in self.held_out:
            given = self.data.of([subject], self.source, neighbours=self.neighbours)
            truth = self.data.of([subject], self.target)[:, 0].cpu().numpy()
            guess = without_background(predict(given), given[:, self.neighbours].cpu().numpy())
            lesion = self.data.lesions[self.data.subjects == subject]
            rows += [{**about, "subject": subject, **row} for row in scores(guess, truth, lesion, self.sizes.patch)]
        append(self.out, rows)


@app.command()
def run(
    path: Annotated[Path, typer.Argument(help="What pack wrote.")],
    fold: int = 0,
    folds: Annotated[
        int | None, typer.Option(help="Patients are dealt into so many; one is left out if not given.")
    ] = None,
    seeds: str = "0",
    source: str = "T1",
    target: str = "T2",
    fractions: str = "1.0,0.3",
    variants: str = ";".join(VARIANTS),
    pretrain_seconds: float = 180,
    pretrain_batch: int = 32,
    seconds: float = 180,
    batch: int = 8,
    neighbours: Annotated[int, typer.Option(help="Slices on each side that every network sees, too.")] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="No CUDA graphs.")] = False,
    out: Path = Path("results.csv"),
) -> None:
    """One fold: appends rows to a CSV, but for runs that stand there already."""
    torch.set_float32_matmul_precision("high")
    torch.set_num_threads(1)  # what a process takes of a shared CPU is then what it computes
    data = Pack.read(path)
    patients = split(sorted(set(data.subjects.tolist())), folds=folds, fold=fold)
    of_fold = Fold(data, fold, *patients, source, target, neighbours, out)
    done = known(out)
    for seed, fraction in itertools.product(map(int, seeds.split(",")), map(float, fractions.split(","))):
        order = np.random.default_rng(seed).permutation(of_fold.learners).tolist()
        kept = order[: max(round(fraction * len(order)), 1)]
        about = {"data": data.name, "seed": seed, "fold": fold, "fraction": fraction}

        def is_known(variant: str, about: dict[str, object] = about) -> bool:
            return tuple(str({**about, "variant": variant}[name]) for name in KEY) in done

        cases = PackedCases(data, kept, source, target)
        baselines = Baselines(train=cases)  # type: ignore[arg-type]
        for name, shown in WITHOUT_NETWORK.items():
            if not is_known(shown) and (fraction < 1 or seed == int(seeds[0])):  # of all pairs they know no chance
                made = partial(baseline, baselines, name, cases.tasks()[0])
                of_fold.note({**about, "variant": shown}, made)
        pairs = data.of(kept, source, neighbours=neighbours), data.of(kept, target)
        for variant in itertools.filterfalse(is_known, variants.split(";")):
            pretrained = None
            if variant.endswith("pre-trained"):
                pretrained = of_fold.encoder(seconds=pretrain_seconds, batch=pretrain_batch, plain=plain)
            learn = {"seconds": seconds, "batch": batch, "neighbours": neighbours, "seed": seed, "plain": plain}
            predict, steps = train(variant, pairs, of_fold.sizes, pretrained, **learn)
            cost = {"variant": variant, "steps": steps, "seconds": seconds}
            of_fold.note({**about, **cost}, lambda x, p=predict: predicted(p, x))


if __name__ == "__main__":
    app()
