"""One contestant in a process of its own: how memory is kept, and its peak, belong to a process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from contestants import CASES, MAKERS

_WARM_UP = 2


@dataclass(frozen=True)
class Entry:
    """A contestant: whose model, and what it is given.

    Attributes:
        maker: Key of ``MAKERS``.
        fused: AdamW as one kernel; otherwise what torch chooses when nobody says anything.
        held: Freed memory is kept, as ``medmae.training.fit`` has it.
    """

    maker: str
    fused: bool
    held: bool

    @property
    def label(self) -> str:
        """For the table."""
        if self.maker.startswith("medmae"):
            return self.maker
        extras = [name for name, given in (("fused", self.fused), ("held memory", self.held)) if given]
        return " + ".join([self.maker, *extras]) if extras else f"{self.maker} as shipped"


class Worker:
    """Runs a step whenever it is asked to, and sleeps otherwise."""

    def __init__(self, entry: Entry, *, case: str, threads: int) -> None:
        context = get_context("spawn")
        self._label = entry.label
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, entry, case, threads), daemon=True)
        self._process.start()
        theirs.close()
        self._ask()  # until it is ready: two that warm up at once would disturb each other

    def step(self) -> float:
        """Seconds of one step."""
        self._pipe.send("step")
        return float(self._ask())

    def memory(self) -> tuple[float, float]:
        """MiB of the process at its peak, and of that what came after the imports; ends the process."""
        self._pipe.send("memory")
        peak, over_import = self._ask()
        self._process.join()
        return peak, over_import

    def _ask(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"{self._label} ended by itself: look above, or for a lack of memory") from None


def _serve(pipe: Connection, entry: Entry, case: str, threads: int) -> None:
    from medmae.allocator import keep_freed_memory

    torch.set_num_threads(threads)
    if entry.held:
        keep_freed_memory()
    sizes = CASES[case]
    torch.manual_seed(0)
    MAKERS[entry.maker](CASES[sizes.smallest])  # whatever this imports
    imported = _status("VmRSS")
    model, loss = MAKERS[entry.maker](sizes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, **({"fused": True} if entry.fused else {}))
    data = torch.rand(sizes.batch, sizes.channels, *sizes.size)

    def step() -> float:
        started = time.perf_counter()
        loss(data).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - started

    for _ in range(_WARM_UP):
        step()
    pipe.send("ready")
    while pipe.recv() == "step":
        pipe.send(step())
    peak = _status("VmHWM")
    pipe.send((peak, peak - imported))


def _status(field: str) -> float:
    """MiB, from the kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))
