"""Cuts of prepared sounds: the view for pre-training, fine-tuning and the multi-view test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from torch import Tensor

from medmae.data.audio.cut import SoundCut
from medmae.data.audio.stored import Track
from medmae.data.held import SOUNDS
from medmae.data.labels import Labels, Target
from medmae.data.manifest import Manifest
from medmae.data.source import Source
from medmae.data.views import About, Item, View
from medmae.errors import check_choice
from medmae.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class AudioClips(View[Manifest]):
    """Samples ``{"audio": (1, frames, bands)}`` of what ``medmae prep audio`` wrote.

    If a sound of the manifest is shorter than the cut, or has gaps, there is also ``"real": bool (1, frames, bands)``,
    False in frames that were not heard. What a cut draws is a function of (seed, epoch, index) alone.

    Args:
        cut: How long, and by which front end.
        cuts_per_sound: Cuts drawn of each sound in an epoch.
        test_views: Cuts of a test instead, evenly over the sound, the same in every epoch.
        seed: Of the draws.
        target: What is to be learnt: the ``label`` of a sound, its ``classes`` (several), or its ``value``.

    Raises:
        ValueError: If a number is not positive, or ``target`` is another word.
    """

    noun = "cut"

    cut: SoundCut = field(default_factory=SoundCut)
    cuts_per_sound: int = 1
    test_views: int | None = None
    seed: int = 0
    target: Target = "label"

    def __post_init__(self) -> None:
        check_choice(self.target, get_args(Target), name="target")
        if self.cuts_per_sound < 1 or (self.test_views is not None and self.test_views < 1):
            raise ValueError(f"cuts must be positive, got {self.cuts_per_sound} and {self.test_views}")

    @property
    def repeats(self) -> int:  # type: ignore[override]
        """Cuts that are drawn of a sound in an epoch."""
        return self.cuts_per_sound if self.test_views is None else 1

    @property
    def options(self) -> dict[str, Any]:
        """See :attr:`View.options`."""
        return with_front(super().options, "cut", self.cut)

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest.

        Raises:
            DataError: If it holds other things than sounds, or sounds of another rate.
        """
        manifest = Manifest.of(source).require(*SOUNDS)
        self.cut.check([Track.of(row) for row in manifest], path=manifest.path)
        return manifest

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 3)``: row, which of its cuts (or views), and whether any sound of all is too short, or has gaps."""
        each = np.arange(self.test_views or self.cuts_per_sound)
        rows, numbers = np.meshgrid(np.array(places, dtype=np.int64), each, indexing="ij")
        pads = not all(self.cut.whole_of(Track.of(row)) for row in source)
        return np.stack([rows.ravel(), numbers.ravel(), np.full(rows.size, pads)], axis=1)

    def labels(self, source: Manifest, items: np.ndarray) -> Labels | None:
        """Of each sound: its class, its classes, or its number; names are alike in every split."""
        return Labels.of_rows([source.rows[place] for place in items[:, 0].tolist()], every=source, target=self.target)

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """One spectrogram."""
        return {"audio": self.cut.kind}

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """``{"audio": (1, frames, bands)}``, and ``"real"`` where some sound needs it.

        Raises:
            DataError: If the shard is not what the row says.
        """
        row = source.rows[item.numbers[0]]
        track = Track.of(row)
        rng = None if self.test_views is not None else np.random.default_rng((self.seed, item.epoch, item.index, 1))
        spectrogram, heard = self.cut.read(source.shards[track.shard], track, self._first(track, item), rng)
        if not item.numbers[2]:  # of the whole manifest: all splits give the same keys
            return {"audio": spectrogram}
        return {"audio": spectrogram, "real": heard[None, :, None].expand(spectrogram.shape).clone()}

    def describe(self, source: Manifest, item: Item) -> About:
        """Patient, case, class, and which part of the sound: its first second, and the view of a test."""
        row = source.rows[item.numbers[0]]
        track = Track.of(row)
        place: dict[str, str | int] = {"second": f"{self._first(track, item) / track.rate:.2f}"}
        place |= {} if self.test_views is None else {"view": item.numbers[1]}
        return About(row["case"], row["subject"], label=row.get("label"), place=place)

    def _first(self, track: Track, item: Item) -> int:
        """First sample of a cut; a shorter sound is heard from its beginning."""
        spare = track.count - self.cut.samples
        if spare <= 0:
            return 0
        if self.test_views is not None:
            return spare // 2 if self.test_views == 1 else item.numbers[1] * spare // (self.test_views - 1)
        return int(np.random.default_rng((self.seed, item.epoch, item.index)).integers(spare + 1))


def with_front(options: dict[str, Any], name: str, cut: SoundCut) -> dict[str, Any]:
    """Options of a view, with those of the front end of its cut in the place of what that object holds."""
    return {**options, name: {**options[name], "front": cut.options}}
