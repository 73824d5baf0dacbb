"""What does pre-training on sound, and on sound with pictures, bring: against none, and arm against arm?

Spoken digits with written ones, a speaker held out at a time; ESC-10 by its folds, sound alone; GRID, whose sound is to
find the mouth of its moment. Arms of a fold and seed see the same samples in the same order, for as many steps:

- AV-MAE, both rebuilt, or each from the other (inpainting), or one kind alone;
- MAViL, without contrast, with one of the two, with both, twice and eight times as long, and its second stage;
- Audio-MAE on ESC-10.

Each network is judged frozen (logistic regression on its features) by sound, by pictures and by both, from one and the
same weights; some are fine-tuned, too. Networks that have learnt nothing, and features without any network, stand
beside. Trainings are stopped and continued exactly; what is done is not done again.

    python benchmarks/sound_methods.py prepare OUT --shared ../shared
    python benchmarks/sound_methods.py run OUT [--domains digits,esc10,grid] [--seeds 0,1,2]

``run`` leaves ``OUT/training.csv`` and a row a held-out sample in ``OUT/judged.csv``; ``sound_report.py OUT`` makes the
tables.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from grown_table import append
from sound_judging import Judged, fine_tuned, moments_found, pictures_found, plain, probed
from sound_sets import EDGE, FOLDS, SIZES, STRIDE, WINDOW, Sounds, prepare
from torch import nn
from video_training import Training

from medmae.kinds import Kind
from medmae.methods.audio_mae import AudioMAE
from medmae.methods.av_mae import AVMAE
from medmae.methods.base import Method
from medmae.methods.mavil import MAViL
from medmae.nn.streams import ClipStream, DataStream, SpectrogramStream, Stream

NO_CONTRAST = {"inter_weight": 0.0, "intra_weight": 0.0}
AV_MAE: dict[str, dict[str, Any]] = {
    "AV-MAE": {},
    "AV-MAE, inpainting": {"objective": "inpainting"},
    "AV-MAE, sound alone": {"alone": "audio"},
    "AV-MAE, pictures alone": {"alone": "image"},
}
MAVIL: dict[str, dict[str, Any]] = {
    "MAViL, no contrast": NO_CONTRAST,
    "MAViL, contrast between kinds": {"intra_weight": 0.0},
    "MAViL, contrast of draws": {"inter_weight": 0.0},
    "MAViL": {},
    "MAViL, second stage": {"teacher": "MAViL"},
    "MAViL, twice as long": {},
    "MAViL, eight times as long": {},
    "MAViL, no contrast, eight times as long": NO_CONTRAST,
}
LONGER = {"twice as long": 2, "eight times as long": 8}
ARMS: dict[str, dict[str, dict[str, Any]]] = {
    "digits": {"AV-MAE, untrained": {}, **AV_MAE, "MAViL, untrained": {}, **MAVIL},
    "esc10": {"Audio-MAE, untrained": {}, "Audio-MAE": {}},
    "grid": {
        "MAViL, untrained": {},
        "MAViL, no contrast": NO_CONTRAST,
        "MAViL": {},
        "MAViL, contrast of weight 1": {"inter_weight": 1.0},
    },
}
FINE_TUNED = {"AV-MAE, untrained", "AV-MAE", "AV-MAE, inpainting", "Audio-MAE, untrained", "Audio-MAE"}
STEPS = {"digits": 500, "esc10": 600, "grid": 200}
BATCH, RATE = 32, 1.5e-3
SIZE: dict[str, Any] = {"embed_dim": 64, "depth": 3, "num_heads": 4, "decoder_dim": 48, "decoder_heads": 4}
HIDDEN = {"audio": 0.75, "image": 0.75}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Out = Annotated[Path, typer.Argument(help="Receives data, networks and tables.")]


@dataclass(frozen=True)
class Run:
    """One arm of a fold with one seed."""

    domain: str
    arm: str
    fold: int
    seed: int

    @property
    def told(self) -> dict[str, Any]:
        """What tells it from others."""
        return {"domain": self.domain, "arm": self.arm, "fold": self.fold, "seed": self.seed}

    @property
    def number(self) -> int:
        """What random numbers are drawn by."""
        return self.fold + 10 * self.seed

    @property
    def steps(self) -> int:
        """Of its training; 0 of one that learns nothing."""
        if self.arm.endswith("untrained"):
            return 0
        return STEPS[self.domain] * LONGER.get(self.arm.rpartition(", ")[2], 1)

    def path(self, out: Path) -> Path:
        """The file of its training."""
        return out / f"{self.domain}-{self.arm.replace(' ', '').replace(',', '_')}-{self.fold}-{self.seed}.state"

    def network(self, sounds: Sounds, out: Path) -> Method:
        """As it begins; a second stage has the encoder of its first, which must have been trained."""
        options = dict(ARMS[self.domain][self.arm])
        if "teacher" in options:
            first = Run(self.domain, options["teacher"], self.fold, self.seed)
            options["teacher"] = first.trained(sounds, out).encoder
        torch.manual_seed(self.number)
        if self.domain == "esc10":
            return audio_mae(sounds)
        if self.arm.startswith("AV-MAE"):
            alone = options.pop("alone", None)
            streams = [one for one in streams_of(sounds) if alone in (None, one.name)]
            hidden = {one.name: HIDDEN[one.name] for one in streams}
            return AVMAE(streams=streams, fusion_layers=1, mask_ratio=hidden, decoder_depth=1, **SIZE, **options)
        sizes = {**SIZE, "depth": 2, "fusion_layers": 1, "projection_dim": 64}
        depths = {"audio": 1, "image": 1}
        return MAViL(
            streams=streams_of(sounds), mask_ratio=HIDDEN, reading={}, decoder_depth=depths, **sizes, **options
        )

    def trained(self, sounds: Sounds, out: Path) -> Any:
        """As it ended, judged and not trained further.

        Raises:
            ValueError: If it did not end.
        """
        method = self.network(sounds, out)
        if self.steps:
            state = torch.load(self.path(out), weights_only=True)
            if int(state["clock"][1]) < self.steps:
                raise ValueError(f"{self} has not ended")
            method.load_state_dict(state["method"])
        return method.eval()

    def train(self, sounds: Sounds, out: Path) -> dict[str, Any] | None:
        """Trains it to its end; what that took, or None if it had ended before."""

        def draw(order: torch.Generator) -> dict[str, torch.Tensor]:
            return sounds.draw(order, batch_size=BATCH)

        training = Training(
            self.network(sounds, out),
            draw,
            number=self.number,
            path=self.path(out),
            peak=RATE,  # type: ignore[arg-type]
        )
        if training.steps >= self.steps:
            return None
        training.run(steps=self.steps)
        return {
            **self.told,
            "steps": training.steps,
            "cpu_seconds": round(training.seconds, 1),
            "first_loss": round(float(np.mean(training.losses[:20])), 4),
            "last_loss": round(float(np.mean(training.losses[-50:])), 4),
        }


def streams_of(sounds: Sounds) -> list[Stream]:
    """Pictures, or mouths, and sounds."""
    frames, bands = SIZES[sounds.domain]
    image: Stream
    if sounds.domain == "grid":
        cubes = {"num_frames": WINDOW // STRIDE, "image_size": EDGE, "patch_size": 8, "channels": 1}
        image = ClipStream(**cubes, scale=sounds.scale("image"))
    else:
        kind = Kind.image(channels=1)
        image = DataStream(of=kind, extent=(8, 8), patch_size=(2, 2), scale=sounds.scale("image"))
    return [image, SpectrogramStream(frames=frames, bands=bands, patch_size=8, scale=sounds.scale("audio"))]


def audio_mae(sounds: Sounds) -> AudioMAE:
    """2.56 s in patches of 16: 64 tokens, of which 12 are seen."""
    frames, bands = SIZES[sounds.domain]
    sizes = {**SIZE, "embed_dim": 96, "depth": 4, "decoder_depth": 2}
    return AudioMAE(frames=frames, bands=bands, patch_size=16, scale=sounds.scale("audio"), **sizes)


@app.command("prepare")
def prepare_all(out: Out, *, shared: Path = Path("../shared")) -> None:
    """Decodes the three sets."""
    prepare(out, shared)


@app.command()
def run(out: Out, *, domains: str = "digits,esc10,grid", arms: str = "", seeds: str = "0,1,2") -> None:
    """Trains and judges, seed after seed, so that whatever there is can be read."""
    torch.set_num_threads(1)
    sheet = Sheet(out / "judged.csv")
    for sounds, one in _runs(out, domains, arms, seeds):
        if one.steps and (row := one.train(sounds, out)):
            append(out / "training.csv", row)
        if one.seed == 0 and one.arm == next(iter(ARMS[one.domain])):
            none = {**one.told, "arm": "no network"}
            if not sheet.has(none, "frozen"):
                sheet.add(none, "frozen", plain(sounds))
        started = time.process_time()
        if not sheet.has(one.told, "frozen"):
            sheet.add(one.told, "frozen", judged(one.trained(sounds, out), sounds))
        if one.arm in FINE_TUNED and one.domain != "grid" and not sheet.has(one.told, "fine-tuned"):
            encoder: nn.Module = one.trained(sounds, out).encoder
            sheet.add(one.told, "fine-tuned", fine_tuned(encoder, sounds, number=one.number))
        print(*one.told.values(), round(time.process_time() - started, 1), flush=True)


def judged(method: Any, sounds: Sounds) -> Iterator[Judged]:
    """Rows of a frozen network."""
    if sounds.domain == "grid":
        yield from moments_found(method, sounds)
        return
    yield from probed(method.encoder, sounds)
    if isinstance(method, MAViL):
        yield from pictures_found(method, sounds)


class Sheet:
    """A table that grows by whole runs."""

    def __init__(self, path: Path) -> None:
        self.path, self.done = path, set[tuple[str, ...]]()
        if path.exists():
            with path.open() as file:
                for row in csv.DictReader(file):
                    self.done.add((row["domain"], row["arm"], row["fold"], row["seed"], row["how"]))

    def has(self, told: Mapping[str, Any], how: str) -> bool:
        """Whether a run is in it."""
        return (*map(str, told.values()), how) in self.done

    def add(self, told: Mapping[str, Any], how: str, rows: Iterable[Judged]) -> None:
        """Rows of a run, at once."""
        append(self.path, *({**told, "how": how, **row} for row in rows))


def _runs(out: Path, domains: str, arms: str, seeds: str) -> Iterator[tuple[Sounds, Run]]:
    known: dict[tuple[str, int], Sounds] = {}
    for seed, domain in product(map(int, seeds.split(",")), domains.split(",")):
        for fold, arm in product(range(FOLDS[domain]), arms.split(";") if arms else ARMS[domain]):
            if (domain, fold) not in known:
                known[domain, fold] = Sounds(out, domain, fold)
            yield known[domain, fold], Run(domain, arm, fold, seed)


if __name__ == "__main__":
    app()
