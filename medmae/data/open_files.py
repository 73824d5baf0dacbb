"""How many files a process may hold open, and which memory maps it keeps: a hospital has more shards than that."""

from __future__ import annotations

import resource
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from itertools import count
from weakref import WeakKeyDictionary, finalize

import numpy as np

Key = tuple[int, str]  # number of who reads, and what
WANTED = 65_536  # far below what Linux allows a process to map


@cache
def allowed_files() -> int:
    """Files that this process may hold open; the soft limit is raised first, as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return WANTED if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


class RecentMaps:
    """The memory maps of a process that were used last; each holds a file open, so older ones are let go.

    A quarter of what the process may hold open is used: workers of a data loader hand on their batches through files,
    too. The maps of a reader that nobody has any more are let go with it. An array that somebody still has lives on.
    """

    def __init__(self) -> None:
        self._maps: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._numbers: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._next = count()

    def get(self, reader: object, file: str, open_it: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of a reader's file, opened if it is not one of those kept."""
        key = (self._number(reader), file)
        array = self._maps.get(key)
        if array is None:
            most = max(allowed_files() // 4, 8)
            array = self._maps[key] = open_it()
            while len(self._maps) > most:
                self._maps.popitem(last=False)
        self._maps.move_to_end(key)
        return array

    def _number(self, reader: object) -> int:
        number = self._numbers.get(reader)
        if number is None:
            number = self._numbers[reader] = next(self._next)
            finalize(reader, self._let_go, number).atexit = False
        return number

    def _let_go(self, number: int) -> None:
        for key in [key for key in list(self._maps) if key[0] == number]:
            self._maps.pop(key, None)

    def __len__(self) -> int:
        return len(self._maps)


RECENT = RecentMaps()
