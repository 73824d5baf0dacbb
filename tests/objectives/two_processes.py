"""One of two processes that contrast the halves of a batch; writes the loss and gradients that it gets.

python -m tests.objectives.two_processes RANK FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from medmae.objectives.contrastive import info_nce
from medmae.objectives.pairwise import pair_contrast

SAMPLES, DIM = 6, 5
IDS = [7, 8, 9, 8, 7, 3]  # equal ones within a process and in both
FORMS = [(symmetric, told) for symmetric in (False, True) for told in (False, True)]
WINDOWED = {  # two windows a sample
    "all": {},
    "gaps": {"there": torch.tensor([True, False, True, True, False, False])},
    "groups": {"groups": torch.tensor(IDS)},
    "release": {"release": True},
}


def rows() -> tuple[Tensor, Tensor]:
    """Queries and keys of both processes together."""
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(SAMPLES, DIM, generator=generator) for _ in range(2))
    return query, key


def contrast(query: Tensor, key: Tensor, *, symmetric: bool, ids: Tensor | None = None) -> dict[str, Tensor]:
    query, key = query.clone().requires_grad_(), key.clone().requires_grad_()
    loss = info_nce(query, key, temperature=0.2, symmetric=symmetric, ids=ids)
    loss.backward()
    return {"loss": loss.detach(), "query": query.grad, "key": key.grad}


def windowed(query: Tensor, key: Tensor, **how: Tensor | bool) -> dict[str, Tensor]:
    query, key = query.clone().requires_grad_(), key.clone().requires_grad_()
    loss, count = pair_contrast(
        *(torch.stack([each, each.flip(1)], dim=1) for each in (query, key)), temperature=0.2, **how
    )
    loss.backward()
    return {"loss": loss.detach(), "query": query.grad, "key": key.grad, "count": count}


def main() -> None:
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    mine = [part.chunk(2)[rank] for part in rows()]
    ids = torch.tensor(IDS).chunk(2)[rank]
    results = {
        (symmetric, told): contrast(*mine, symmetric=symmetric, ids=ids if told else None) for symmetric, told in FORMS
    }
    for name, how in WINDOWED.items():
        half = {key: value.chunk(2)[rank] if isinstance(value, Tensor) else value for key, value in how.items()}
        results[name] = windowed(*mine, **half)
    torch.save(results, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
