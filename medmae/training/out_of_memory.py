"""What to do when memory runs out: the sizes at fault, and settings that would fit, with what they would need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import cast

import torch

from medmae.errors import DataError
from medmae.methods.base import Method
from medmae.nn.checkpointing import recomputable_blocks
from medmae.nn.vit import MaskedViT
from medmae.training.memory import Precision, memory
from medmae.training.sizes import Sizes

# PyTorch has a class of its own for CUDA only. From the CPU, MPS, cuBLAS and the driver come plain errors.
_MESSAGES = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDA error: out of memory",
    "MPS backend out of memory",
    "std::bad_alloc",
)
# oneDNN's word for whatever kept it from compiling a kernel. Under a limit of the address space (`ulimit -v`, batch
# systems) that is memory; elsewhere it may be a system that runs no code made at run time.
_OF_KERNELS = "could not create a primitive"


class NotEnoughMemoryError(DataError):
    """Memory ran out; other settings may fit."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is how memory ends: Python's, NumPy's, PyTorch's on CPU and GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    said = str(error)
    return any(message in said for message in _MESSAGES) or (_OF_KERNELS in said and _address_space_is_limited())


def _address_space_is_limited() -> bool:
    try:
        import resource  # POSIX only
    except ImportError:
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


@contextmanager
def explaining_out_of_memory(*, method: Method, batch_size: int, advice: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Turns the end of memory within the block into an error that says what to change; other errors pass.

    Args:
        method: What is trained or applied.
        batch_size: Samples at once.
        advice: Makes the suggestions; called only when they are needed.

    Raises:
        NotEnoughMemoryError: In place of the allocator's own.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        tokens = [encoder.num_tokens for encoder in method.encoders.values() if isinstance(encoder, MaskedViT)]
        said = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise NotEnoughMemoryError(
            f"out of memory ({said})",
            field="batch_size, tokens of a sample" if tokens else "batch_size",
            value=(batch_size, *tokens) if tokens else batch_size,
            remedy="try " + "; or ".join(advice()),
        ) from error


def training_advice(method: Method, *, batch_size: int, accumulate: int = 1, precision: str = "32-true") -> list[str]:
    """Settings for a training step that need less, each with what the cost model expects of it.

    Args:
        method: What is trained.
        batch_size: Samples of a batch now.
        accumulate: Batches of a step now.
        precision: Lightning's name of it now.
    """
    recomputing = any(block.recompute for block in recomputable_blocks(method))
    expected = partial(_expected, method, batch=batch_size, checkpointing=recomputing, precision=precision)
    advice = []
    if batch_size > 1:
        # A resumed run must have as many samples a step as before: only a divisor will do.
        parts = next(n for n in range(2, batch_size + 1) if batch_size % n == 0)
        smaller, more = batch_size // parts, accumulate * parts
        need = expected(batch=smaller)
        advice.append(f"--batch_size {smaller} --accumulate {more}, as many samples a step{need}")
    if not recomputing:
        need = expected(checkpointing=True)
        advice.append(f"--recompute true, about a quarter more arithmetic{need}")
    if precision == "32-true" and torch.cuda.is_available():  # most CPUs have no units for it
        advice.append(f"--train::trainer::precision bf16-mixed{expected(precision='bf16-mixed')}")
    return [*advice, f"a smaller method than this one{expected()}"]


def inference_advice(*, batch_size: int) -> list[str]:
    """Settings for inference that need less."""
    smaller = [f"batch_size {batch_size // 2}"] if batch_size > 1 else []
    return [*smaller, "a device with more memory", "a smaller volume"]


def _expected(method: Method, *, batch: int, checkpointing: bool, precision: str) -> str:
    """What the cost model says of a setting, as text; nothing where it knows not the method or the precision."""
    try:
        cost = memory(Sizes.of(method), batch=batch, checkpointing=checkpointing, precision=cast(Precision, precision))
    except ValueError:
        return ""
    return f" (about {cost.total / 2**20:,.0f} MiB)"
