"""A loader that a run can be resumed from, at the very batch at which it stopped."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from medmae.errors import DataError
from medmae.training.balance import balanced_weights
from medmae.training.reading import Failure, Key, Reader, collate
from medmae.training.sampler import SeededSampler, process
from medmae.training.unreadable import Unreadable

_POLL_SECONDS = 5  # how often dead workers are looked for
_DEAD, _SILENT = "exited unexpectedly", "timed out after"


class ResumableLoader:
    """Batches in an order that is a function of (seed, epoch), with a position that a checkpoint can hold.

    The position counts samples that were *delivered*, not those that workers have read ahead. Lightning stores it with
    the training loop, and puts it back.

    Unreadable samples are replaced by the next of the same order and counted; more than max(1, 0.1 %) of them end the
    run. If a worker dies or nothing arrives for ``timeout``, all workers are started anew once at the same position.

    Args:
        dataset: Map-style; ``set_epoch`` is called where it exists.
        batch_size: Samples a step, of each process.
        seed: Of the order, and of what a data set draws from global generators for a sample.
        shuffle: False reads from first to last, and the same in every epoch.
        replacement: Draws with replacement.
        num_samples: Length of an epoch, all processes together; None is that of the data set.
        balanced: Draws samples of rare classes as often as those of frequent ones, by the ``labels`` of the data set;
            see :func:`medmae.training.balance.balanced_weights`.
        drop_last: Leaves out a last batch that is not full; None does where samples are shuffled.
        num_workers: Processes that read ahead; any number gives the same batches.
        pin_memory: For fast copies to a GPU; None where there is one.
        timeout: Seconds to wait for workers.
    """

    def __init__(
        self,
        *,
        dataset: Dataset[Any],
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        replacement: bool = False,
        num_samples: int | None = None,
        balanced: bool = False,
        drop_last: bool | None = None,
        num_workers: int = 0,
        pin_memory: bool | None = None,
        timeout: float = 600.0,
    ) -> None:
        samples = len(dataset)  # type: ignore[arg-type]
        if batch_size < 1 or num_workers < 0 or timeout <= 0:
            raise ValueError(
                "batch_size is at least 1, num_workers at least 0, and timeout more than 0 seconds; "
                f"got batch_size={batch_size}, num_workers={num_workers}, timeout={timeout}"
            )
        self.dataset, self.batch_size = dataset, batch_size
        self.drop_last = shuffle if drop_last is None else drop_last
        self.num_workers, self.timeout = num_workers, timeout
        self.sampler = SeededSampler(
            samples=samples,
            seed=seed,
            shuffle=shuffle,
            replacement=replacement,
            num_samples=num_samples,
            weights=balanced_weights(dataset.labels) if balanced else None,  # type: ignore[attr-defined]
        )
        self.unreadable = Unreadable(dataset)
        self.batch_sampler = None  # Lightning looks for one when it asks whether validation is shuffled
        self._pin_memory = torch.cuda.is_available() if pin_memory is None else pin_memory
        self._reader = Reader(dataset, sampler=self.sampler)
        self._plan: list[list[Key]] = []  # what the workers read, in this order
        self._workers: DataLoader | None = None
        self._epoch, self._delivered = 0, 0

    def __len__(self) -> int:
        whole = self.batch_size * process()[1]
        full, rest = divmod(len(self.sampler), whole)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        # Lazy: Lightning asks for an iterator before it says which epoch it is and where to go on.
        return self._deliver()

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands: epoch, samples delivered in it by all processes, and what could not be read."""
        return {
            "order": self.describe_order(),
            "epoch": self._epoch,
            "delivered": self._delivered,
            "unreadable": dict(self.unreadable.reasons),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from there when that epoch is next asked for.

        Raises:
            DataError: If the order was another one, so that the position means nothing.
        """
        if state["order"] != self.describe_order():
            raise DataError(
                "the position in the data is that of another order of samples",
                field="order",
                value=(state["order"], self.describe_order()),
                remedy="resume with the data, split and seed of the stopped run",
            )
        self._epoch, self._delivered = state["epoch"], state["delivered"]
        self.unreadable.reasons = dict(state["unreadable"])

    def describe_order(self) -> dict[str, Any]:
        """All that the order of samples depends on."""
        order = self.sampler
        fields = {name: getattr(order, name) for name in ("samples", "seed", "shuffle", "replacement", "num_samples")}
        if order.weights is not None:
            fields["weights"] = hashlib.sha256(order.weights.tobytes()).hexdigest()
        return {**fields, "data": getattr(self.dataset, "order_sha256", None)}

    def close(self) -> None:
        """Ends the workers."""
        self._workers = None

    def _deliver(self) -> Iterator[Any]:
        epoch = self.sampler.epoch
        if epoch != self._epoch:
            self._epoch, self._delivered = epoch, 0
        restarted_at = -1
        while True:
            try:
                for batch, failures in self._read():
                    self.unreadable.note(failures, hopeless=batch is None)
                    self._delivered += self.batch_size * process()[1]
                    yield batch
                return
            except WorkersLostError as error:
                if restarted_at == self._delivered:
                    raise DataError(
                        f"reading failed twice at the same place ({error})",
                        field="epoch, samples delivered",
                        value=(epoch, self._delivered),
                        remedy="read the samples of that batch alone (num_workers 0) or give the workers more memory",
                    ) from error
                warnings.warn(f"{error}; the workers are started anew at the same batch", stacklevel=2)
                restarted_at = self._delivered
                self.close()

    def _read(self) -> Iterator[tuple[Any, list[Failure]]]:
        """The rest of the epoch."""
        places = self.sampler.batches(batch_size=self.batch_size, drop_last=self.drop_last, start=self._delivered)
        self._plan[:] = [[(self._epoch, place) for place in some.tolist()] for some in places]
        if not self.num_workers:
            for keys in self._plan:
                yield collate([self._reader[key] for key in keys])
            return
        yield from self._read_ahead()

    def _read_ahead(self) -> Iterator[tuple[Any, list[Failure]]]:
        if self._workers is None:
            self._workers = DataLoader(
                self._reader,
                batch_sampler=self._plan,  # a list is read anew at each epoch
                num_workers=self.num_workers,
                persistent_workers=True,
                pin_memory=self._pin_memory,
                collate_fn=collate,
                timeout=min(self.timeout, _POLL_SECONDS),
                generator=torch.Generator(),  # workers draw their seeds from here: global generators stay untouched
            )
        batches = None
        waited_since = time.monotonic()
        while True:
            try:
                batches = batches or iter(self._workers)
                _let_children_die()
                batch = next(batches)
            except StopIteration:
                return
            except (EOFError, OSError) as error:
                # Tensors travel through sockets of the worker that made them; unreadable samples do not get this far.
                raise WorkersLostError(f"a worker ended before its batch was fetched ({error!r})") from None
            except RuntimeError as error:
                if _DEAD in str(error):
                    raise WorkersLostError(str(error)) from None
                if _SILENT not in str(error):
                    raise
                if time.monotonic() - waited_since > self.timeout:
                    raise WorkersLostError(f"no batch arrived within {self.timeout:g} s") from None
                continue
            yield batch
            waited_since = time.monotonic()


Loader = DataLoader[Any] | ResumableLoader


class WorkersLostError(RuntimeError):
    """Workers died or fell silent."""


def _let_children_die() -> None:
    """Has dead workers found while waiting for a batch; torch's handler would raise in the middle of a step."""
    if threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGCHLD)):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
