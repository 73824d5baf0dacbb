"""Training by a clock of CPU seconds, or by steps; and an arm of ``video_methods.py`` on one fold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator
from video_clips import Clips

from medmae.files import atomic_write
from medmae.methods.base import Batch, MaskedMethod
from medmae.methods.videomae import VideoMAE, videomae_small_clips

ARMS: dict[str, dict[str, Any]] = {
    "tube_90": {},
    "random_90": {"masking": "random"},
    "tube_50": {"mask_ratio": 0.5},
    "tube_90_long": {},
}
# Fine-tuning pays for every cube: a step of "tiny", whose cubes are as large as the paper's, costs a fifth to a
# fifteenth of one of "small", the preset itself.
SIZES: dict[str, dict[str, int]] = {
    "small": {},
    "tiny": {"patch_size": 16, "embed_dim": 96, "depth": 4, "num_heads": 3}
    | {"decoder_dim": 64, "decoder_depth": 1, "decoder_heads": 2},
}
BATCH, PEAK, WARMUP = 16, 1.5e-3, 50


@dataclass(frozen=True)
class Run:
    """One arm of a fold with one seed.

    Attributes:
        arm: Of ARMS, or ``untrained``.
        fold: Whose held-out sources are not seen.
        seed: Of weights, clips and masks; arms of a fold share them.
        size: Of SIZES.
    """

    arm: str
    fold: int
    seed: int
    size: str

    @property
    def number(self) -> int:
        """What random numbers are drawn by."""
        return self.fold + 10 * self.seed

    def path(self, out: Path) -> Path:
        """The file of its training."""
        return out / f"{self.arm}-{self.fold}-{self.seed}.state"

    def network(self) -> VideoMAE:
        """As it begins."""
        torch.manual_seed(self.number)
        return videomae_small_clips(in_channels=1, **SIZES[self.size], **ARMS.get(self.arm, {}))

    def training(self, clips: Clips, out: Path) -> Training:
        """Of the clips that are not held out, at its beginning or where it was stopped."""
        members = clips.folds()[self.fold][0]

        def draw(order: Generator) -> dict[str, torch.Tensor]:
            picked = members[torch.randint(len(members), (BATCH,), generator=order).numpy()]
            return {"image": torch.stack([clips.crop(int(n), order) for n in picked])}

        return Training(self.network(), draw, number=self.number, path=self.path(out))


class Training:
    """One training with a clock of its own, stopped and continued exactly.

    Args:
        method: As it begins.
        draw: Gives a batch of what the generator chooses.
        number: What clips and masks are drawn by.
        path: The file that keeps it.
        peak: The highest rate.
    """

    def __init__(
        self, method: MaskedMethod, draw: Callable[[Generator], Batch], *, number: int, path: Path, peak: float = PEAK
    ) -> None:
        self.method, self.draw, self.state_path, self.peak = method.train(), draw, path, peak
        self.optimizer = torch.optim.AdamW(
            self.method.parameters(), lr=peak, betas=(0.9, 0.95), weight_decay=0.05, fused=True
        )
        self.order = torch.Generator().manual_seed(number)
        self.masks = torch.Generator().manual_seed(number + 1000)
        self.seconds, self.steps, self.losses = 0.0, 0, []
        if self.state_path.exists():
            self._restore()

    def run(self, *, seconds: float = math.inf, steps: float = math.inf, keep_every: float = 30.0) -> None:
        """Until the clock shows so many CPU seconds, or steps; a cosine over what was said."""
        kept = self.seconds
        while (done := max(self.seconds / seconds, self.steps / steps)) < 1:
            started = time.process_time()
            rate = min((self.steps + 1) / WARMUP, 1.0) * 0.5 * (1 + math.cos(math.pi * done))
            for group in self.optimizer.param_groups:
                group["lr"] = self.peak * max(rate, 1e-3)
            loss = self.method(self.draw(self.order), generator=self.masks).loss
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.losses.append(float(loss.detach()))
            self.seconds += time.process_time() - started
            self.steps += 1
            if self.seconds - kept > keep_every:
                self._save()
                kept = self.seconds
        self._save()

    def _save(self) -> None:
        state = {
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generators": [self.order.get_state(), self.masks.get_state()],
            "clock": [self.seconds, float(self.steps)],
            "losses": self.losses,
        }
        with atomic_write(self.state_path) as file:
            torch.save(state, file)

    def _restore(self) -> None:
        state = torch.load(self.state_path, weights_only=True)
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.order.set_state(state["generators"][0])
        self.masks.set_state(state["generators"][1])
        self.seconds, self.steps = state["clock"][0], int(state["clock"][1])
        self.losses = state["losses"]
