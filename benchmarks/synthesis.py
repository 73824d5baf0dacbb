"""Does pre-training help to synthesise a missing MR contrast, and how few pairs suffice?

For each fold, held-out patients are seen by nothing. Edge-MAE pre-trains on all contrasts of all training patients;
then, for each share of *paired* training patients, contestants learn source -> target with the same steps, batches and
optimiser: MT-UNet on the pre-trained encoder (with feature consistency), MT-UNet from scratch (without: there is
nothing to judge with), and MONAI's U-Net with as much arithmetic a step and the same L1 loss. The source itself, with
its histogram matched to the training targets, stands beside them. Scores are of the packed slices of held-out patients
(8 bits, at the network's size), pooled to one row a patient; of every contestant's pictures what is background in the
source is background, as in inference. Nothing is augmented (some hundred steps are too few to learn what quarter turns
add), and each network has a learning rate that was tried on the training patients of the simulated cohort.

    python benchmarks/synthesis.py pack PREPARED... --contrasts T1,T2,FLAIR --size 192 --out real.npz
    python benchmarks/synthesis.py run real.npz --fold 0 --out results.csv        # leave one patient out
    python benchmarks/synthesis.py run cohort.npz --folds 5 --fold 0 --seed 1 --out results.csv
    python benchmarks/synthesis_report.py results.csv...
"""

from __future__ import annotations

import csv
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from graphed import Stepper
from skimage.exposure import match_histograms
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.evaluate.synthesis.similarity import similarity
from medmae.masking import Mask
from medmae.methods.edge_mae import EdgeMAE
from medmae.methods.mt_unet import MTUNet

FIELDS = ("data", "seed", "fold", "subject", "variant", "fraction", "region", "psnr", "ssim", "nmse", "mae", "seconds")
PEAK = {"MT-UNet, pre-trained": 6e-4, "MT-UNet, from scratch": 6e-4, "MONAI U-Net": 1e-3}
app = typer.Typer(add_completion=False)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Sizes:
    """Of all networks of a run.

    Attributes:
        image: Edge in pixels.
        patch: Edge of a patch.
        unet: Options of the U-Net of MT-UNet.
        channels: Widths of MONAI's U-Net, so that both do about as much arithmetic.
    """

    image: int
    patch: int
    unet: dict[str, Any]
    channels: tuple[int, ...]

    @property
    def encoder(self) -> dict[str, Any]:
        """Options that Edge-MAE and MT-UNet share."""
        return {"image_size": self.image, "patch_size": self.patch, "embed_dim": 128, "depth": 6, "num_heads": 4}


SIZES = {
    96: Sizes(96, 12, {"unet_depths": (2, 2), "unet_heads": (4, 8)}, (40, 80, 160, 320)),
    192: Sizes(192, 12, {"unet_depths": (2, 2, 2), "unet_heads": (4, 8, 8)}, (50, 100, 200, 400)),
}


@dataclass(frozen=True)
class Pack:
    """Slices of all patients: ``images`` ``(K, C, S, S)`` uint8, ``subjects`` ``(K,)``; a missing contrast is 0."""

    name: str
    images: np.ndarray
    subjects: np.ndarray
    contrasts: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Pack:
        """As :func:`pack` wrote it."""
        with np.load(path, allow_pickle=False) as file:
            return cls(path.stem, file["images"], file["subjects"], tuple(file["contrasts"].tolist()))

    def of(self, subjects: list[str], contrast: str) -> Tensor:
        """Slices ``(K, 1, S, S)`` in [0, 1] on the device."""
        rows = np.isin(self.subjects, subjects)
        found = torch.from_numpy(self.images[rows, self.contrasts.index(contrast)]).to(DEVICE)
        return found.float().div_(255).unsqueeze(1)


@app.command()
def pack(
    prepared: Annotated[list[Path], typer.Argument(help="Folders of medmae prep mr.")],
    contrasts: str = "T1,T2,FLAIR",
    size: int = 192,
    per_case: Annotated[int, typer.Option(help="At most so many slices of a case, evenly spread.")] = 60,
    out: Path = Path("pack.npz"),
) -> None:
    """Puts slices of prepared data sets into one file of 8-bit images, for machines that have nothing but torch."""
    from medmae.data import Samples, Slices, Stacks

    names = contrasts.split(",")
    images, subjects = [], []
    for folder in prepared:
        data = Samples(
            source=folder, view=Stacks(cut=Slices(size=size, min_foreground=0.05), contrasts=names), split=None
        )
        cases: dict[str, list[int]] = {}
        for index in range(len(data)):
            cases.setdefault(str(data.describe(index)["case"]), []).append(index)
        for members in cases.values():
            for index in np.linspace(0, len(members) - 1, min(per_case, len(members))).round().astype(int):
                images.append((data[members[index]]["image"] * 255).round().byte().numpy())
                subjects.append(str(data.describe(members[index])["subject"]))
    np.savez_compressed(out, images=np.stack(images), subjects=np.array(subjects), contrasts=np.array(names))
    print(f"{out}: {len(images)} slices of {len(set(subjects))} patients, {out.stat().st_size / 1e6:.1f} MB")


def rates(steps: int, *, peak: float) -> Iterator[float]:
    """Linear warm-up over a tenth of the steps, then a cosine to a hundredth, as in the published fine-tuning."""
    warm = max(steps // 10, 1)
    for step in range(steps):
        share = (step - warm) / max(steps - warm, 1)
        yield peak * (step + 1) / warm if step < warm else peak * (0.01 + 0.495 * (1 + np.cos(np.pi * share)))


def batches(count: int, size: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    """Shuffled indices, epoch after epoch, all batches of one size."""
    while True:
        order = torch.randperm(count, generator=generator)
        order = order.repeat(-(-size // count))  # a single patient may have fewer slices than a batch
        yield from (part for part in order.split(size) if len(part) == size)


def pretrain(slices: Tensor, sizes: Sizes, *, steps: int, batch: int, seed: int, plain: bool) -> EdgeMAE:
    """Edge-MAE on slices ``(K, 1, S, S)`` of all contrasts."""
    torch.manual_seed(seed)
    decoder = {"decoder_dim": 128, "decoder_depth": 2, "decoder_heads": 4}
    method = EdgeMAE(**sizes.encoder, **decoder).to(DEVICE)
    num_tokens = method.patches.num_tokens

    def loss(data: dict[str, Tensor]) -> Tensor:
        return method({"image": data["image"]}, masks={"image": Mask(data["visible"], data["masked"], num_tokens)}).loss

    step, generator = Stepper(method, loss, betas=(0.9, 0.95), plain=plain), torch.Generator().manual_seed(seed)
    order = batches(len(slices), batch, generator=generator)
    for rate, index in zip(rates(steps, peak=1e-3), order, strict=False):
        image = slices[index.to(DEVICE)]
        mask = method.draw_masks({"image": image}, generator=generator)["image"]
        step({"image": image, "visible": mask.visible, "masked": mask.masked}, lr=rate)
    return method


def contestant(variant: str, sizes: Sizes, pretrained: EdgeMAE) -> tuple[nn.Module, Callable[[Tensor], Tensor], Any]:
    """Network, how it predicts, and its loss of a batch."""
    if variant == "MONAI U-Net":
        from monai.networks.nets import UNet

        steps = (2,) * (len(sizes.channels) - 1)
        net = UNet(
            spatial_dims=2, in_channels=1, out_channels=1, channels=sizes.channels, strides=steps, num_res_units=2
        )
        net.to(DEVICE)
        return net, net, lambda data: 1e4 * F.l1_loss(net(data["image"]), data["target"])
    known = variant == "MT-UNet, pre-trained"
    method = MTUNet(**sizes.encoder, **sizes.unet, feature_weight=1.0 if known else 0.0, initial_brightness=0.15).to(
        DEVICE
    )
    if known:
        method.encoder.load_state_dict(pretrained.encoder.state_dict())
        method.feature_extractor.load_state_dict(pretrained.encoder.state_dict())
    return method, method.synthesise, lambda data: method(data).loss


def train(
    variant: str,
    pairs: tuple[Tensor, Tensor],
    sizes: Sizes,
    pretrained: EdgeMAE,
    *,
    steps: int,
    batch: int,
    seed: int,
    plain: bool,
) -> Callable[[Tensor], Tensor]:
    """The trained contestant's way to predict."""
    torch.manual_seed(seed)
    net, predict, loss = contestant(variant, sizes, pretrained)
    step, generator = Stepper(net, loss, plain=plain), torch.Generator().manual_seed(seed)
    source, target = pairs
    order = batches(len(source), batch, generator=generator)
    for rate, index in zip(rates(steps, peak=PEAK[variant]), order, strict=False):
        index = index.to(DEVICE)
        step({"image": source[index], "target": target[index]}, lr=rate)
    net.eval()
    count = sum(p.numel() for p in net.parameters() if p.requires_grad)
    print(f"{variant}: {count / 1e6:.1f} M parameters, last loss {float(step.loss):.1f}", flush=True)
    return predict


@torch.no_grad()
def predicted(predict: Callable[[Tensor], Tensor], source: Tensor) -> np.ndarray:
    """Slices ``(K, S, S)``."""
    return torch.cat([predict(part) for part in source.split(32)])[:, 0].float().cpu().numpy()


def without_background(guess: np.ndarray, source: np.ndarray) -> np.ndarray:
    """A picture that is 0 where its source is: a sigmoid never gets there, an L1 loss and a copy do in part."""
    return np.where(source == 0, np.float32(0), guess)


def scores(guess: np.ndarray, truth: np.ndarray) -> list[dict[str, Any]]:
    """Of one patient: the whole image, and where the target has signal."""
    whole = {"region": "whole", **similarity(guess, truth)}
    return [whole, {"region": "brain", **similarity(guess, truth, mask=truth > 0)}]


def split(subjects: list[str], *, folds: int | None, fold: int) -> tuple[list[str], list[str]]:
    """Training and held-out patients: one is left out, or every n-th."""
    if folds is None:
        return [s for i, s in enumerate(subjects) if i != fold], [subjects[fold]]
    return [s for i, s in enumerate(subjects) if i % folds != fold], [
        s for i, s in enumerate(subjects) if i % folds == fold
    ]


@app.command()
def run(
    path: Annotated[Path, typer.Argument(help="What pack wrote.")],
    fold: int = 0,
    folds: Annotated[
        int | None, typer.Option(help="Patients are dealt into so many; one is left out if not given.")
    ] = None,
    seed: int = 0,
    source: str = "T1",
    target: str = "T2",
    fractions: str = "1.0,0.7,0.3",
    variants: str = "MT-UNet, pre-trained;MT-UNet, from scratch;MONAI U-Net",
    pretrain_steps: int = 1500,
    pretrain_batch: int = 64,
    steps: int = 600,
    batch: int = 16,
    plain: Annotated[bool, typer.Option("--plain", help="No CUDA graphs.")] = False,
    out: Path = Path("results.csv"),
) -> None:
    """One fold: appends rows to a CSV."""
    torch.set_float32_matmul_precision("high")
    data = Pack.read(path)
    sizes = SIZES[data.images.shape[-1]]
    learners, held_out = split(sorted(set(data.subjects.tolist())), folds=folds, fold=fold)
    order = np.random.default_rng(seed).permutation(learners).tolist()
    unpaired = torch.cat([data.of(learners, contrast) for contrast in data.contrasts])
    unpaired = unpaired[unpaired.flatten(1).any(dim=1)]
    started = time.perf_counter()
    wanted = "MT-UNet, pre-trained" in variants.split(";")
    pretrained = pretrain(
        unpaired, sizes, steps=pretrain_steps if wanted else 0, batch=pretrain_batch, seed=seed, plain=plain
    )
    print(f"pre-trained on {len(unpaired)} slices in {time.perf_counter() - started:.0f} s", flush=True)
    new = not out.exists()
    with out.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=FIELDS)
        if new:
            writer.writeheader()

        def note(variant: str, fraction: float, predict: Callable[[Tensor], np.ndarray], seconds: float) -> None:
            for subject in held_out:
                truth = data.of([subject], target)[:, 0].cpu().numpy()
                about = {"data": data.name, "seed": seed, "fold": fold, "subject": subject, "variant": variant}
                given = data.of([subject], source)
                guess = without_background(predict(given), given[:, 0].cpu().numpy())
                for row in scores(guess, truth):
                    writer.writerow({**about, "fraction": fraction, "seconds": f"{seconds:.1f}", **row})
            file.flush()

        reference = data.of(learners, target)[:, 0].cpu().numpy()
        note("source, histogram matched", 1.0, lambda x: match_histograms(x[:, 0].cpu().numpy(), reference), 0.0)
        for fraction, variant in itertools.product(map(float, fractions.split(",")), variants.split(";")):
            kept = order[: max(round(fraction * len(order)), 1)]
            pairs = data.of(kept, source), data.of(kept, target)
            started = time.perf_counter()
            predict = train(variant, pairs, sizes, pretrained, steps=steps, batch=batch, seed=seed, plain=plain)
            seconds = time.perf_counter() - started
            note(variant, fraction, lambda x, p=predict: predicted(p, x), seconds)


if __name__ == "__main__":
    app()
