"""What every preparation does around its cases: checks before the work, the work itself, the end of the command."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from data_prep.engine import run_tasks
from data_prep.outcome import CaseResult, Outcome, Row
from medmae.data import splits
from medmae.errors import DataError
from medmae.files import write_text

Task = TypeVar("Task")
log = logging.getLogger(__name__)
_EVERY_SECONDS = 30.0  # between two lines of progress where there is no terminal
_SMALL_JOB = 100_000_000  # bytes of compressed sources: about ten seconds of work


def check_names(names: Sequence[str]) -> None:
    """Refuses two cases of one name, whose files would overwrite each other.

    Raises:
        DataError: With the names.
    """
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise DataError("different cases have the same name", field="case", value=twice, remedy="rename their subjects")


def given_split(path: str | Path, subjects: Iterable[str]) -> dict[str, str]:
    """Reads ``subject,split`` and checks that everyone has one.

    Raises:
        DataError: If not, with who is missing.
    """
    given = splits.read(path)
    missing = sorted(set(subjects) - set(given))
    if missing:
        raise DataError(
            f"{len(missing)} subjects have no split: {', '.join(missing[:20])}",
            path=path,
            field="subject",
            value=len(missing),
            remedy="add a line for each of them",
        )
    return given


def check_writable(out: Path) -> None:
    """Fails before the work rather than after it.

    Raises:
        DataError: If nothing can be written there.
    """
    probe = out / ".write_probe"
    try:
        write_text(probe, "")
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"the output folder cannot be written ({error.strerror})", path=out, remedy="choose another"
        ) from error


def workers_for(workers: int | None, files: Iterable[Path]) -> int | None:
    """Keeps small jobs in this process: starting a cluster costs more than reading them."""
    if workers is not None:
        return workers
    if sum(file.stat().st_size for file in files if file.is_file()) < _SMALL_JOB:
        return 0
    if importlib.util.find_spec("distributed") is None:
        log.warning("one process prepares all: for more, pip install 'dask[distributed]'")
        return 0
    return None


def run_cases(
    function: Callable[[Task], CaseResult],
    tasks: Sequence[Task],
    *,
    names: Sequence[str],
    workers: int | None,
    scheduler: str | None,
    console: Console,
) -> Outcome:
    """Runs ``function`` over the tasks, see :func:`data_prep.engine.run_tasks`, and shows how far it is.

    Args:
        function: Prepares one case.
        tasks: One a case.
        names: Of the cases, for the bar.
        workers: Processes.
        scheduler: Of Dask.
        console: Where the bar is drawn.

    Raises:
        ModuleNotFoundError: If a package is missing: the machine is at fault, not the case.
    """
    outcome = Outcome()
    with _progress(console, len(tasks)) as advance:
        for index, result in run_tasks(function, tasks, workers=workers, scheduler=scheduler):
            if isinstance(result, ModuleNotFoundError):
                raise result
            outcome.add(index, result)
            advance(names[index], len(outcome.failed))
    return outcome


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Any]:
    """How far it is: a bar on a terminal, elsewhere a line every so often."""
    if not console.is_terminal:
        yield _Lines(console, total)
        return
    columns = (
        TextColumn("preparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cases"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def advance(case: str, failed: int) -> None:
            bar.update(task, advance=1, description=escape(case) + (f" [red]{failed} failed[/]" if failed else ""))

        yield advance


class _Lines:
    """Plain lines, of which the first comes after as long as the others: a short preparation has none."""

    def __init__(self, console: Console, total: int) -> None:
        self.console, self.total, self.done = console, total, 0
        self.started = self.told = time.monotonic()

    def __call__(self, case: str, failed: int) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self.told >= _EVERY_SECONDS and self.done < self.total:
            self.told = now
            left = timedelta(seconds=round((now - self.started) / self.done * (self.total - self.done)))
            bad = f", {failed} failed" if failed else ""
            self.console.print(f"preparing: {self.done} of {self.total} cases{bad}, {left} left", highlight=False)


def nothing_usable(
    failed: Mapping[int, Exception], failures: Sequence[Row], out: Path, source: str | Path
) -> Exception:
    """The error of a run in which nothing could be used: of a single case, its own.

    Args:
        failed: Errors of cases.
        failures: Lines of ``quarantine.csv``, also about parts of cases.
        out: Folder of that file.
        source: Of the data.
    """
    if not failed:
        return DataError(
            f"none of the {len(failures)} parts can be used; the first, {failures[0]['file']}: {failures[0]['reason']}",
            path=source,
            remedy=f"read {out / 'quarantine.csv'}",
        )
    first = failed[min(failed)]
    if len(failed) == 1:
        return first if isinstance(first, DataError) else DataError(f"{type(first).__name__}: {first}", path=source)
    return DataError(
        f"none of the {len(failed)} cases can be used; the first: {first}",
        path=source,
        remedy=f"read {out / 'quarantine.csv'}",
    )
