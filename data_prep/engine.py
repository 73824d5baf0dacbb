"""One task a case, on Dask: in this process, on a local cluster, or on a scheduler elsewhere."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from medmae.errors import DataError
from medmae.packages import own_data_prep

Task = TypeVar("Task")
Result = TypeVar("Result")
log = logging.getLogger(__name__)


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Iterator[tuple[int, Result | Exception]]:
    """Runs ``function`` over the tasks, in any order; a task that fails does not stop the others.

    Args:
        function: Importable by name, so that it can travel to a worker.
        tasks: Arguments, one a call.
        workers: Processes of the local cluster; 0 works in this process; None chooses: this process for one or two
            tasks, else one process a core and not more than tasks.
        scheduler: Address such as ``tcp://host:8786`` of a running Dask scheduler; overrides ``workers``.

    Yields:
        ``(index of the task, result or the exception)`` as they finish.

    Raises:
        ValueError: If ``workers`` is negative.
        DataError: If the scheduler cannot be reached.
    """
    if workers is not None and workers < 0:
        raise ValueError(f"workers must be 0 or more, got {workers}")
    count = _chosen(workers, len(tasks))
    if scheduler is None and (count == 0 or not tasks):
        yield from _here(function, tasks)
    else:
        yield from _on_dask(function, tasks, workers=count, scheduler=scheduler)


def _chosen(workers: int | None, tasks: int) -> int:
    if workers is not None:
        return min(workers, tasks)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Starting a cluster costs seconds, as much as one or two cases.
    return 0 if tasks <= 2 or cores == 1 else min(cores, tasks)


def _here(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result | Exception]]:
    for index, task in enumerate(tasks):
        try:
            yield index, function(task)
        except Exception as error:  # the boundary of a case: whatever it is, the other cases go on
            log.debug("task %d failed", index, exc_info=True)
            yield index, error


def _on_dask(
    function: Callable[[Task], Result], tasks: Sequence[Task], *, workers: int, scheduler: str | None
) -> Iterator[tuple[int, Result | Exception]]:
    distributed = _distributed()
    with ExitStack() as stack:
        client = _client(stack, distributed, workers=workers, scheduler=scheduler)
        futures = client.map(function, tasks, pure=False, retries=0)
        index_of = {future.key: index for index, future in enumerate(futures)}
        for future in distributed.as_completed(futures):
            error = future.exception()
            yield index_of[future.key], future.result() if error is None else error
            future.release()


def _client(stack: ExitStack, distributed: Any, *, workers: int, scheduler: str | None) -> Any:  # noqa: ANN401
    if scheduler is not None:
        try:
            return stack.enter_context(distributed.Client(scheduler, timeout="10s"))
        except (OSError, TimeoutError, ValueError) as error:
            raise DataError(
                f"no Dask scheduler answers ({error})",
                field="scheduler",
                value=scheduler,
                remedy="start one with `dask scheduler`, or leave --scheduler out",
            ) from error
    cluster = stack.enter_context(
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.ERROR,
        )
    )
    client = stack.enter_context(distributed.Client(cluster))
    client.run(own_data_prep)  # the workers' search path is a user's, who may have a data_prep of their own
    return client


def _distributed() -> Any:  # noqa: ANN401 - a module that is imported where it is used
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "more than one process needs the package distributed: pip install 'dask[distributed]' (or --workers 0)",
            name="distributed",
        ) from error
    return distributed
