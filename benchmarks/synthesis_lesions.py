"""Does anything that needs no lesion mask let MT-UNet's practical form win inside lesions, too?

A table of grey values and a regression on neighbourhoods are ahead of it there, for both say what one voxel and what
surrounds it tell, however rare that is. Tried here, each for the same time on the same patients, without a ViT (which
is no help, see ``benchmarks/synthesis.py``): to begin with such a rule and learn what it leaves, to be shown what it
says, to weigh pixels by how wrong it is, and wider stages at full resolution; and one that is told of lesions.

    python benchmarks/synthesis_lesions.py cohort.npz --folds 3 --fold 0 --out lesions.csv      # resumes
    python benchmarks/synthesis_report.py lesions.csv --reference "practical, no ViT"
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from synthesis import KEY, Fold, known, predicted, split
from synthesis_networks import FORM, PEAK, Given, Practical, learn
from synthesis_pack import DEVICE, Pack
from torch import Tensor, nn

from medmae.methods.mt_unet import mt_unet_demo
from medmae.nn.conv_unet import ConvUNet
from medmae.objectives.lesion import lesion_weights

PLAIN = f"{FORM}, no ViT"
TABLE, BESIDE, LOCAL = "added to a table", "a table as a further channel", "added to a local network"
HARD, WIDE = "weighted by the table's error", "16 to 128 channels"
TOLD = "added to a table, lesions at 10"
VARIANTS = (PLAIN, TABLE, BESIDE, LOCAL, HARD, WIDE, TOLD)
BROAD = (16, 32, 64, 128)
BINS, WIDTH = 64, 32
LOCAL_SHARE = 0.2  # of the time is the local network's


class Table(nn.Module):
    """Mean target of each grey value, interpolated between the middles of bins."""

    means: Tensor

    def __init__(self, source: Tensor, target: Tensor) -> None:
        super().__init__()
        inside = source > 0
        bins = (source[inside] * BINS).long().clamp(max=BINS - 1)
        total, count = (torch.zeros(BINS, device=source.device) for _ in range(2))
        total.index_add_(0, bins, target[inside])
        count.index_add_(0, bins, torch.ones_like(target[inside]))
        self.register_buffer("means", torch.where(count > 0, total / count.clamp_min(1), 0.5))

    def forward(self, source: Tensor) -> Tensor:
        """``(B, 1, S, S)`` -> the same."""
        place = (source * BINS - 0.5).clamp(0, BINS - 1)
        low = place.floor().long().clamp(max=BINS - 2)
        means, share = self.means, place - low
        return (1 - share) * means[low] + share * means[low + 1]


class Local(nn.Module):
    """What a voxel and its neighbours tell, those of the slices beside it, too: 3 x 3, then each pixel by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(channels, WIDTH, 3, padding=1), nn.LeakyReLU(0.1)),
            *(nn.Conv2d(WIDTH, WIDTH, 1), nn.LeakyReLU(0.1), nn.Conv2d(WIDTH, 1, 1)),
        )

    def forward(self, image: Tensor) -> Tensor:
        """``(B, channels, S, S)`` -> ``(B, 1, S, S)``."""
        return self.layers(image).sigmoid()


class Added(nn.Module):
    """A rule's picture, and on its logits what a network adds, at first nothing."""

    def __init__(self, rule: nn.Module, net: nn.Module, given: Given, *, own: bool) -> None:
        super().__init__()
        self.rule, self.net, self.given, self.own = rule.requires_grad_(False), net, given, own
        for parameter in net.get_submodule("unet.head").parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, channels, S, S)`` -> ``(B, 1, S, S)``."""
        with torch.no_grad():
            begin = self.rule(self.given.own(image) if self.own else image).clamp(0.01, 0.99).logit()
        return (begin + self.net(image).clamp(1e-4, 1 - 1e-4).logit()).sigmoid()


class Beside(nn.Module):
    """A network that sees a table's picture, too."""

    def __init__(self, table: Table, net: Practical, given: Given) -> None:
        super().__init__()
        self.table, self.net, self.given = table, net, given

    def forward(self, image: Tensor) -> Tensor:
        """``(B, channels, S, S)`` -> ``(B, 1, S, S)``."""
        own = self.given.own(image)
        return self.net(torch.cat([image, self.table(own) * own.ne(0)], dim=1))


def practical(given: Given, *, more: int = 0, **options: Any) -> Practical:
    """The form without a ViT, of so many further channels behind the others."""
    method = mt_unet_demo(image_size=given.size, feature_weight=0.0, neighbours=given.neighbours, **options)
    assert isinstance(method.unet, ConvUNet)
    if more:
        stage: Any = method.unet.down[0]
        stage[0] = nn.Conv2d(given.channels + more, stage[0].out_channels, 3, padding=1, bias=False)
    return Practical(method, given, vit=False)


@dataclass(frozen=True)
class Trial:
    """What all variants share: pairs, what is seen of them, and how long is learnt."""

    data: Pack
    learners: list[str]
    given: Given
    pairs: tuple[Tensor, Tensor]
    seconds: float
    batch: int
    plain: bool

    def learn(self, net: nn.Module, name: str, *, seed: int, share: float = 1.0, weight: Tensor | None = None) -> int:
        """So many steps."""
        how: dict[str, Any] = {"batch": self.batch, "plain": self.plain, "peak": PEAK[FORM], "name": name}
        return learn(net, self.pairs, self.given, seconds=share * self.seconds, seed=seed, weight=weight, **how)

    def lesions(self) -> Tensor:
        """``(K, 1, S, S)``, which only a variant that is told sees."""
        marked = [self.data.lesions[self.data.cases == case] for case in self.data.cases_of(self.learners)]
        return torch.from_numpy(np.concatenate(marked)).float().unsqueeze(1).to(DEVICE)

    def run(self, variant: str, *, seed: int) -> tuple[nn.Module, int]:
        """The trained network, and its steps."""
        torch.manual_seed(seed)
        own = self.given.own(self.pairs[0])
        rule = Table(own, self.pairs[1]).to(DEVICE)
        wide: dict[str, Any] = {"conv_channels": BROAD} if variant == WIDE else {}
        net: nn.Module = practical(self.given, **wide).to(DEVICE)
        share, weight = 1.0, None
        if variant in (TABLE, TOLD):
            net = Added(rule, net, self.given, own=True)
            weight = lesion_weights(self.lesions(), more=10.0) if variant == TOLD else None
        elif variant == BESIDE:
            net = Beside(rule, practical(self.given, more=1), self.given).to(DEVICE)
        elif variant == LOCAL:
            local, share = Local(self.given.channels).to(DEVICE), 1 - LOCAL_SHARE
            self.learn(local, "the local network", seed=seed, share=LOCAL_SHARE)
            net = Added(local, net, self.given, own=False)
        elif variant == HARD:
            off = (rule(own) - self.pairs[1]).abs() * own.ne(0)
            weight = 1 + off / off[own.ne(0)].mean()
        return net, self.learn(net, variant, seed=seed, share=share, weight=weight)


def main(
    path: Annotated[Path, typer.Argument(help="What synthesis_pack.py wrote.")],
    fold: int = 0,
    folds: int | None = None,
    seeds: str = "0",
    variants: str = ";".join(VARIANTS),
    seconds: float = 45,
    batch: int = 4,
    neighbours: int = 3,
    plain: Annotated[bool, typer.Option("--plain", help="No CUDA graphs.")] = False,
    out: Path = Path("lesions.csv"),
) -> None:
    """T1 to T2, one fold: appends rows to a CSV, but for runs that stand there already."""
    torch.set_num_threads(1)
    data = Pack.read(path)
    learners, held_out = split(sorted(set(data.subjects.tolist())), folds=folds, fold=fold)
    given = Given(data.size, neighbours=neighbours)
    of_fold, done = Fold(data, fold, learners, held_out, ("T1",), "T2", given, out), known(out)
    pairs = of_fold.source(learners), data.of(learners, "T2")
    trial = Trial(data, learners, given, pairs, seconds, batch, plain)
    for seed, variant in itertools.product(map(int, seeds.split(",")), variants.split(";")):
        about = {"data": data.name, "source": "T1", "seed": seed, "fold": fold, "variant": variant, "fraction": 1.0}
        if tuple(str(about[name]) for name in KEY) not in done:
            net, steps = trial.run(variant, seed=seed)
            of_fold.note({**about, "steps": steps, "seconds": seconds}, partial(predicted, net))


if __name__ == "__main__":
    typer.run(main)
