"""Kills a training at random moments, resumes it, and compares all that it did with a run that nobody touched.

A small Edge-MAE trains with validation, a checkpoint at every step, a data set that draws from all three global
generators, and 0 or 2 workers. Each attempt is ended at a random moment: two thirds by SIGKILL, which may fall into a
save, one third by SIGTERM. After each, every checkpoint must read back whole, none that was announced may be gone, and
workers must be gone. The next attempt goes on with ``newest``; when a run reaches its end, another begins. Every batch,
mask and loss of every attempt, and the last weights of every run, must be those of the untouched run, bit for bit.

    python benchmarks/kill_test.py --kills 100                # into docs/benchmarks.md
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytorch_lightning as pl
import torch
import typer
from document import table, write_section
from machine import describe
from pytorch_lightning.callbacks import Callback
from torch.utils.data import Dataset

from medmae.methods.edge_mae import edge_mae_tiny
from medmae.training import Checkpoints, MaskedModule, OptimizerSpec, ResumableLoader, fit
from medmae.training.checkpoints import checkpoints
from medmae.training.resume import AtomicCheckpointIO, read_checkpoint

EPOCHS, SAMPLES, BATCH = 4, 50, 4
KEPT = "checkpoints"


@dataclass(frozen=True)
class Setting:
    """How a run trains.

    Attributes:
        workers: Processes that read ahead.
        accumulate: Batches a step.
    """

    workers: int
    accumulate: int


SETTINGS = (Setting(0, 1), Setting(2, 1), Setting(0, 2), Setting(2, 2))


class Pictures(Dataset[dict[str, Any]]):
    """Noise that depends on every global generator."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(index))
        noise = random.random() + np.random.rand() + torch.rand(()).item()  # careless on purpose
        return {"image": image + 0.1 * noise, "index": index}


class Diary(Callback):
    """One line a batch, and one for each checkpoint that is complete; a line is one write, whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.mask = ""

    def note_mask(self, module: object, arguments: object, output: Any) -> None:
        """A forward hook of the method."""
        self.mask = hashlib.sha1(output.masks["image"].visible.numpy().tobytes(), usedforsecurity=False).hexdigest()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """What this batch was and gave."""
        seen = {"batch": batch["index"].tolist(), "pixels": batch["image"].double().sum().item().hex()}
        loss = outputs["loss"].item().hex()
        self.write({"at": [trainer.current_epoch, batch_idx], **seen, "mask": self.mask, "loss": loss})

    def write(self, line: dict[str, Any]) -> None:
        """Appends a line."""
        os.write(self.file, (json.dumps(line) + "\n").encode())


class Announced(Checkpoints):
    """Says in the diary which checkpoint is complete."""

    diary: Diary

    def _save(self, trainer: pl.Trainer, *, last_chance: bool) -> None:
        super()._save(trainer, last_chance=last_chance)
        self.diary.write({"saved": trainer.global_step})


def train(home: Path, setting: Setting) -> None:
    """One attempt, from the newest checkpoint if there is one."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    resuming = bool(checkpoints(home / KEPT))
    pl.seed_everything(0 if resuming else 7, verbose=False)  # a new process does not know where generators stood
    diary, keeper = Diary(home / "diary.jsonl"), Announced(folder=home / KEPT, every_steps=1)
    keeper.diary = diary
    method = edge_mae_tiny(embed_dim=128, depth=6)
    method.register_forward_hook(diary.note_mask)
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        accumulate_grad_batches=setting.accumulate,
        default_root_dir=home,
        callbacks=[diary, keeper],
        plugins=[AtomicCheckpointIO()],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    loaders = [
        ResumableLoader(dataset=Pictures(), batch_size=BATCH, seed=5, shuffle=shuffle, num_workers=setting.workers)
        for shuffle in (True, False)
    ]
    module = MaskedModule(method=method, optimizer=OptimizerSpec(base_lr=1e-3, scale_by_batch=False), seed=3)
    checkpoint = "newest" if resuming else None
    fit(trainer=trainer, module=module, train_loader=loaders[0], val_loader=loaders[1], checkpoint=checkpoint)
    (home / "finished").touch()


def in_child(function: Callable[[], None], *, log: Path) -> int:
    """Forks; what was imported need not be imported again."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        sys.stderr = log.open("a")
        function()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


@dataclass
class Tally:
    """What was found.

    Attributes:
        kills: Signals that hit a running attempt, by name.
        in_save: Kills that left half a checkpoint behind, under its temporary name.
        before_first: Kills before the first checkpoint was complete.
        runs: Runs brought to their end.
        faults: What must not happen, in words.
    """

    kills: Counter[str] = field(default_factory=Counter)
    in_save: int = 0
    before_first: int = 0
    runs: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reference:
    """The untouched run.

    Attributes:
        pages: (epoch, batch) -> what the diary says.
        weights: Of its last checkpoint.
        seconds: It took.
    """

    pages: dict[tuple[int, int], dict[str, Any]]
    weights: dict[str, torch.Tensor]
    seconds: float


def read_diary(home: Path) -> tuple[dict[tuple[int, int], list[dict[str, Any]]], int]:
    """All lines for each batch, and the newest announced checkpoint."""
    pages: dict[tuple[int, int], list[dict[str, Any]]] = {}
    saved = -1
    path = home / "diary.jsonl"
    for line in map(json.loads, path.read_text().splitlines() if path.exists() else []):
        if "saved" in line:
            saved = max(saved, line["saved"])
        else:
            pages.setdefault(tuple(line["at"]), []).append(line)
    return pages, saved


def untouched(home: Path, setting: Setting) -> Reference:
    """Runs it once, to the end."""
    home.mkdir()
    started = time.monotonic()
    status = os.waitpid(in_child(lambda: train(home, setting), log=home / "log.txt"), 0)[1]
    if status:
        raise RuntimeError(f"the untouched run failed: {(home / 'log.txt').read_text()}")
    pages = {at: lines[0] for at, lines in read_diary(home)[0].items()}
    return Reference(pages, last_weights(home), time.monotonic() - started)


def last_weights(home: Path) -> dict[str, torch.Tensor]:
    """Of the newest checkpoint."""
    return dict(read_checkpoint(checkpoints(home / KEPT)[0])["state_dict"])


def attempt(home: Path, setting: Setting, seconds: float, rng: random.Random, tally: Tally) -> float:
    """Starts, and ends it at a random moment within ``seconds``, unless it reaches its end before.

    Returns:
        How long a whole run takes, as far as is known now: on a machine that others use, too, that changes.
    """
    halves, whole = half_saved(home), not checkpoints(home / KEPT)
    pid, started = in_child(lambda: train(home, setting), log=home / "log.txt"), time.monotonic()
    until = started + rng.uniform(0, seconds)
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            check_end(home, status, tally, expected=(0,))
            return time.monotonic() - started if whole else seconds
        time.sleep(0.002)
    children = children_of(pid)
    number = signal.SIGKILL if rng.random() < 2 / 3 else signal.SIGTERM
    os.kill(pid, number)
    status = os.waitpid(pid, 0)[1]
    tally.kills[number.name] += 1
    # Before training listens, SIGTERM ends the process as it ends any other; at the very end there is nothing to stop.
    expected = (-signal.SIGKILL,) if number == signal.SIGKILL else (143, 0, -signal.SIGTERM)
    check_end(home, status, tally, expected=expected)
    tally.before_first += not checkpoints(home / KEPT)
    tally.in_save += bool(half_saved(home) - halves)
    orphans = [child for child in children if not gone(child)]
    tally.faults += [f"worker {child} outlived its run by 20 s" for child in orphans]
    return seconds


def half_saved(home: Path) -> set[str]:
    """Checkpoints that were being written when the process ended."""
    return {path.name for path in (home / KEPT).glob(".*.part")}


def check_end(home: Path, status: int, tally: Tally, *, expected: tuple[int, ...]) -> None:
    """The exit code is right, checkpoints are whole, none is lost."""
    code = os.waitstatus_to_exitcode(status)
    if code not in expected:
        tally.faults.append(f"exit code {code}, expected {expected}: {(home / 'log.txt').read_text()[-600:]}")
    if code == 0 and not (home / "finished").exists():
        tally.faults.append("exit code 0 of a run that did not come to its end")
    newest = -1
    for path in checkpoints(home / KEPT):
        try:
            newest = max(newest, read_checkpoint(path)["global_step"])
        except ValueError as error:
            tally.faults.append(f"corrupted: {error}")
    announced = read_diary(home)[1]
    if newest < announced:
        tally.faults.append(f"step {announced} was saved, the newest checkpoint is of step {newest}")


def children_of(pid: int) -> list[int]:
    """Processes that it started."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def gone(pid: int, *, within: float = 20.0) -> bool:
    """Whether a process ends soon."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        status = Path(f"/proc/{pid}/stat")
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def compare(home: Path, reference: Reference, tally: Tally) -> int:
    """Every batch that any attempt trained on, then the weights; returns how many batches there were."""
    pages, _ = read_diary(home)
    for at, page in reference.pages.items():
        for line in pages.get(at, [{}]):
            if line != page:
                tally.faults.append(f"epoch, batch {at}: {line} instead of {page}")
    weights = last_weights(home)
    tally.faults += [
        f"weights differ: {name}" for name, value in reference.weights.items() if not torch.equal(value, weights[name])
    ]
    return sum(map(len, pages.values()))


def main(
    kills: Annotated[int, typer.Option(help="How often.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    dry: Annotated[bool, typer.Option("--dry", help="Leave docs/benchmarks.md alone.")] = False,
) -> None:
    """Prints what was found; exit code 1 if anything was wrong."""
    rng, tally, batches, started = random.Random(seed), Tally(), 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        references = {setting: untouched(work / f"whole{index}", setting) for index, setting in enumerate(SETTINGS)}
        seconds = {setting: reference.seconds for setting, reference in references.items()}
        size = checkpoints(work / "whole0" / KEPT)[0].stat().st_size / 2**20
        while tally.kills.total() < kills:
            setting = SETTINGS[tally.runs % len(SETTINGS)]
            home = work / "run"
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            while not (home / "finished").exists():
                before = len(tally.faults)
                seconds[setting] = attempt(home, setting, seconds[setting], rng, tally)
                for fault in tally.faults[before:]:  # at once: whoever stops this run would not see them
                    print(f"\n{fault}", flush=True)
                print(
                    f"\r{tally.kills.total()} kills, {tally.runs} runs, {len(tally.faults)} faults", end="", flush=True
                )
            batches += compare(home, references[setting], tally)
            tally.runs += 1
    steps = len(references[SETTINGS[0]].pages)
    rows = [
        ["kills", f"{tally.kills.total()} ({', '.join(f'{count} {name}' for name, count in tally.kills.items())})"],
        ["of them within a save / before the first checkpoint", f"{tally.in_save} / {tally.before_first}"],
        ["runs brought to their end", f"{tally.runs}, of {steps} batches each; 0 or 2 workers, 1 or 2 batches a step"],
        ["batches compared with the untouched run (indices, pixels, mask, loss)", str(batches)],
        ["checkpoint", f"{size:.1f} MiB, one a step"],
        ["corrupted or lost checkpoints, differing batches, wrong exit codes, workers left", str(len(tally.faults))],
    ]
    text = f"{time.monotonic() - started:.0f} s on {describe()}.\n\n{table(['', ''], rows)}"
    print(f"\n{text}", *tally.faults, sep="\n")
    if not dry:
        write_section("kill_test", text)
    raise typer.Exit(bool(tally.faults))


if __name__ == "__main__":
    typer.run(main)
