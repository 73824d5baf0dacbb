"""What signals do to a training, and that they do afterwards what they did before."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from types import FrameType

from medmae.errors import ExitCode

CODES = {
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGUSR1: ExitCode.TERMINATED,  # of a queue whose time is up
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """A training: until it listens itself, a signal ends the process with its exit code; afterwards all is as before.

    Lightning would end a training with code 0 that SIGTERM reaches before its first step, and with 1 after Ctrl-C; and
    it leaves a handler behind that swallows SIGTERM, and holds the trainer with all of its data.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may listen
        before = {number: signal.getsignal(number) for number in CODES}
    heard = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}  # nohup
    for number in heard:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


def write_line(text: str) -> None:
    """Tells it from within a handler, where print has no place."""
    if parent_process() is None:  # workers have the handlers, too
        with suppress(OSError):  # no terminal any more
            os.write(2, f"\nmedmae: {text}\n".encode())


def _end(number: int, frame: FrameType | None) -> None:
    write_line("stopped before the first step")
    raise SystemExit(CODES[signal.Signals(number)])
