"""Questions about simulated clips: what a pre-training, the order of frames and the clip itself are worth.

Something moves to one of four sides, slowly or fast. What it is and how it moves a single frame may tell or nearly so;
where it goes no single frame tells, and of the mean of all frames only the line on which it goes. A small SimVTP is
pre-trained on captions, then fine-tuned on questions; beside it stand the same network from scratch, one that sees the
middle frame alone, in training and testing, and the baselines of the bundle's own page.

    python benchmarks/video_questions.py            # three seeds, about 15 CPU minutes, into docs/protocol.md
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from document import DOCS, table, write_section
from machine import describe

from data_prep.tiny.captioned import make_some
from medmae.bundle.run import run_bundle
from medmae.evaluate.statistics import summarise

SIZES = {"image_size": 32, "frames": 8, "stride": 2, "channels": 1}
BACKBONE = {"embed_dim": 96, "depth": 4, "num_heads": 4}
PRETRAIN = {"epochs": 40, "batch_size": 16, "base_lr": 0.016, "warmup_epochs": 4, "max_words": 16}
TUNE = {"batch_size": 32, "base_lr": 0.008, "epochs": 24, "warmup_epochs": 2, "layer_decay": None, "max_words": 16}
TUNE |= {"logger": "csv"}
ARMS: Mapping[str, dict[str, Any]] = {
    "pre-trained": {},
    "from scratch": {"pretrained": None},
    "pre-trained, one frame": {"sampling::_target_": "medmae.data.video.sampling.StillFrame"},
}
QUESTIONS = {"what moves?": "what moves", "where does it go?": "where it goes", "how does it move?": "how it moves"}


def run(bundle: str, out: Path, **options: Any) -> float:
    """Trains, unless that was done; CPU seconds."""
    done = out / "seconds.json"
    if not done.is_file():
        began = time.process_time()
        run_bundle(bundle, "train", overrides={"output_dir": str(out), **options})
        done.write_text(json.dumps(time.process_time() - began))
    return float(json.loads(done.read_text()))


def one_seed(seed: int, work: Path, *, patients: int, each: int) -> dict[str, Path]:
    """All arms of a seed; data, weights and draws are its own."""
    data = work / f"data_{seed}" / "prepared"
    if not (data / "manifest.jsonl").is_file():
        make_some(work / f"data_{seed}", patients=patients, each=each, asked=True, seed=seed + 1)
    base = {"dataset_dir": str(data), "seed": seed, **SIZES}
    sizes = {f"method::{name}": value for name, value in BACKBONE.items()}
    begun = work / f"pretrained_{seed}"
    tiny = "medmae.methods.simvtp.simvtp_tiny"
    own = {"contrast": 1.0, "matching": 1.0, "word_ratio": 0.5, "logger": "csv", **PRETRAIN}
    spent = run("video_text_simvtp_pretraining", begun, **{**base, **sizes, "method::_target_": tiny, **own})
    found = {}
    for name, options in ARMS.items():
        out = work / f"{name.replace(', ', '_').replace(' ', '_')}_{seed}"
        given = {"pretrained": str(begun / "models" / "pretraining.safetensors"), **TUNE, **options}
        if given["pretrained"] is None:
            given |= {"backbone::_target_": tiny, **{f"backbone::{n}": v for n, v in BACKBONE.items()}}
        spent += run("video_question_answering", out, **{**base, **given})
        found[name] = out
    print(f"seed {seed}: {spent:.0f} CPU seconds", flush=True)
    return found


def answers(folder: Path) -> list[dict[str, str]]:
    """Rows of a run's table."""
    with (folder / "evaluation" / "answers" / "answers.csv").open() as file:
        return list(csv.DictReader(file))


def accuracy(rows: list[tuple[str, str, bool]]) -> str:
    """Mean over patients of all seeds, and its interval: rows of seed, patient, right."""
    found = summarise([float(right) for _, _, right in rows], [f"{seed} {patient}" for seed, patient, _ in rows])
    return f"{found.mean:.2f} ({found.ci_low:.2f} to {found.ci_high:.2f})"


def main(
    seeds: Annotated[int, typer.Option(help="Of data and trainings.")] = 3,
    patients: Annotated[int, typer.Option(help="Of a seed.")] = 40,
    each: Annotated[int, typer.Option(help="Clips of each.")] = 4,
    work: Annotated[Path, typer.Option(help="Folder of runs; what is there is kept.")] = Path("runs/video_questions"),
    dry: Annotated[bool, typer.Option("--dry", help="Leave the page alone.")] = False,
) -> None:
    """Prints accuracy by question of every arm, control and baseline."""
    torch.set_num_threads(1)
    right: dict[str, dict[str, list[tuple[str, str, bool]]]] = {}

    def note(who: str, row: Mapping[str, str], seed: int, said: str) -> None:
        accepted = row["accepted"].split(" | ")
        right.setdefault(who, {}).setdefault(row["question"], []).append((str(seed), row["patient"], said in accepted))

    for seed in range(seeds):
        for arm, folder in one_seed(seed, work, patients=patients, each=each).items():
            for row in answers(folder):
                note(arm, row, seed, row["answer"])
                for column in (name for name in row if name.startswith("answer of ") and row[name]):
                    who = column.removeprefix("answer of ")
                    if "frame of the clip" in who or "another case" in who:
                        note(f"{arm}: {who}", row, seed, row[column])
                    elif arm == "pre-trained":
                        note(who, row, seed, row[column])
    rows = [[who, *(accuracy(by[question]) for question in QUESTIONS)] for who, by in right.items()]
    text = table(["", *QUESTIONS.values()], rows)
    print(text)
    if not dry:
        tested = len({(seed, patient) for seed, patient, _ in right["pre-trained"]["what moves?"]})
        lead = f"Measured on {describe()}: {seeds} seeds, {tested} test patients in all, {each} clips each."
        write_section("video_questions", f"{lead}\n\n{text}", page=DOCS / "protocol.md")


if __name__ == "__main__":
    typer.run(main)
