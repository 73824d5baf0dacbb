"""Trainings in a process of their own, which signals and limits of files may end.

All processes are forks of one that has imported this module and done nothing: imports take longer than the trainings.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from pytorch_lightning.callbacks import Callback

from medmae.training import Checkpoints, ResumableLoader, fit
from tests.faults.runs import Numbered, run
from tests.training.toys import Blobs, module, trainer


class Waiting(Callback):
    """After three batches, waits until the parent has sent what it wants to send."""

    def __init__(self, folder: Path):
        self.folder = folder

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if batch_idx == 2:
            (self.folder / "three batches are done").touch()
            while not (self.folder / "go on").exists():
                time.sleep(0.02)


def interrupted(folder: Path, accumulate: int) -> None:
    """A long training that waits for a signal after three batches."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore these: `nohup`, `&`
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    keeper = Checkpoints(folder=folder / "checkpoints")
    options = {"callbacks": [Waiting(folder), keeper], "accumulate_grad_batches": accumulate}
    run(folder, Numbered(64), keeper=keeper, **options)


def with_a_full_disk(folder: Path) -> None:
    """Goes on with a training where no file can grow beyond 20 kB; what it says is in ``said``."""
    sys.stderr = (folder / "said").open("w")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    keeper = Checkpoints(folder=folder / "checkpoints", every_steps=1, tries=3)
    run(folder, Numbered(), keeper=keeper, epochs=3, checkpoint="newest")


def without_memory(folder: Path, batch_size: int) -> None:
    """Trains where the address space may grow by 300 MiB only; how that ends is in ``ended``.

    A process of its own: once it was refused the memory for a kernel, oneDNN makes no other and may crash. The first
    training makes the kernels, so that what the second one lacks is memory for tensors.
    """
    for limited in (False, True):
        batches = ResumableLoader(dataset=Blobs(batch_size), batch_size=batch_size)
        learner, made = module(), trainer(folder)
        if limited:
            kept = what_the_process_kept()
            soft = address_space() + 300 * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (soft, resource.getrlimit(resource.RLIMIT_AS)[1]))
            assert kept
        try:
            fit(trainer=made, module=learner, train_loader=batches)
            ended = "it was trained"
        except Exception as error:
            ended = f"{type(error).__name__}: {error}"
    (folder / "ended").write_text(ended)


def address_space() -> int:
    """Bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def what_the_process_kept() -> list[torch.Tensor]:
    """Takes what was freed before and would serve again: nothing is given back to the system."""
    taken = []
    for size in (2**24, 2**20):
        before = address_space()
        while address_space() == before:
            taken.append(torch.empty(size, dtype=torch.uint8))
    return taken


def start(target: Callable[..., None], *given: object) -> BaseProcess:
    """A process that does one of these."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=target, args=given, daemon=True)
    process.start()
    return process


def send(process: BaseProcess, number: int, folder: Path) -> int | None:
    """Sends a signal after three batches; gives the exit code."""
    while not (folder / "three batches are done").exists():
        assert process.is_alive()
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, number)
    (folder / "go on").touch()
    process.join(timeout=600)
    return process.exitcode
