"""When, where and by which command something was made: what a reader of its page asks first."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import torch

import medmae

_GIB = 2**30
_LIMIT_S = 5.0  # of asking git


def circumstances(device: torch.device | str, *, devices: int = 1) -> dict[str, str]:
    """``finished`` (now, with the zone), ``command``, ``hardware`` and ``code``, to read.

    Args:
        device: What it was computed on.
        devices: How many of them.
    """
    return {
        "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": command(sys.argv),
        "hardware": hardware(torch.device(device), devices=devices),
        "code": code(Path(medmae.__file__).parents[1]),
    }


def command(words: list[str]) -> str:
    """The command line as one would type it again; of an interactive session only that it was one.

    Args:
        words: ``sys.argv``.
    """
    program = Path(words[0]) if words and words[0] not in ("", "-", "-c", "-m") else None
    if program is None or program.name.startswith(("ipykernel", "colab_kernel")):
        return "an interactive Python session"
    if program.stem == "medmae" or program.parts[-2:] == ("medmae", "__main__.py"):
        return shlex.join(["medmae", *words[1:]])
    return shlex.join(["python", *words])


def hardware(device: torch.device, *, devices: int = 1) -> str:
    """Processor, cores that may be used and memory; before them the accelerators that computed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = [_processor(), f"{cores} core{'' if cores == 1 else 's'}", *_memory()]
    if device.type == "cuda":
        parts.insert(0, f"{devices} x {torch.cuda.get_device_name(device)}")
    elif device.type != "cpu":
        parts.insert(0, f"{devices} x {device.type}")
    return ", ".join(parts)


def code(checkout: Path) -> str:
    """The version of medmae, and of a checkout its commit, with ``-dirty`` where files differ from it.

    Args:
        checkout: The folder that holds the package.
    """
    if not (checkout / ".git").exists():
        return f"medmae {medmae.__version__}"
    ask = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        told = subprocess.run(ask, capture_output=True, text=True, timeout=_LIMIT_S, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        told = "not known: git does not answer"
    return f"medmae {medmae.__version__}, commit {told}"


def _processor() -> str:
    """Its model, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _memory() -> list[str]:
    try:
        return [f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _GIB:.0f} GiB of memory"]
    except (AttributeError, ValueError, OSError):  # not everywhere is this known
        return []
