"""A few sounds to listen to: what was given, and what was made of it where it was hidden."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from medmae.evaluate.left_out import read_some
from medmae.evaluate.reconstruct.panels import choose
from medmae.evaluate.reconstruct.reconstruction import DescribedDataset
from medmae.files import atomic_write, write_text
from medmae.methods.base import MaskedMethod
from medmae.methods.shown import Shown
from medmae.tokens.griffin_lim import griffin_lim
from medmae.tokens.spectrogram import LogMel

FOLDER, RECORD = "sounds", "sounds.json"  # of an evaluation
LONGEST = 5.0  # seconds of each, for pages carry them
_PEAK = 0.9


@torch.no_grad()
def write_sounds(
    *,
    method: MaskedMethod,
    dataset: DescribedDataset,
    front: LogMel,
    out: str | Path,
    count: int = 3,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> None:
    """Writes ``<out>/sounds``: pairs of WAV files, and ``sounds.json``, which says what each is.

    Both of a pair were made from spectrograms, so that they differ by what was rebuilt and by nothing else; voices can
    be understood and recognised in them. What is not rebuilt, or is no spectrogram of this front end, is left out.

    Args:
        method: Trained.
        dataset: Samples of subjects that it has not seen.
        front: That makes their spectrograms.
        out: Evaluation folder of a run.
        count: Samples.
        device: Where to compute.
        seed: Of the masks.
    """
    method.to(device).eval()
    abouts = {number: dataset.describe(number) for number in range(len(dataset))}
    wanted = choose(abouts, count=count)
    rows, folder = list[dict[str, Any]](), Path(out) / FOLDER
    for number, sample in read_some(dataset.__getitem__, wanted).items():
        batch = {
            name: value.to(device) for name, value in default_collate([sample]).items() if isinstance(value, Tensor)
        }
        generator = torch.Generator().manual_seed(seed)
        for name, shown in method.show(batch, method.draw_masks(batch, generator=generator)).items():
            if _heard(shown, front):
                rows.append(_pair(shown, front, folder, stem=f"{len(rows):02d}_{name}", about=abouts[number]))
    if rows:
        write_text(folder / RECORD, json.dumps(rows, indent=2))


def _heard(shown: Shown, front: LogMel) -> bool:
    """Whether it is a spectrogram of this front end of which something was hidden and rebuilt."""
    bands = shown.kind.roles == ("time", "frequency") and shown.given.shape[-1] == len(front.bank)
    return bands and shown.made is not None and bool(shown.hidden.any())


def _pair(shown: Shown, front: LogMel, folder: Path, *, stem: str, about: Mapping[str, Any]) -> dict[str, Any]:
    assert shown.made is not None
    frames = int((LONGEST - front.frame / front.rate) * front.rate / front.hop) + 1
    both = torch.cat([shown.given[:, :1, :frames], shown.made[:, :1, :frames]]).cpu()  # (2, 1, frames, bands)
    sounds = griffin_lim(front, both)  # (2, T)
    sounds = sounds * (_PEAK / float(sounds[0].abs().max().clamp(min=1e-9)))  # as loud as the one is the other
    names = {}
    for name, sound in zip(("given", "rebuilt"), sounds, strict=True):
        names[name] = f"{stem}_{name}.wav"
        with atomic_write(folder / names[name]) as file:
            file.write(wav_of(sound, rate=front.rate))
    kept = {key: str(about[key]) for key in ("case", "subject", "label") if about.get(key) is not None}
    hidden = float(shown.hidden[..., :frames, :].float().mean())
    return {**kept, **names, "rate": front.rate, "seconds": round(sounds.shape[1] / front.rate, 3), "hidden": hidden}


def wav_of(sound: Tensor, *, rate: int) -> bytes:
    """A WAV file of 16 bits of ``(T,)``; what lies beyond [-1, 1] is cut off."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound.clamp(-1, 1) * 32767).round().short().numpy().astype("<i2").tobytes())
    return buffer.getvalue()
