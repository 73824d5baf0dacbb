"""Processes that end with the one that started them, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
_LOOK_S = 1.0
_Asked = SimpleQueue[tuple[Callable[[], Any], Future[Any]]]
_starter: threading.Thread | None = None
_asked: _Asked = SimpleQueue()


def end_with_parent() -> None:
    """Ends this process when its parent ends, also by SIGKILL, also while C code hangs and keeps Python's lock.

    On Linux the kernel kills it, see prctl(2). Where that cannot be asked, a thread looks once a second; it cannot look
    while C code keeps the lock.
    """
    parent = os.getppid()
    if not _kernel_kills():
        threading.Thread(target=_watch, args=[parent], daemon=True).start()


def in_lasting_thread(make: Callable[[], T]) -> T:
    """What ``make`` gives or raises, called in a thread that lasts as long as this process.

    Linux's kernel takes for a parent's end that of the *thread* which started a child: one of a pool, which ends
    sooner, must not take along a child that others still wait for. Not for several threads at once.
    """
    global _starter, _asked
    if _starter is None or not _starter.is_alive():  # none yet, or in a forked process, where no thread goes along
        _asked = SimpleQueue()
        _starter = threading.Thread(target=_serve, args=[_asked], daemon=True)
        _starter.start()
    answer: Future[T] = Future()
    _asked.put((make, answer))
    return answer.result()


def _serve(asked: _Asked) -> None:
    while True:
        make, answer = asked.get()
        try:
            answer.set_result(make())
        except BaseException as error:  # whatever it is, it is raised where it was asked for
            answer.set_exception(error)


def _kernel_kills() -> bool:
    if sys.platform != "linux":
        return False
    try:
        return ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0
    except (OSError, AttributeError):  # a C library that cannot be asked
        return False


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)
