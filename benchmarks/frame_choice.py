"""Does the selector choose the frame that a sentence is about? Simulated clips, of whose four frames one matches.

Each frame is of one of eight colours, the four of a clip differ, and the sentence names the colour of one of them. A
tiny network learns from scratch by its own losses and is never told which frame it is. ``best`` is how often the
highest score is that frame's, ``kept`` how often words read it; chance gives 0.25 and, of two of four, 0.5.

    python benchmarks/frame_choice.py            # three seeds of each form, into docs/methods/smaug.md
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
import typer
from document import DOCS, table, write_section
from machine import describe
from torch import Generator, Tensor

from medmae.methods.smaug import SMAUG, smaug_tiny

COLOURS = torch.tensor([[a, b, c] for a in (0.0, 1.0) for b in (0.0, 1.0) for c in (0.0, 1.0)])
FORMS: dict[str, dict[str, Any]] = {
    "perturbed (default)": {},
    "perturbed, scores taught by contrast": {"score_weight": 1.0},
    "straight through": {"choice": "straight_through"},
    "straight through, scores from 0 to 1": {"choice": "straight_through", "score_norm": "min_max"},
}
CLS, SEP, FIRST = 2, 3, 5  # numbers of words


def simulate(count: int, generator: Generator) -> tuple[dict[str, Tensor], Tensor]:
    """A batch of clips of 4 frames of 16 px with sentences, and which frame each sentence names, ``(B,)``."""
    colour = torch.rand(count, len(COLOURS), generator=generator).argsort(dim=1)[:, :4]  # (B, 4)
    named = torch.randint(4, (count,), generator=generator)
    frames = COLOURS[colour][..., None, None].expand(-1, -1, -1, 16, 16)
    noisy = (frames + 0.05 * torch.randn(frames.shape, generator=generator)).clamp(0, 1)
    word = FIRST + colour.gather(1, named.unsqueeze(1))
    ends = torch.full_like(word, CLS), torch.full_like(word, SEP)
    return {"image": noisy.transpose(1, 2), "words": torch.cat([ends[0], word, word, ends[1]], dim=1)}, named


def train(*, seed: int, steps: int = 200, batch_size: int = 128, rate: float = 5e-3, **options: Any) -> SMAUG:
    """A tiny network after so many steps; the rate warms up over a tenth of them and falls along a cosine."""
    torch.manual_seed(seed)
    sizes = {"image_size": 16, "patch_size": 8, "embed_dim": 64, "num_heads": 2, "vocab_size": FIRST + len(COLOURS)}
    method = smaug_tiny(**sizes, **options)
    optimiser = torch.optim.AdamW(method.parameters(), lr=rate, weight_decay=0.01)
    generator = Generator().manual_seed(seed)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (step + 1) / (steps / 10)) * (1 + math.cos(math.pi * step / steps)) / 2
        batch, _ = simulate(batch_size, generator)
        optimiser.zero_grad()
        method(batch, generator=generator, progress=step / steps).loss.backward()
        optimiser.step()
    return method.eval()


@torch.no_grad()
def chosen(method: SMAUG, *, count: int = 500) -> tuple[float, float]:
    """How often the frame that a sentence names has the highest score, and how often it is kept, on new clips."""
    batch, named = simulate(count, Generator().manual_seed(10_000))
    frames = method.encoder.frames
    tokens = frames.timed(frames(frames.patchify(batch["image"])).tokens)
    found = method.encoder.select(tokens, method.encoder.text(batch["words"])[:, 0])
    kept = (found.index == named.unsqueeze(1)).any(dim=1)
    return (found.scores.argmax(dim=1) == named).float().mean().item(), kept.float().mean().item()


def main(
    seeds: Annotated[int, typer.Option(help="Trainings of each form.")] = 3,
    steps: Annotated[int, typer.Option(help="Of each training.")] = 200,
    dry: Annotated[bool, typer.Option("--dry", help="Leave docs/methods/smaug.md alone.")] = False,
) -> None:
    """Prints one line a form."""
    torch.set_num_threads(1)
    conditions, rows = f"Measured on {describe()}.", []
    for name, options in FORMS.items():
        found = [chosen(train(seed=seed, steps=steps, **options)) for seed in range(seeds)]
        best, kept = (", ".join(f"{value:.3f}" for value in values) for values in zip(*found, strict=True))
        rows.append([name, best, kept])
        print(rows[-1], flush=True)
    text = table(["selector", f"best, {seeds} seeds", "kept"], rows)
    if not dry:
        lead = f"{conditions} {steps} steps of 128 clips, 500 new clips."
        write_section("frame_choice", f"{lead}\n\n{text}", page=DOCS / "methods" / "smaug.md")


if __name__ == "__main__":
    typer.run(main)
