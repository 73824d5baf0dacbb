"""Why does a pre-training of minutes show grey heads, and is it the network's fault?

Each variant of the demo's Edge-MAE learns for the same time on slices of all contrasts of some patients; hidden parts
of the middle slices of two others are then filled in: by it, by the harmonic surface, by the mean that a linear
Gaussian model of the same slices gives of what is hidden, and by the mean of the four slices that are nearest in what
is seen. Decibels are means over those slices; ``OUT`` receives a picture of some of them for each variant.

    medmae demo
    python benchmarks/synthesis_pack.py demo/prepared --contrasts T1,T2,FLAIR,PD --size 96 --resize --per-case 72
    python benchmarks/edge_mae_minutes.py pack.npz --seconds 40 --out minutes
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from document import table
from graphed import Stepper
from synthesis_networks import batches, rates
from synthesis_pack import Pack
from torch import Tensor

from medmae.evaluate.reconstruct.baselines import neighbour_fill
from medmae.masking import Mask
from medmae.methods.edge_mae import EdgeMAE, edge_mae_demo

VARIANTS: dict[str, dict[str, Any]] = {
    "the demo's": {},
    "3 times as long": {"longer": 3},
    "2 blocks in the encoder": {"depth": 2},
    "3 and 1 blocks, batches of 8": {"depth": 3, "decoder_depth": 1, "batch": 8},
    "3 blocks, rate 0.003": {"depth": 3, "peak": 3e-3, "betas": (0.9, 0.99)},
    "3 blocks, half hidden": {"depth": 3, "mask_ratio": 0.5},
    "3 blocks, half hidden, patches of 8": {"depth": 3, "mask_ratio": 0.5, "patch_size": 8},
    "positions by chance in the decoder": {"positions": "chance"},
    "positions of short waves": {"positions": "waves"},
}
HOW: dict[str, Any] = {"batch": 16, "peak": 1.5e-3, "betas": (0.9, 0.95), "longer": 1, "positions": None}
SURFACE, GAUSSIAN, CLOSEST = "harmonic surface", "linear Gaussian model", "mean of the nearest four"
SHOWN = slice(38, 50, 4)  # slices of a packed case
COMPONENTS, NOISE, NEAREST = 20, 1e-2, 4


def stand(method: EdgeMAE, how: str | None) -> None:
    """Other positions: of 8 x 8 tokens the published table spans 8 directions, for its waves are long."""
    if how is None:
        return
    rows, columns = method.patches.grid
    for part in (method.decoder,) if how == "chance" else (method.decoder, method.encoder):
        own = part.pos_embed.data[0, 1:]  # (N, D)
        if how == "chance":
            own.copy_(0.5 * torch.randn(own.shape, generator=torch.Generator().manual_seed(3)))
            continue
        waves = own.shape[1] // 4
        rate = 10.0 ** (-torch.arange(waves) / waves) * 0.9 * math.pi
        places = torch.meshgrid(torch.arange(float(rows)), torch.arange(float(columns)), indexing="ij")
        turns = [place.flatten()[:, None] * rate for place in reversed(places)]
        own.copy_(torch.cat([f(turn) for turn in turns for f in (torch.sin, torch.cos)], dim=1))


def trained(slices: Tensor, *, seconds: float, variant: dict[str, Any]) -> tuple[EdgeMAE, int]:
    """The network and its steps."""
    torch.manual_seed(0)
    options, how = {key: variant[key] for key in variant if key not in HOW}, HOW | variant
    method = edge_mae_demo(**options)
    stand(method, how["positions"])
    tokens = method.patches.num_tokens

    def loss(batch: Any) -> Tensor:
        return method({"image": batch["image"]}, masks={"image": Mask(batch["visible"], batch["masked"], tokens)}).loss

    step, generator, steps = Stepper(method, loss, betas=how["betas"]), torch.Generator().manual_seed(0), 0
    order = batches(len(slices), how["batch"], generator=generator)
    for rate, index in zip(rates(seconds * how["longer"], peak=how["peak"]), order, strict=False):
        mask = method.draw_masks({"image": slices[index]}, generator=generator)["image"]
        step({"image": slices[index], "visible": mask.visible, "masked": mask.masked}, lr=rate)
        steps += 1
    return method.eval(), steps


def gaussian(known: Tensor, given: Tensor, hidden: Tensor) -> Tensor:
    """The mean of what is hidden under a Gaussian model of few components."""
    flat, mean = known.flatten(1), known.flatten(1).mean(dim=0)
    torch.manual_seed(0)
    _, scale, axes = torch.svd_lowrank(flat - mean, q=COMPONENTS, niter=3)
    prior = torch.diag(len(flat) / scale.square())
    made = []
    for image, hole in zip(given.flatten(1), hidden.flatten(1), strict=True):
        seen = axes[~hole]
        middle = torch.linalg.solve(seen.T @ seen / NOISE + prior, seen.T @ (image - mean)[~hole] / NOISE)
        made.append(torch.where(hole, (mean + axes @ middle).clamp(0, 1), image))
    return torch.stack(made).view_as(given)


def nearest(known: Tensor, given: Tensor, hidden: Tensor) -> Tensor:
    """The mean of the slices that are nearest in what is seen."""
    flat, made = known.flatten(1), []
    for image, hole in zip(given.flatten(1), hidden.flatten(1), strict=True):
        far = (flat[:, ~hole] - image[~hole]).square().sum(dim=1)
        made.append(torch.where(hole, known[far.topk(NEAREST, largest=False).indices].mean(dim=0).flatten(), image))
    return torch.stack(made).view_as(given)


def decibels(made: Tensor, given: Tensor, where: Tensor) -> str:
    """Mean over slices."""
    errors = [float((m - g)[w].square().mean()) for m, g, w in zip(made, given, where, strict=True)]
    return f"{sum(-10 * math.log10(error) for error in errors) / len(errors):.2f}"


@torch.no_grad()
def filled(method: EdgeMAE, known: Tensor, given: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """What is hidden, and what each makes of it."""
    mask = method.draw_masks({"image": given}, generator=torch.Generator().manual_seed(7))["image"]
    shown = method.show({"image": given}, {"image": mask})["image"]
    hidden = shown.hidden.expand_as(given)
    assert shown.made is not None
    rules = {SURFACE: neighbour_fill(given, hidden), GAUSSIAN: gaussian(known, given, hidden)}
    return hidden, {"network": shown.made, **rules, CLOSEST: nearest(known, given, hidden)}


def picture(given: Tensor, hidden: Tensor, made: dict[str, Tensor]) -> np.ndarray:
    """A row for every sixth slice: itself, what is seen, what each makes of it."""
    rows = [
        torch.cat([image[0], image[0].where(~hole[0], 0.3), *(fill[i * 6, 0] for fill in made.values())], dim=1)
        for i, (image, hole) in enumerate(zip(given[::6], hidden[::6], strict=True))
    ]
    return torch.cat(rows).clamp(0, 1).numpy()


def main(
    path: Annotated[Path, typer.Argument(help="What synthesis_pack.py wrote.")],
    held_out: Annotated[str, typer.Option(help="Subjects, none of which is learnt from.")] = "sub-03,sub-08,sub-10",
    tested: str = "sub-03,sub-10",
    variants: str = ";".join(VARIANTS),
    seconds: float = 40,
    out: Path = Path("minutes"),
) -> None:
    """Prints a table, a row a variant."""
    import matplotlib.image

    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    data, lines, heads = Pack.read(path), list[list[str]](), list[str]()
    learners = sorted(set(data.subjects.tolist()) - set(held_out.split(",")))
    known = torch.cat([data.of(learners, contrast) for contrast in data.contrasts])
    known = known[known.flatten(1).any(dim=1)]
    given = torch.cat([data.of([who], contrast)[SHOWN] for contrast in data.contrasts for who in tested.split(",")])
    for name in variants.split(";"):
        method, steps = trained(known, seconds=seconds, variant=VARIANTS[name])
        hidden, made = filled(method, known, given)
        where, heads = (hidden, hidden & (given > 0)), list(made)
        lines.append([name, str(steps), *(" / ".join(decibels(m, given, w) for w in where) for m in made.values())])
        print(*lines[-1], sep=" | ", flush=True)
        matplotlib.image.imsave(out / f"{len(lines)}.png", picture(given, hidden, made), cmap="gray")
    print(table(["all hidden pixels / those of the head, dB", "steps", *heads], lines))


if __name__ == "__main__":
    typer.run(main)
