"""What is left of the frames of a clip on their way through an encoder, for the eye."""

from __future__ import annotations

import torch
from torch import Tensor

from medmae.masking.base import Mask
from medmae.methods.shown import Shown, left_over
from medmae.nn.frames import EncodedFrames, FrameEncoder
from medmae.nn.frames_text import FrameTextEncoder


def frames_left(frames: FrameEncoder, clip: Tensor, mask: Mask, seen: EncodedFrames) -> dict[str, Shown]:
    """Patches that are left of clips ``(B, C, F, H, W)`` after each block that dropped some, ``after block 4``, ...

    Args:
        frames: Encoded them.
        clip: In its own units.
        mask: Of the clip, none of its rows padded.
        seen: What is left.
    """
    visible = _visible(frames, mask)
    count = visible.shape[2]
    found: dict[str, Shown] = {}
    for block, places in seen.stages.items():
        left, fused = _numbered(visible, places), (places >= count).flatten(1).sum(dim=1)
        said = [
            f"{int((row >= 0).sum())} of {row.shape[0] * count} patches that are seen; the others are in {tokens} "
            f"fused {'token' if tokens == 1 else 'tokens'}, which no picture shows"
            if tokens
            else f"{int((row >= 0).sum())} of {row.shape[0] * count} patches that are seen; the others are gone"
            for row, tokens in zip(left, fused.tolist(), strict=True)
        ]
        found[f"after block {block}"] = left_over(frames.kind, frames.patches, clip, left.flatten(1), said=said)
    return found


def frames_read(
    encoder: FrameTextEncoder, clip: Tensor, mask: Mask, seen: EncodedFrames, words: Tensor, hidden: Mask
) -> dict[str, Shown]:
    """Of what is left in the end the frames that words ``(B, L)`` read; nothing of an encoder without a selector.

    Args:
        encoder: Encoded both.
        clip: See :func:`frames_left`;
        mask: likewise;
        seen: likewise.
        words: Sentences.
        hidden: Their mask.
    """
    if encoder.selector is None:
        return {}
    frames, sentence = encoder.frames, encoder.text(words, hidden.decoded(), hidden.key_mask())[:, 0]
    chosen = encoder.select(frames.timed(seen.tokens), sentence)
    left = _numbered(_visible(frames, mask), seen.places)
    rows = torch.arange(len(left), device=left.device).unsqueeze(1)
    said = [
        f"frames {', '.join(str(number + 1) for number in index)} of {len(scores)}; scores of all, in time: "
        + ", ".join(f"{score:.2f}" for score in scores)
        for index, scores in zip(chosen.index.tolist(), chosen.scores.tolist(), strict=True)
    ]
    shown = left_over(frames.kind, frames.patches, clip, left[rows, chosen.index].flatten(1), said=said)
    return {"read with the words": shown}


def _visible(frames: FrameEncoder, mask: Mask) -> Tensor:
    """Visible patches of each frame in their order, ``(B, F, V)``."""
    return mask.visible.sort(dim=1).values.unflatten(1, (frames.num_frames, -1))


def _numbered(visible: Tensor, places: Tensor) -> Tensor:
    """Patches at ``places`` ``(B, F, n)``; -1 for a fused token."""
    count = visible.shape[2]
    return visible.gather(2, places.clamp(max=count - 1)).where(places < count, -1)
