"""What belongs together: contrast between clips and sentences, and matching against the hardest others.

Pre-training and fine-tuning for retrieval share it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from medmae.methods.base import Batch
from medmae.nn.frames_text import FrameTextEncoder
from medmae.nn.pair_head import PairHead
from medmae.nn.words import sentence_ids
from medmae.objectives.contrastive import alike, gather_rows, info_nce
from medmae.objectives.matching import hard_other, hard_weights, matching_loss
from medmae.tokens.text import WORDS

_SHARPNESS = 0.1  # temperature at which frames' cosines with a sentence become shares
_TINY = 1e-12  # the least share whose logarithm is taken


@dataclass(frozen=True)
class Pairs:
    """Encoded clips and sentences, row by row of one another.

    Attributes:
        frames: ``(B, F, n, D)`` with their times, class tokens first.
        states: Words by themselves, ``(B, L, D)``.
        real: Which are no padding, ``(B, L)``.
        ids: ``(B, K)`` int64, equal in any of them where pairs are no negatives of each other.
    """

    frames: Tensor
    states: Tensor
    real: Tensor
    ids: Tensor


def pair_ids(batch: Batch, real: Tensor) -> Tensor:
    """Of words, and of clips where the batch numbers them in ``"pair"`` ``(B,)``: ``(B, 1 or 2)`` int64."""
    ids = [sentence_ids(batch[WORDS.name], real)]
    return torch.stack([*ids, batch["pair"].to(ids[0])] if "pair" in batch else ids, dim=1)


def pair_terms(
    pairs: Pairs, *, encoder: FrameTextEncoder, head: PairHead, contrast: float, matching: float, scores: float = 0.0
) -> dict[str, Tensor]:
    """Losses by name, times their weights; a weight of 0 leaves one out. ``scores`` is of :func:`taught_scores`.

    The negatives of matching are found by likeness among those of all processes, without a draw.
    """
    clips, sentences = head.of_frames(pairs.frames[:, :, 0]), head.of_words(pairs.states[:, 0])
    terms = {
        "contrast": contrast
        * info_nce(clips, sentences, temperature=head.warmth(), symmetric=True, ids=pairs.ids, normalised=True)
    }
    if matching and len(clips) > 1:
        terms["matching"] = matching * _matching(pairs, clips, sentences, encoder=encoder, head=head)
    elif matching:
        warnings.warn("a batch of one has no other pair: it is trained without matching", stacklevel=2)
    if scores:
        terms["scores"] = scores * taught_scores(pairs, encoder=encoder, head=head)
    return terms


def taught_scores(pairs: Pairs, *, encoder: FrameTextEncoder, head: PairHead) -> Tensor:
    """Cross-entropy of the selector's scores with what contrast says: the mean over pairs.

    Contrast says shares of frames: the softmax of each one's cosine with its sentence, over 0.1. They get no gradient,
    so that a score follows contrast and contrast no score. Scores must be shares, too.
    """
    assert encoder.selector is not None
    with torch.no_grad():
        sentence = head.of_words(pairs.states[:, 0]).unsqueeze(2)  # (B, P, 1)
        wanted = ((head.each_frame(pairs.frames[:, :, 0]) @ sentence).squeeze(2) / _SHARPNESS).softmax(dim=1)  # (B, F)
    found = encoder.selector.scores(pairs.frames, pairs.states[:, 0])
    return -(wanted * found.clamp(min=_TINY).log()).sum(dim=1).mean()


def _matching(pairs: Pairs, clips: Tensor, sentences: Tensor, *, encoder: FrameTextEncoder, head: PairHead) -> Tensor:
    assert head.matcher is not None
    (clip, some_clip), (sentence, some_sentence) = hard_negatives(clips, sentences, pairs.ids, head=head)
    everyone = gather_pairs(pairs)
    states, real = (
        torch.cat([own, own, of_all[sentence]])
        for own, of_all in (
            (_longer(pairs.states, everyone), everyone.states),
            (_longer(pairs.real, everyone), everyone.real),
        )
    )
    frames = torch.cat([pairs.frames, everyone.frames[clip], pairs.frames])
    logits = head.matcher(encoder.joint(states, frames, real)[:, 0])  # (3 B, 2)
    count = len(clips)
    return matching_loss(logits[:count], logits[count:], counted=torch.cat([some_clip, some_sentence]))


@torch.no_grad()
def hard_negatives(
    clips: Tensor, sentences: Tensor, ids: Tensor, *, head: PairHead
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """For each sentence a clip, and for each clip a sentence, of all processes, that are like and do not belong.

    Args:
        clips: ``(B, P)``.
        sentences: ``(B, P)``.
        ids: See :class:`Pairs`.
        head: Gives the temperature.

    Returns:
        Twice which one, ``(B,)``, and whether there is one, ``(B,)`` bool.
    """
    (all_clips, first), (all_sentences, _) = gather_rows(clips), gather_rows(sentences)
    same = alike(ids, gather_rows(ids)[0])  # (B, G B)
    weights = (
        hard_weights(head.likeness(own, others), same)
        for own, others in ((sentences, all_clips), (clips, all_sentences))
    )
    clip, sentence = (hard_other(each, first=first) for each in weights)
    return clip, sentence


def gather_pairs(pairs: Pairs) -> Pairs:
    """Those of all processes, sentences padded to the longest of any; with a gradient for all of them."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return pairs
    longest = torch.tensor(pairs.states.shape[1], device=pairs.states.device)
    dist.all_reduce(longest, op=dist.ReduceOp.MAX)
    missing = int(longest) - pairs.states.shape[1]
    states, real = F.pad(pairs.states, (0, 0, 0, missing)), F.pad(pairs.real.long(), (0, missing))
    frames, states, real, ids = (gather_rows(rows)[0] for rows in (pairs.frames, states, real, pairs.ids))
    return Pairs(frames, states, real.bool(), ids)


def _longer(rows: Tensor, everyone: Pairs) -> Tensor:
    """``(B, L, ...)``, padded as the sentences of all are."""
    missing = everyone.states.shape[1] - rows.shape[1]
    return F.pad(rows, (*(0, 0) * (rows.ndim - 2), 0, missing)) if missing else rows
