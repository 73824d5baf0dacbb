"""Tasks in another process: a native reader that crashes or hangs loses its task, not the run.

The child is this module (``python -m medmae.child``) and lives on for the next task, but never longer than its parent.
Task and answer are JSON: nothing is pickled.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from medmae.errors import DataError
from medmae.orphans import end_with_parent, in_lasting_thread
from medmae.packages import DATA_PREP, own_data_prep

_ANSWER = b"answer of medmae.child: "  # libraries print what they like, too
_READY = b"medmae.child begins"
START_S = 120.0  # for imports, of which a busy or slow machine makes much; the file has no part in them
PATIENCE = 4.0  # how often the limit may pass on the clock
_LOOK_S = 0.5
_LOCK = threading.Lock()
_child: _Child | None = None


class ChildError(RuntimeError):
    """An error in a child that is not a :class:`medmae.errors.DataError`: its type and text."""


def run_in_child(work: str, task: dict[str, Any], *, path: str | Path, limit_s: float) -> dict[str, Any]:
    """Calls a function in this process's child and waits for it; the child is started if there is none.

    Args:
        work: ``module:function``; takes and gives what JSON can hold.
        task: Its argument.
        path: File that it reads, for the message.
        limit_s: Seconds after which the child is killed, from the moment when the function is called.

    Raises:
        DataError: Its own, or that it was killed by a signal or by the limit.
        ModuleNotFoundError: Its own.
        ChildError: Any other of its errors.
    """
    with _LOCK:
        child = _living()
        try:
            question = {"work": work, "task": task, "folder": str(Path.cwd()), "parent": os.getpid()}
            answer = child.ask(question, limit_s)
        except TimeoutError as error:
            _end_child()
            raise DataError(
                f"it was not finished after {limit_s:g} s and its process was killed",
                path=path,
                field="seconds",
                value=limit_s,
                remedy="raise the limit if it is really so large; else the file is damaged: copy it again",
            ) from error
        except (EOFError, BrokenPipeError) as error:
            raise _ended(path) from error
    if "error" in answer:
        raise _error(answer["error"])
    result: dict[str, Any] = answer["result"]
    return result


class _Child:
    """A process that works on one task after the other, so that what it imports is imported once.

    Args:
        environment: Of the process.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.paths = environment["PYTHONPATH"]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long-lived as the process
        self._process = in_lasting_thread(
            lambda: subprocess.Popen(
                [sys.executable, "-m", "medmae.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=environment,
            )
        )

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, question: dict[str, Any], limit_s: float) -> dict[str, Any]:
        """Its answer.

        Raises:
            TimeoutError: If there is none in time.
            EOFError, BrokenPipeError: If the process ends.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(question).encode() + b"\n")
        stdin.flush()
        with _readable(stdout) as ready:
            return self._answer(stdout.fileno(), ready, limit_s)

    def _answer(self, said_to: int, ready: selectors.BaseSelector, limit_s: float) -> dict[str, Any]:
        began, worked, said = time.monotonic(), None, b""
        while True:
            waited = time.monotonic() - began
            # A busy machine must not make a hang of what only waits for its turn.
            if worked is None:
                over = waited > START_S
            else:
                over = self._worked() - worked > limit_s or waited > limit_s * PATIENCE
            if over:
                raise TimeoutError
            if not ready.select(_LOOK_S):
                continue
            part = os.read(said_to, 2**16)
            if not part:
                raise EOFError
            *lines, said = (said + part).split(b"\n")
            for line in lines:
                if line == _READY:
                    began, worked = time.monotonic(), self._worked()
                if line.startswith(_ANSWER):
                    answer: dict[str, Any] = json.loads(line[len(_ANSWER) :])
                    return answer

    def _worked(self) -> float:
        """Seconds that the process has had of the processor; 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user and system, behind the name

    def end(self, *, patience: float = 0.0) -> tuple[int, str]:
        """Kills it, if it does not end by itself; its exit code, and the last line that it said."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._process.kill()
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        return code, (lines or ["without a word"])[-1]


@contextlib.contextmanager
def _readable(stream: IO[bytes]) -> Iterator[selectors.BaseSelector]:
    """What waits for a stream, whatever its number: ``select`` knows none above 1,023, and many shards are open."""
    with selectors.DefaultSelector() as ready:
        ready.register(stream, selectors.EVENT_READ)
        yield ready


def _living() -> _Child:
    """This process's child."""
    global _child
    # It finds what this process finds, also where nothing is installed.
    paths = os.pathsep.join(place for place in sys.path if place)
    if _child is None or not _child.alive or _child.paths != paths:
        _end_child()
        _child = _Child({**os.environ, "PYTHONPATH": paths})
    return _child


def _end_child(*, patience: float = 0.0) -> tuple[int, str]:
    """Its exit code, and the last line that it said."""
    global _child
    child, _child = _child, None
    return (0, "") if child is None else child.end(patience=patience)


atexit.register(_end_child)


def _ended(path: str | Path) -> Exception:
    code, last = _end_child(patience=5)
    if code < 0:
        return DataError(
            "the process that read it was killed",
            path=path,
            field="signal",
            value=signal.Signals(-code).name,
            remedy="SIGKILL is mostly a lack of memory: fewer workers; else the file is damaged: copy it again",
        )
    return ChildError(f"the process that read it ended with code {code}: {last}")


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
    """The child's side: tasks from the standard input, a line each; each answer is a line of the standard output."""
    end_with_parent()
    for line in sys.stdin:
        question = json.loads(line)
        if os.getppid() != question["parent"]:
            return  # it ended before this process could ask to end with it
        module, _, function = question["work"].partition(":")
        try:
            os.chdir(question["folder"])  # the parent may have moved since it started its child
            if module.partition(".")[0] == DATA_PREP.name:
                own_data_prep()
            work = getattr(importlib.import_module(module), function)
            _say(_READY)
            answer = {"result": work(question["task"])}
        except Exception as error:  # the boundary of the process: whatever it is, the parent is told
            answer = {"error": _told(error)}
        _say(_ANSWER + json.dumps(answer).encode())


def _say(line: bytes) -> None:
    sys.stdout.write(f"\n{line.decode()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
