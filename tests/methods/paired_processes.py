"""One of two processes that tell their halves of a batch apart; writes losses and gradients that it gets.

python -m tests.methods.paired_processes RANK FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from medmae.methods.pairs import Pairs, pair_ids, pair_terms
from medmae.methods.smaug import SMAUG, smaug_tiny

EACH = 3


def network() -> SMAUG:
    torch.manual_seed(0)
    return smaug_tiny(image_size=16, num_frames=2).eval()  # without dropout; frames are chosen without noise


def halves() -> list[dict[str, Tensor]]:
    """Those of both processes; the second one's sentences are longer, and two sentences are the same."""
    generator = torch.Generator().manual_seed(1)
    clips = torch.rand(2 * EACH, 3, 2, 16, 16, generator=generator)
    words = torch.randint(5, 30, (2 * EACH, 7), generator=generator)
    words[:EACH, 4:] = 0
    words[-1] = words[0]
    return [
        {"image": clips[:EACH], "words": words[:EACH, :5]},
        {"image": clips[EACH:], "words": words[EACH:]},
    ]


def encoded(method: SMAUG, batch: dict[str, Tensor]) -> Pairs:
    frames, text = method.encoder.frames, method.encoder.text
    real = text.words.real(batch["words"])
    tokens = frames.timed(frames(frames.patchify(batch["image"])).tokens)
    return Pairs(tokens, text(batch["words"], keys=real), real, pair_ids(batch, real))


def gradients(method: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in method.named_parameters() if p.grad is not None}


def main() -> None:
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    method = network()
    pairs = encoded(method, halves()[rank])
    terms = pair_terms(pairs, encoder=method.encoder, head=method.pair_head, contrast=1.0, matching=1.0)
    sum(terms.values()).backward()
    torch.save({"terms": {k: v.detach() for k, v in terms.items()}, "grad": gradients(method)}, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
