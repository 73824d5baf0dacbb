"""Steps whose loss or gradient is not finite: skipped, counted, and the samples behind them named."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from medmae.errors import DataError, ExitCode
from medmae.files import write_text
from medmae.masking.base import Masks
from medmae.methods.base import Batch, Method, StepOutput, count_samples
from medmae.training.reading import name_of


class NotFiniteError(DataError):
    """Training stopped because losses or gradients stayed NaN or infinite."""

    exit_code = ExitCode.NOT_FINITE


@dataclass(frozen=True)
class Seen:
    """One batch of the step under way, kept until its gradient is known to be finite.

    Attributes:
        batch: What the method was given.
        masks: Which tokens were hidden, if any.
        loss: What came out.
    """

    batch: Batch
    masks: Masks
    loss: Tensor


class FiniteGuard:
    """Looks at losses and gradients before each optimiser step.

    Args:
        limit: Steps in a row that may be skipped; the next one ends the run.
    """

    def __init__(self, *, limit: int = 10) -> None:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, got {limit}")
        self.limit = limit
        self.skipped, self.in_a_row = 0, 0
        self._seen: list[Seen] = []
        self._buffers: dict[str, Tensor] = {}

    def begin(self, method: Method) -> None:
        """Called before a batch goes through: keeps the buffers (running statistics) as they are before the step."""
        if not self._seen:  # or it is another batch of the same step
            self._buffers = {name: buffer.clone() for name, buffer in method.named_buffers()}

    def watch(self, batch: Batch, output: StepOutput) -> None:
        """Remembers a batch of the step under way (several if gradients are accumulated)."""
        self._seen.append(Seen(batch, output.masks, output.loss.detach()))

    def is_bad(self, parameters: list[nn.Parameter]) -> bool:
        """Whether a loss or a gradient of this process is not finite; one number is read back for all of them."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
        if isinstance(norm, DTensor):  # parameters are shared out among processes
            norm = norm.full_tensor()
        return not bool(torch.isfinite(sum((seen.loss.to(norm) for seen in self._seen), norm)))

    def pass_on(self) -> None:
        """The step is good."""
        self._seen.clear()
        self.in_a_row = 0

    def skip(
        self,
        method: Method,
        *,
        step: int,
        folder: Path,
        dataset: object,
        rank: int | None = None,
        decide: Callable[[bool], bool] = bool,
    ) -> None:
        """Counts a bad step and writes down what is known of it.

        Args:
            method: Is run again on each sample alone, to find the ones at fault; its buffers are then what they were
                before the step, or one NaN would stay in the running statistics of a batch norm for good.
            step: Its number.
            folder: Receives ``step-00000012.json``, of several processes ``step-00000012-rank-0.json`` and so on.
            dataset: Its ``describe(index)`` names a sample, where it has one.
            rank: Of this process, if there are several.
            decide: Whether any process says yes: where one has the bad sample, the others have none to name.

        Raises:
            NotFiniteError: If it is one too many in a row.
        """
        self.skipped += 1
        self.in_a_row += 1
        for name, buffer in method.named_buffers():
            buffer.copy_(self._buffers.get(name, buffer))
        with _evaluating(method):
            looked_at = [sample for seen in self._seen for sample in _look(method, seen, dataset)]
        bad = [sample for sample in looked_at if not (sample["finite_input"] and sample["finite_loss"])]
        record: dict[str, Any] = {
            "step": step,
            "losses": [float(seen.loss) for seen in self._seen],
            # If no sample is bad by itself, each may be at fault.
            "samples": bad if decide(bool(bad)) else looked_at,
            "parameters": [name for name, p in method.named_parameters() if not _finite(p)],
            "gradients": [name for name, p in method.named_parameters() if p.grad is not None and not _finite(p.grad)],
        }
        self._seen.clear()
        path = folder / f"step-{step:08d}{'' if rank is None else f'-rank-{rank}'}.json"
        write_text(path, json.dumps(record, indent=2))
        named = "; ".join(str(sample["name"]) for sample in record["samples"][:5]) or "a sample of another process"
        warnings.warn(f"step {step} is skipped: its loss or gradient is not finite ({named}); see {path}", stacklevel=2)
        if self.in_a_row > self.limit:
            raise NotFiniteError(
                f"{self.in_a_row} steps in a row had a loss or gradient that is not finite; the last: {named}",
                path=folder,
                field="step",
                value=step,
                remedy="look at those samples, or lower base_lr; weights were kept as before the first of these steps",
            )


@contextmanager
def _evaluating(method: Method) -> Iterator[None]:
    """One sample alone has no statistics of a batch, and must leave none."""
    training = [part for part in method.modules() if part.training]
    method.eval()
    yield
    for part in training:
        part.training = True


def _look(method: Method, seen: Seen, dataset: object) -> list[dict[str, Any]]:
    """What is known of each sample of a batch by itself."""
    return [_look_at(method, seen, number, dataset) for number in range(count_samples(seen.batch))]


@torch.no_grad()
def _look_at(method: Method, seen: Seen, number: int, dataset: object) -> dict[str, Any]:
    sample = {name: value[number : number + 1] for name, value in seen.batch.items()}
    masks = {name: mask.of_sample(number) for name, mask in seen.masks.items()} or None
    alone = "negatives" not in method.needs  # what a sample is told from, one of a batch shows only to the batch
    # A generator of its own: looking at a sample must not shift what the training draws next.
    generator = torch.Generator().manual_seed(number)
    finite_loss = not alone or _finite(method(sample, masks=masks, generator=generator).loss)
    index = int(sample["index"]) if "index" in sample else None
    return {
        "index": index,
        "name": name_of(dataset, index) if index is not None else f"sample {number} of the batch",
        "finite_input": all(map(_finite, sample.values())),
        "finite_loss": finite_loss,
    }


def _finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())
