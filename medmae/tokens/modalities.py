"""Several kinds of data of one sample on one grid of patches, any of which may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from medmae.tokens.patches import Patches

THERE = "_there"  # behind the name of a kind: which samples have it


class ModalityPatches:
    """Patches of each modality. Over their concatenation, token ``j`` of modality ``t`` is token ``t * n + j``.

    A batch holds each modality by its name, ``(B, C_t, *size)``, or all of them as the channels of one ``image``.

    Args:
        size: Extent along each axis, the same for all; one integer means a square image.
        patch: Extent of a patch along each axis.
        channels: Channels of each modality by name, in the order of their tokens.

    Attributes:
        patches: :class:`Patches` of each modality by name.
        names: Their names, in order.
        num_tokens: n, tokens of one modality.

    Raises:
        ValueError: If there is no modality, or patches do not tile the size.
    """

    def __init__(self, *, size: int | Sequence[int], patch: int | Sequence[int], channels: Mapping[str, int]) -> None:
        if not channels:
            raise ValueError("at least one modality is needed, got none")
        self.patches = {name: Patches.of(size=size, patch=patch, channels=count) for name, count in channels.items()}
        self.names = list(self.patches)
        self.num_tokens = self.patches[self.names[0]].num_tokens

    def available(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Which modalities each sample has, ``(B, T)`` bool.

        What is not in the batch is missing in all samples; ``batch["available"]``, ``(B, T)`` bool, may tell that some
        lack more.

        Raises:
            ValueError: If none of the modalities is in the batch, or ``available`` has another shape.
        """
        return available(self.names, {**batch, **self.given(batch)})

    def patchify(self, batch: Mapping[str, Tensor]) -> list[Tensor]:
        """Patches of each modality ``(B, n, P_t)``; zeros where a sample lacks it, whatever the batch holds there."""
        given, available, rows = self.given(batch), self.available(batch), []
        first = next(iter(given.values()))
        for number, (name, patches) in enumerate(self.patches.items()):
            if name in given:
                cut = patches.patchify(given[name])  # (B, n, P)
                rows.append(torch.where(available[:, number, None, None], cut, 0.0))
            else:
                rows.append(first.new_zeros(len(first), self.num_tokens, patches.num_values))
        return rows

    def split(self, table: Tensor) -> Tensor:
        """A value for each token of the concatenation, ``(B, T n)``, modality by modality: ``(B, T, n)``."""
        return table.unflatten(1, (len(self.names), self.num_tokens))

    def given(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The modalities that are in the batch, by name.

        Raises:
            ValueError: If there is none, or ``image`` has not one channel for each of theirs.
        """
        given = {name: batch[name] for name in self.names if name in batch}
        if given:
            return given
        channels = [patches.channels for patches in self.patches.values()]
        if "image" not in batch or batch["image"].shape[1] != sum(channels):
            held = {name: tuple(value.shape) for name, value in batch.items()}
            raise ValueError(
                f"a batch needs one of {', '.join(self.names)}, or all as the {sum(channels)} channels of 'image'; "
                f"got {held}"
            )
        return dict(zip(self.names, batch["image"].split(channels, dim=1), strict=True))


def available(names: Sequence[str], batch: Mapping[str, Tensor]) -> Tensor:
    """Which kinds of data each sample has, ``(B, T)`` bool; see :meth:`ModalityPatches.available`.

    Views say it by name, ``<kind>_there`` ``(B,)`` bool, whatever the order in which a network has its kinds; a table
    ``"available"`` has a column for each of ``names``, in their order.

    Raises:
        ValueError: If the batch has none of these names, or ``available`` has another shape.
    """
    first = next((batch[name] for name in names if name in batch), None)
    if first is None:
        raise ValueError(f"a batch needs one of {', '.join(names)}, got {', '.join(batch) or 'nothing'}")
    there = torch.tensor([name in batch for name in names], device=first.device).expand(len(first), -1)
    said = [batch[name + THERE].bool() if name + THERE in batch else there[:, n] for n, name in enumerate(names)]
    there = there & torch.stack(said, dim=1)
    if "available" not in batch:
        return there
    if batch["available"].shape != there.shape:
        raise ValueError(
            f'"available" must be {tuple(there.shape)}, a column each for {", ".join(names)}, '
            f"got {tuple(batch['available'].shape)}"
        )
    return there & batch["available"].bool()
