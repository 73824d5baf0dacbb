"""One task in a process of its own: a native reader that crashes or hangs loses its task, not the run.

The child is this module (``python -m data_prep.child MODULE:FUNCTION``). Task and answer are JSON: nothing is pickled.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from medmae.errors import DataError


class ChildError(RuntimeError):
    """An error in a child that is not a :class:`medmae.errors.DataError`: its type and text."""


def run_in_child(work: str, task: dict[str, Any], *, path: str | Path, limit_s: float) -> dict[str, Any]:
    """Calls a function in a child and waits for it.

    Args:
        work: ``module:function``; takes and gives what JSON can hold.
        task: Its argument.
        path: File that it reads, for the message.
        limit_s: Seconds after which it is killed.

    Raises:
        DataError: Its own, or that it was killed by a signal or by the limit.
        ModuleNotFoundError: Its own.
        ChildError: Any other of its errors.
    """
    # The child finds what this process finds, also where nothing is installed.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module, without a shell
            [sys.executable, "-m", "data_prep.child", work],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"it was not finished after {limit_s:g} s and its process was killed",
            path=path,
            field="seconds",
            value=limit_s,
            remedy="raise the limit if it is really so large; else the file is damaged: copy it again",
        ) from error
    return _answer(done, path)


def _answer(done: subprocess.CompletedProcess[str], path: str | Path) -> dict[str, Any]:
    if done.returncode < 0:
        raise DataError(
            "the process that read it was killed",
            path=path,
            field="signal",
            value=signal.Signals(-done.returncode).name,
            remedy="SIGKILL is mostly a lack of memory: fewer workers; else the file is damaged: copy it again",
        )
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise ChildError(f"the process that read it ended with code {done.returncode}: {last}") from error
    if "error" in answer:
        raise _error(answer["error"])
    result: dict[str, Any] = answer["result"]
    return result


def _error(told: dict[str, Any]) -> Exception:
    kind = told.pop("type")
    if kind == "DataError":
        return DataError(**told)
    if kind == "ModuleNotFoundError":
        return ModuleNotFoundError(told["reason"], name=told["name"])
    return ChildError(f"{kind}: {told['reason']}")


def _told(error: Exception) -> dict[str, Any]:
    if isinstance(error, DataError):
        path = None if error.path is None else str(error.path)
        value = error.value if isinstance(error.value, str | int | float | None) else str(error.value)
        return {
            "type": "DataError",
            "reason": error.reason,
            "path": path,
            "field": error.field,
            "value": value,
            "remedy": error.remedy,
        }
    return {"type": type(error).__name__, "reason": str(error), "name": getattr(error, "name", None)}


def main() -> None:
    """The child's side: one task from the standard input, one answer as the last line of the standard output."""
    module, _, function = sys.argv[1].partition(":")
    try:
        answer = {"result": getattr(importlib.import_module(module), function)(json.load(sys.stdin))}
    except Exception as error:  # the boundary of the process: whatever it is, the parent is told
        answer = {"error": _told(error)}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


if __name__ == "__main__":
    main()
