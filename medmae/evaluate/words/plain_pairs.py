"""What finds clips by their captions without a network: words by colours, frames or pixels, and lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer
from torch import Tensor

from medmae.evaluate.classify.plain_features import describe_images, plain_features
from medmae.evaluate.retrieval.linear_map import mapped_similarity, nearest_value
from medmae.evaluate.words.captioned_units import CaptionedUnits
from medmae.kinds import Kind

STATISTICS = "statistics"
Described = Mapping[str, np.ndarray]  # (N, D) by name, of videos that can be read


def describe_clips(units: CaptionedUnits, kind: Kind, *, batch_size: int, left_out: dict[int, str]) -> Described:
    """Plain features of each video, and a few numbers of each: what caption lengths are compared with."""
    by = {**plain_features(kind), STATISTICS: clip_statistics}
    return describe_images([units.samples], by=by, name=kind.name, batch_size=batch_size, left_out=left_out)


def clip_statistics(clips: Tensor) -> Tensor:
    """Mean, deviation and change from frame to frame: ``(B, C, T, H, W)`` -> ``(B, 3)``."""
    change = (clips[:, :, 1:] - clips[:, :, :-1]).abs() if clips.shape[2] > 1 else torch.zeros_like(clips)
    return torch.stack(
        [clips.mean(dim=(1, 2, 3, 4)), clips.std(dim=(1, 2, 3, 4)), change.mean(dim=(1, 2, 3, 4))], dim=1
    )


def plain_similarities(
    texts: Sequence[str],
    clips: Described,
    *,
    learnt: Sequence[Sequence[str]],
    from_clips: Described,
) -> dict[str, np.ndarray]:
    """Of texts ``(N)`` to clips ``(M)`` by each baseline, ``(N, M)``.

    Args:
        texts: That are asked for.
        clips: What was said of the gallery.
        learnt: Captions of each training clip.
        from_clips: What was said of these clips.
    """
    pairs = [(place, text) for place, some in enumerate(learnt) for text in some]
    place = np.array([where for where, _ in pairs])
    counts = CountVectorizer(token_pattern=r"(?u)\b\w+\b", binary=True).fit([text for _, text in pairs])
    own = counts.transform([text for _, text in pairs]).toarray().astype(float)
    asked: Any = counts.transform(texts).toarray().astype(float)
    found = {
        f"words by {name}": mapped_similarity(own, each[place], asked=asked, gallery=clips[name])
        for name, each in from_clips.items()
        if name != STATISTICS
    }
    lengths, wanted = (np.array([float(len(text.split())) for text in some]) for some in ([t for _, t in pairs], texts))
    by = {"asked": wanted, "gallery": clips[STATISTICS]}
    return {**found, "caption length by clip statistics": nearest_value(lengths, from_clips[STATISTICS][place], **by)}
