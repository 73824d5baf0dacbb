"""What methods share that hide patches of several kinds of data, each on a grid of its own: AV-MAE, MAViL, CAV-MAE."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeVar, get_args

import torch
from torch import Generator, Tensor

from medmae.errors import check_choice
from medmae.kinds import Kind
from medmae.masking.base import Mask, Masking, Masks, Rounding
from medmae.masking.random import RandomMasking
from medmae.masking.tube import TubeMasking
from medmae.methods.base import Batch, MaskedMethod, count_samples
from medmae.methods.pixels import rebuilt
from medmae.methods.shown import Shown
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.stream_vits import Given
from medmae.nn.vit import MaskedViT
from medmae.objectives.target import PatchTarget

V = TypeVar("V")
Hiding = Literal["random", "tube"]


def masking_of(vit: MaskedViT, *, hiding: Hiding, ratio: float, rounding: Rounding) -> Masking:
    """How the patches of one kind are hidden.

    Args:
        vit: Cuts them.
        hiding: One by one at ``random``, or a place at all times (``tube``); time is the first axis.
        ratio: Share that is hidden.
        rounding: See :func:`medmae.masking.base.visible_count`.

    Raises:
        ValueError: If the choice is not known, or the first axis of tubes is not time.
    """
    check_choice(hiding, get_args(Hiding), name="hiding")
    if hiding == "random":
        return RandomMasking(num_tokens=vit.num_tokens, ratio=ratio, rounding=rounding)
    if vit.kind.roles[0] != "time":
        raise ValueError(f"tubes go through time, and the first axis of {vit.kind.name} is {vit.kind.roles[0]}")
    return TubeMasking(grid=vit.patches.grid, ratio=ratio, rounding=rounding)


def one_each(
    said: Mapping[str, V], *, names: Mapping[str, object], what: str, default: V | None = None
) -> dict[str, V]:
    """A value for each kind of data.

    Args:
        said: By name.
        names: Of all of them.
        what: It is, for the message.
        default: Of those that nothing is said of; None: something must be.

    Raises:
        ValueError: If one has none, or a name is not known.
    """
    if unknown := said.keys() - names.keys():
        raise ValueError(f"{what} is said of {sorted(unknown)}, and there are {', '.join(names)}")
    found = {name: said.get(name, default) for name in names}
    if lacking := [name for name, value in found.items() if value is None]:
        raise ValueError(f"{what} is not said of {', '.join(lacking)}")
    return found  # type: ignore[return-value]


class StreamMethod(MaskedMethod):
    """A masked method of several kinds of data, of which a sample may lack some.

    ``batch["available"]``, ``(B, T)`` bool, a column a kind in their order, says which samples have which; a kind that
    is not in the batch, none has. What a sample lacks is read by nobody and enters no loss. ``batch["heard"]``, bool
    ``(B, 1, frames, bands)``, says which frames of a spectrogram there were: patches without any are neither seen nor
    decoded.

    Attributes:
        encoder: Of all kinds.
        maskings: How each kind is hidden.
        targets: What is regressed of each.
    """

    encoder: FusedEncoder  # type: ignore[assignment]
    maskings: Mapping[str, Masking]
    targets: Mapping[str, PatchTarget]

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :attr:`Method.kinds`; any but one may be missing from a batch."""
        return self.encoder.kinds

    def draw_masks(self, batch: Batch, *, generator: Generator | None = None) -> Masks:
        """See :meth:`MaskedMethod.draw_masks`: of the kinds that are in the batch.

        Raises:
            ValueError: If samples are padded otherwise than by frames that were not heard.
        """
        if "real" in batch:
            raise ValueError("padded samples are not known here: cut or resize, and leave 'real' out of the batch")
        count, drawn = count_samples(batch), {}
        for name, how in self.maskings.items():
            kind = self.hides(name)
            if kind in batch:
                heard = self.heard(batch, kind)
                real = None if heard is None else self.encoder.vits[kind].patches.touched(heard)  # (B, N)
                drawn[name] = how.sample(count, generator=generator, real=real).to(batch[kind].device)
        return drawn

    def hides(self, name: str) -> str:
        """The kind of data that a mask of this name hides."""
        return name

    def heard(self, batch: Batch, name: str) -> Tensor | None:
        """Which values of whole patches of a spectrogram were heard, ``(B, 1, *whole)`` bool; None: all.

        All of a sample that has no sound at all, of which another word says so.
        """
        stream = self.encoder.given_as[name]
        if "heard" not in batch or "frequency" not in stream.kind.roles:
            return None
        lacking = ~self.encoder.available(batch)[:, list(self.kinds).index(name)]  # (B,)
        heard = batch["heard"] | lacking.reshape(-1, *(1,) * (batch["heard"].ndim - 1))
        for axis, extent in enumerate(stream.whole, start=2):
            heard = heard.narrow(axis, 0, extent)
        return None if bool(heard.all()) else heard

    def masks(self, batch: Batch, masks: Masks | None, *, generator: Generator | None = None) -> Masks:
        """Those that are replayed, or else drawn.

        Raises:
            ValueError: If samples hide different numbers of tokens, or tokens are to be replaced.
        """
        masks = masks or self.draw_masks(batch, generator=generator)
        if any(mask.padded or mask.replaced for mask in masks.values()):
            raise ValueError(f"{type(self).__name__} drops hidden tokens, equally many of each sample")
        return masks

    def tell(self, given: Given) -> None:
        """Warns of samples that lack a kind: they are trained on what they have."""
        lacking = [name for name in self.kinds if name not in given.rows or given.there[name] is not None]
        if lacking:
            warnings.warn(
                f"samples without {' or '.join(lacking)} are trained on what else they have, and nothing stands for it",
                stacklevel=3,
            )

    def shown(self, batch: Batch, given: Given, masks: Masks, predicted: Mapping[str, Tensor]) -> dict[str, Shown]:
        """What was predicted of the hidden patches of each kind, ``(B, M, values)``, beside what was visible."""
        return {name: self._shown(name, batch, given, masks[name], predicted[name]) for name in given.names}

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`: every sample has all kinds."""
        return {
            name: torch.rand(batch_size, len(stream.kind.channels), *stream.size, generator=generator)
            for name, stream in self.encoder.given_as.items()
        }

    def _shown(self, name: str, batch: Batch, given: Given, mask: Mask, predicted: Tensor) -> Shown:
        vit, stream, target = self.encoder.vits[name], self.encoder.given_as[name], self.targets[name]
        data = batch[name]
        cut, patches, heard = stream.cut(data), vit.patches, self.heard(batch, name)
        shown = rebuilt(
            vit,
            cut,
            mask,
            target.spread(predicted, patches),
            target_norm=target.norm,
            scaled=True,
            seen_as=lambda rows: target.spread(target.plain(rows, patches), patches),
        )
        if heard is not None:
            hidden = shown.hidden & heard
            assert shown.made is not None
            by_patch = None if shown.by_patch is None else torch.where(hidden, shown.by_patch, cut)
            shown = replace(shown, hidden=hidden, made=torch.where(hidden, shown.made, cut), by_patch=by_patch)
        return _placed(shown, data, given.there[name])


def _placed(shown: Shown, data: Tensor, there: Tensor | None) -> Shown:
    """Of whole patches of ``data``, as of all of it; what a sample lacks was neither hidden nor made."""

    def placed(part: Tensor | None, into: Tensor) -> Tensor | None:
        if part is None:
            return None
        whole = _pasted(part, into)
        return whole if there is None else torch.where(there.reshape(-1, *(1,) * (data.ndim - 1)), whole, into)

    hidden = placed(shown.hidden, torch.zeros_like(data[:, :1], dtype=torch.bool))
    assert hidden is not None
    made, by_patch = placed(shown.made, data), placed(shown.by_patch, data)
    return replace(shown, given=data, hidden=hidden, made=made, by_patch=by_patch)


def _pasted(part: Tensor, whole: Tensor) -> Tensor:
    """``part`` at the beginning of every axis of ``whole``, whose rest stays."""
    if part.shape == whole.shape:
        return part
    copy = whole.clone()
    window = copy
    for axis, extent in enumerate(part.shape[2:], start=2):
        window = window.narrow(axis, 0, extent)
    window.copy_(part)
    return copy
