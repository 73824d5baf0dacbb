"""Classes named by sentences: a clip is of the class whose sentences are likest to it, without a label learnt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.methods.retrieval import Retriever


class PromptedClassifier(nn.Module):
    """Logits of classes: likeness to the mean of a class's sentences, over the temperature.

    Points of sentences are made as long as 1 before their mean is taken, and that mean, too (CLIP's ensembles).

    Args:
        retriever: Finds clips by sentences; a method, left as it is.
        sentences: Of each class, as numbers of words ``(S, L)``.
    """

    classes: Tensor

    def __init__(self, retriever: Retriever, sentences: Sequence[Tensor]) -> None:
        super().__init__()
        self.retriever = retriever
        with torch.no_grad():
            means = [F.normalize(retriever.encode_words(some).points, dim=1).mean(dim=0) for some in sentences]
        self.register_buffer("classes", F.normalize(torch.stack(means), dim=1), persistent=False)  # (K, P)

    def forward(self, clip: Tensor) -> Tensor:
        """``(B, C, T, H, W)`` -> ``(B, K)``."""
        points = self.retriever.encode_clips(clip).points
        return self.retriever.likeness(self.classes, points).T / self.retriever.temperature
