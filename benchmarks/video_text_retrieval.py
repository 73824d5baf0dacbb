"""Clips found by sentences, and sentences by clips: simulated clips whose captions tell what moves where.

A small SimVTP learns from them by its own four losses, and is fine-tuned for retrieval from that and from scratch, for
as many steps; patients are apart, nothing is chosen. Beside it stands the pre-training as it is, and what needs no
network.

    python benchmarks/video_text_retrieval.py WORK       # three seeds, into docs/methods/simvtp.md
    python benchmarks/video_text_retrieval.py WORK --system matching --steps 120    # SimVTP tuned with matching, too
    python benchmarks/video_text_retrieval.py WORK --system smaug --steps 120       # into docs/methods/smaug.md

The last two see half of a clip at a time, test with one view and with three, and name ways by prompts.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from document import DOCS, table, write_section
from machine import describe
from video_text_clips import MAX_WORDS, Pairs, prepare_simulated

from medmae.data import CaptionedClips, Samples
from medmae.evaluate.words.video_text import evaluate_video_text
from medmae.files import write_text
from medmae.methods.base import Method
from medmae.methods.prompts import PromptedClassifier
from medmae.methods.retrieval import Retriever
from medmae.methods.simvtp import SimVTP, simvtp_tiny
from medmae.methods.simvtp_retrieval import DualEncoder, SharedEncoder
from medmae.methods.smaug import SMAUG, smaug_tiny
from medmae.methods.video_text_tasks import VideoTextRetrieval

FIGURES = ("r_at_1", "r_at_5", "r_at_10", "median_rank")
WAYS = ("text to video", "video to text")
TUNED, SCRATCH, AS_IT_IS = "pre-trained and fine-tuned", "fine-tuned from scratch", "as pre-trained"


def pretraining(pairs: Pairs) -> SimVTP:
    """8 frames of 32 px, two blocks of width 64; contrast and matching read whole captions."""
    sizes: dict[str, Any] = {
        "num_frames": 8,
        "embed_dim": 64,
        "in_channels": 1,
        "max_words": MAX_WORDS,
        "word_ratio": 0.75,
    }
    return simvtp_tiny(vocabulary=pairs.words, contrast_words="whole", scale=pairs.scale(), **sizes)


def frames_and_words(pairs: Pairs) -> SMAUG:
    """The same sizes; half of the patches are hidden, and a block drops patches."""
    sizes = {"num_frames": 8, "embed_dim": 64, "in_channels": 1, "max_words": MAX_WORDS}
    return smaug_tiny(vocabulary=pairs.words, scale=pairs.scale(), **sizes)


def matched(method: SimVTP) -> DualEncoder:
    """Fine-tuned by contrast and matching, whose layer begins with what it learnt."""
    dual = DualEncoder(encoder=method.encoder, drop_path=0.0, matching=1.0)
    assert dual.matcher is not None
    assert method.matcher is not None
    dual.matcher.load_state_dict(method.matcher.state_dict())
    return dual


def of_frames(method: SMAUG) -> VideoTextRetrieval:
    """Its encoder and head, by contrast and matching."""
    return VideoTextRetrieval(encoder=method.encoder, pair_head=method.pair_head)


@dataclass(frozen=True)
class System:
    """What is pre-trained, as what it is tested untuned, and to what it is tuned; where that is written."""

    build: Callable[[Pairs], Any]
    as_it_is: Callable[[Any], Any]
    tuned: Mapping[str, Callable[[Any], Any]]
    page: str = "simvtp.md"
    section: str = "video_text_retrieval"
    domain: str = "simulated"
    views: int = 1


def _dual(method: SimVTP) -> DualEncoder:
    return DualEncoder(encoder=method.encoder, drop_path=0.0)


SYSTEMS = {
    "simvtp": System(pretraining, SharedEncoder.of, {"": _dual}),
    "matching": System(
        pretraining,
        SharedEncoder.of,
        {"": _dual, " with matching": matched},
        section="video_text_matching",
        domain="halves",
        views=3,
    ),
    "smaug": System(
        frames_and_words,
        of_frames,
        {" with matching": of_frames},
        page="smaug.md",
        section="video_text_smaug",
        domain="halves",
        views=3,
    ),
}
TOWARDS = {"left": "to the left", "right": "to the right", "up": "upwards", "down": "downwards"}


def train(method: Method, pairs: Pairs, *, seed: int, steps: int, batch_size: int, rate: float) -> float:
    """AdamW with a warm-up of a tenth of the steps and a cosine, each clip with one of its captions; CPU seconds."""
    generator, began = torch.Generator().manual_seed(seed), time.process_time()
    optimiser = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=rate, weight_decay=0.05)
    method.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (step + 1) / (steps / 10)) * (1 + math.cos(math.pi * step / steps)) / 2
        batch = pairs.draw(generator, batch_size=batch_size)
        optimiser.zero_grad()
        method(batch, generator=generator).loss.backward()
        optimiser.step()
    return time.process_time() - began


def scores(system: System, pairs: Pairs, out: Path, *, seed: int, steps: int, batch_size: int) -> dict[str, Any]:
    """Trains and evaluates all forms of one seed; figures by way and contestant, and CPU seconds."""
    own: dict[str, Any] = {"seed": seed, "batch_size": batch_size}
    torch.manual_seed(seed)
    begun, fresh = system.build(pairs), system.build(pairs)
    seconds = {"pre-training": train(begun, pairs, steps=2 * steps, rate=3e-3, **own)}
    found: dict[str, dict[str, dict[str, float]]] = {way: {} for way in WAYS}
    named: dict[str, float] = {}

    def look(method: Retriever, name: str) -> None:
        _evaluate(method, name, found, pairs, out, top=10 if method.matches else 0, views=system.views)
        if system.views > 1:
            named[name] = ways_named(method, pairs)

    look(system.as_it_is(begun), AS_IT_IS)
    for how, make in system.tuned.items():
        for name, method in ((TUNED + how, begun), (SCRATCH + how, fresh)):
            tuned = make(copy.deepcopy(method))
            seconds[name] = train(tuned, pairs, steps=steps, rate=1e-3, **own)
            look(tuned, name)
    return {"found": found, "seconds": seconds, "named": named}


@torch.no_grad()
def ways_named(method: Retriever, pairs: Pairs) -> float:
    """Share of held-out clips whose way, of four, is named by sentences; no label was learnt."""
    view = pairs.told.view
    assert isinstance(view, CaptionedClips)
    sentences = [view.encoded([f"{verb} {words}" for verb in ("moves", "goes")]).words for words in TOWARDS.values()]
    assert isinstance(method, Method)
    network = PromptedClassifier(method.eval(), sentences)
    clips = torch.stack([pairs.told[number]["image"] for number in range(len(pairs.told))])
    truth = [pairs.told.describe(number).label for number in range(len(pairs.told))]
    guess = [list(TOWARDS)[number] for number in network(clips).argmax(dim=1).tolist()]
    return float(np.mean([one == true for one, true in zip(guess, truth, strict=True)]))


def _evaluate(
    method: Retriever,
    name: str,
    found: dict[str, dict[str, dict[str, float]]],
    pairs: Pairs,
    out: Path,
    *,
    top: int,
    views: int,
) -> None:
    """Baselines learn from the same clips each time: the first evaluation has them, others chance alone."""
    split = "train" if not found[WAYS[0]] else "val"  # of which there is none
    learnt = Samples(source=pairs.source, split=split, view=pairs.told.view, may_be_empty=True)
    for count in sorted({1, views}):
        held_out, folder = pairs.seen_as(count), out / f"{name}, {count}"
        how: dict[str, Any] = {"top": top, "resamples": 20, "cases": 1}  # means over seeds are told, no draws
        record = evaluate_video_text(retriever=method, held_out=held_out, train=learnt, out=folder, **how)
        for way, task in record["tasks"].items():
            for own, each in task["scores"].items():
                told = f"{name}, {own}" if count == 1 else f"{name}, {own}, {count} views"
                label = own if own in task["baselines"] else told
                found[way].setdefault(label, {key: each["metrics"][key]["mean"] for key in FIGURES})
            found[way]["sizes"] = {key: task[key] for key in ("queries", "gallery")}


def main(
    work: Annotated[Path, typer.Argument(help="Keeps data and figures: a seed that is there is not done again.")],
    seeds: Annotated[int, typer.Option(help="Trainings of each form.")] = 3,
    steps: Annotated[int, typer.Option(help="Of fine-tuning; pre-training has twice as many.")] = 200,
    batch_size: Annotated[int, typer.Option(help="Clips a step.")] = 32,
    system: Annotated[str, typer.Option(help="simvtp, matching or smaug.")] = "simvtp",
    dry: Annotated[bool, typer.Option("--dry", help="Leave the page alone.")] = False,
) -> None:
    """Trains, evaluates, and writes a table of both ways."""
    torch.set_num_threads(1)
    if not (work / "simulated-0" / "manifest.jsonl").is_file():
        prepare_simulated(work)
    chosen = SYSTEMS[system]
    pairs, every = Pairs(work, chosen.domain, 0), []
    for seed in range(seeds):
        file = work / (f"seed_{seed}.json" if system == "simvtp" else f"{system}_{seed}.json")
        if not file.is_file():
            out = work / (f"runs_{seed}" if system == "simvtp" else f"{system}_runs_{seed}")
            found = scores(chosen, pairs, out, seed=seed, steps=steps, batch_size=batch_size)
            write_text(file, json.dumps(found))
        every.append(json.loads(file.read_text()))
    seconds = {name: np.mean([one["seconds"][name] for one in every]) for name in every[0]["seconds"]}
    spent = ", ".join(f"{name} {value:.0f}" for name, value in seconds.items())
    parts = [f"Measured on {describe()}. {steps} steps of fine-tuning. CPU seconds of a seed: {spent}."]
    for way in WAYS:
        sizes = every[0]["found"][way]["sizes"]
        by_name = {
            name: [one["found"][way][name] for one in every] for name in every[0]["found"][way] if name != "sizes"
        }
        rows = [[name, *(_over(some, key) for key in FIGURES)] for name, some in _ordered(by_name).items()]
        told = f"**{way[:1].upper()}{way[1:]}**, {sizes['queries']} queries, a gallery of {sizes['gallery']}"
        parts.append(told + "\n\n" + table(["", "R@1", "R@5", "R@10", "median rank"], rows))
    if every[0].get("named"):
        rows = [[name, _over([one["named"] for one in every], name)] for name in every[0]["named"]]
        rows.append(["chance", "0.25"])
        told = f"**Ways named by prompts**, {len(pairs.told)} clips, four ways"
        parts.append(told + "\n\n" + table(["", "share named rightly"], rows))
    text = "\n\n".join(parts)
    print(text)
    if not dry:
        write_section(chosen.section, text, page=DOCS / "methods" / chosen.page)


def _ordered(found: Mapping[str, list[dict[str, float]]]) -> dict[str, list[dict[str, float]]]:
    """The best first."""
    return dict(sorted(found.items(), key=lambda item: -np.mean([one["r_at_1"] for one in item[1]])))


def _over(some: list[dict[str, float]], key: str) -> str:
    """The mean over seeds, and the least and greatest where they differ."""
    values, digits = [one[key] for one in some], 1 if key == "median_rank" else 3
    mean = f"{np.mean(values):.{digits}f}"
    if max(values) - min(values) < 1e-9:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    typer.run(main)
