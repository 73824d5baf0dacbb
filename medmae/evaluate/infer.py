"""A trained encoder applied to whole volumes: features per slice, or a reconstruction written back as NIfTI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from medmae.data.volumes.folder import StoredVolume, VolumeFolder
from medmae.data.volumes.slices import fit, unfit
from medmae.errors import DataError, check_choice
from medmae.evaluate.loop import each_volume
from medmae.files import all_or_none, atomic_write
from medmae.methods.base import MaskedMethod
from medmae.nn.heads import pooled

Output = Literal["features", "reconstruction"]
_DESCRIP = "medmae: synthetic, hidden parts are a network's guess"


class VolumeInference:
    """Runs a network over every slice of every volume; empty slices skip it.

    ``features`` writes ``<name>_desc-features.npz``: ``features`` ``(K, D, h, w)`` float16, ``pooled`` ``(K, D)``
    float32, and ``slices`` ``(K,)``, their numbers in the source's canonical orientation. ``reconstruction`` hides a
    random part of every slice once, pastes what stayed visible, and writes ``<name>_desc-reconstruction.nii.gz`` with
    the source's geometry and intensities, and ``<name>_desc-hidden_mask.nii.gz``.

    Args:
        network: Encoder as a plain network, ``(B, 1, size, size) -> (B, D, h, w)``.
        method: The method it belongs to; it makes reconstructions.
        volumes: What to read.
        output: Which of the two.
        output_dir: Receives the files.
        size: Edge of the network's input in pixels.
        batch_size: Slices at once.
        device: Where to compute.
        seed: Of the masks.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        method: MaskedMethod,
        volumes: VolumeFolder,
        output: Output,
        output_dir: str | Path,
        size: int = 256,
        batch_size: int = 16,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ) -> None:
        check_choice(output, get_args(Output), name="output")
        self.network, self.method = network.to(device).eval(), method.to(device).eval()
        self.volumes, self.output, self.output_dir = volumes, output, Path(output_dir)
        self.size, self.batch_size, self.device, self.seed = size, batch_size, device, seed

    @torch.no_grad()
    def run(self) -> None:
        """Works through all volumes; see :func:`medmae.evaluate.loop.each_volume`."""
        each_volume(
            self.volumes,
            self._write_features if self.output == "features" else self._write_reconstruction,
            method=self.method,
            batch_size=self.batch_size,
            output_dir=self.output_dir,
            description=f"Writing {self.output}",
            lost=self.volumes.lost,
        )

    def _write_features(self, volume: StoredVolume) -> None:
        numbers, features = [], []
        for batch_numbers, images in self._batches(volume):
            numbers.extend(batch_numbers)
            features.append(self.network(images).cpu())  # (B, D, h, w)
        if not features:
            raise DataError("every slice is empty", path=volume.name, remedy="check that the volume holds an image")
        dense = torch.cat(features)
        first = volume.grid.crop[0][0] if volume.grid.crop else 0
        arrays = {
            "features": dense.half().numpy(),
            "pooled": pooled(dense).numpy(),
            "slices": np.array(numbers) + first,
        }
        with atomic_write(self.output_dir / f"{volume.name}_desc-features.npz") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    def _write_reconstruction(self, volume: StoredVolume) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        result, hidden = volume.array.copy(), np.zeros(volume.array.shape, dtype=np.uint8)
        shape = (volume.array.shape[1], volume.array.shape[2])
        (name,) = self.method.kinds
        for numbers, images in self._batches(volume):
            batch = {name: images}
            shown = self.method.show(batch, self.method.draw_masks(batch, generator=generator))[name]
            assert shown.made is not None, "a method of volumes rebuilds them"
            guesses, painted = shown.made.cpu(), shown.hidden.float().cpu()  # (B, 1, size, size)
            for number, guess, paint in zip(numbers, guesses, painted, strict=True):
                where = unfit(paint, shape=shape)[0].numpy() >= 0.5
                # What was visible stays the source's own pixels, untouched by the resizing to the network's input.
                result[number] = np.where(where, unfit(guess, shape=shape)[0].numpy(), result[number])
                hidden[number] = where
        picture, where_hidden = (
            self.output_dir / f"{volume.name}_desc-{kind}.nii.gz" for kind in ("reconstruction", "hidden_mask")
        )
        restored = volume.normalisation.invert(result)
        with all_or_none([where_hidden, picture]):
            volume.grid.write_nifti(hidden, where_hidden, descrip="medmae: 1 = hidden from the network")
            volume.grid.write_nifti(restored, picture, descrip=_DESCRIP, fill=volume.corner)

    def _batches(self, volume: StoredVolume) -> Iterator[tuple[list[int], Tensor]]:
        """Numbers and images ``(B, 1, size, size)`` of the slices that are not empty."""
        numbers = [number for number, plane in enumerate(volume.array) if plane.any()]
        for start in range(0, len(numbers), self.batch_size):
            some = numbers[start : start + self.batch_size]
            images = [fit(torch.from_numpy(volume.array[number])[None], size=self.size) for number in some]
            yield some, torch.stack(images).to(self.device)
