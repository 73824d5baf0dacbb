"""What log-mel spectrograms of Kaldi's kind cost: ours in batches, torchaudio's function one sound at a time.

torchaudio is no dependency: install it beside torch, or name the folder of one with ``PYTHONPATH``; only
``torchaudio.compliance.kaldi`` is read. Seconds are those of the processor, of one thread; both alternate.

    python benchmarks/front_end.py          # into docs/methods/audio_mae.md
    python benchmarks/front_end.py --dry
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Annotated

import torch
import typer
from document import DOCS, write_section
from machine import describe
from torch import Tensor

from medmae.tokens.spectrogram import LogMel, kaldi


def theirs(sounds: Tensor) -> Tensor:
    """``(B, T)`` -> ``(B, frames, bands)``, as AudioMAE calls it."""
    from torchaudio.compliance.kaldi import fbank

    options = {"htk_compat": True, "use_energy": False, "window_type": "hanning", "num_mel_bins": 128, "dither": 0.0}
    return torch.stack([fbank(sound[None], sample_frequency=16_000.0, frame_shift=10.0, **options) for sound in sounds])


def seconds(run: Callable[[], object]) -> float:
    """Of the processor."""
    start = time.process_time()
    run()
    return time.process_time() - start


def sounds(kind: str, count: int, length: float) -> Tensor:
    """``(count, 16000 * length)`` without an offset: noise, or noise that nothing is heard above 4 kHz of."""
    generator = torch.Generator().manual_seed(0)
    found = 0.1 * torch.randn(count, int(16_000 * length), generator=generator)
    if kind == "low":
        values = torch.fft.rfft(found)
        values[:, values.shape[1] // 2 :] = 0
        found = torch.fft.irfft(values, n=found.shape[1])
    return found - found.mean(dim=1, keepdim=True)


def apart(front: LogMel, data: Tensor) -> str:
    """How far both are from the same in double precision."""
    exact = theirs(data.double())
    loud = exact > front.silence + 4.0  # nearer to the floor a rounding error of the transform is a large share
    ours, other = front(data)[:, 0], theirs(data)
    far = [float((one - exact).abs()[loud].max()) for one in (ours, other)]
    both = float((ours - other).abs()[loud].max())
    share = float(((ours - other).abs() <= 1e-4).float().mean())
    return (
        f"{both:.1e} apart at most ({far[0]:.1e} and {far[1]:.1e} from double precision), {100 * share:.2f} % "
        "of values by 1e-4 at most"
    )


def main(
    batch_size: Annotated[int, typer.Option(help="Sounds of 10 s in a batch.")] = 16,
    rounds: Annotated[int, typer.Option(help="Of all.")] = 9,
    dry: Annotated[bool, typer.Option("--dry", help="Leave docs/methods/audio_mae.md alone.")] = False,
) -> None:
    """Prints a table."""
    torch.set_num_threads(1)
    front, data = kaldi(), sounds("noise", batch_size, 10.0)
    frames = front._frames(data[:1])
    arms: dict[str, Callable[[], object]] = {
        "torchaudio, one sound at a time": lambda: theirs(data),
        "ours, in a batch": lambda: front(data),
        "ours, one sound at a time": lambda: [front(sound[None]) for sound in data],
        "the Fourier transform alone": lambda: [torch.fft.rfft(frames) for _ in data],
    }
    taken: dict[str, list[float]] = {arm: [] for arm in arms}
    for number in range(rounds + 1):
        for arm, run in arms.items():
            found = seconds(run)
            if number:
                taken[arm].append(found)
    base = median(taken["torchaudio, one sound at a time"])
    lines = ["| front end | s of sound a s | of torchaudio |", "|---|---|---|"]
    lines += [
        f"| {arm} | {batch_size * 10 / median(each):,.0f} ({batch_size * 10 / max(each):,.0f} to "
        f"{batch_size * 10 / min(each):,.0f}) | {base / median(each):.1f}x |"
        for arm, each in taken.items()
    ]
    low = apart(front, sounds("low", 4, 10.0))
    lines += ["", f"White noise: {apart(front, data)}. Nothing above 4 kHz: {low}."]
    section = "\n".join(lines)
    print(section)
    if not dry:
        said = f"Measured on {describe()}; {batch_size} sounds of 10 s, one thread, processor seconds, {rounds} rounds."
        write_section("front_end", f"{said}\n\n{section}", page=DOCS / "methods" / "audio_mae.md")


if __name__ == "__main__":
    typer.run(main)
