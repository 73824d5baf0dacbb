"""Answers word by word: a decoder that reads a question which has read a clip, and how likely it finds given answers.

As Singularity (jayleicn/singularity, 10a7f70) and ALBEF before it: a list of answers is ranked, none is made up.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.nn.bert import BertEncoder
from medmae.nn.tied_words import TiedWordHead


class AnswerDecoder(nn.Module):
    """Layers with cross-attention, each word reading those before it; it begins as the last layers of a text encoder.

    Args:
        text: Gives sizes, embedding of words and layers of cross-attention to begin with; left as it is.
        head: Finds words, to begin with; left as it is.
    """

    def __init__(self, text: BertEncoder, head: TiedWordHead) -> None:
        super().__init__()
        self.words, self.head = copy.deepcopy(text.words), copy.deepcopy(head)
        self.blocks = nn.ModuleList(copy.deepcopy(block) for block in text.blocks[text.depth :])

    def forward(self, answers: Tensor, source: Tensor, source_mask: Tensor | None = None) -> Tensor:
        """Logits of the word behind each.

        Args:
            answers: Numbers of words, from ``[CLS]`` to ``[SEP]``, padded behind, ``(B, L)``.
            source: The questions, ``(B, S, D)``.
            source_mask: ``(B, S)`` bool, False for padding.

        Returns:
            ``(B, L, vocabulary)``.
        """
        x = self.words(answers)
        for block in self.blocks:
            x = block(x, source, source_mask=source_mask, causal=True)  # padding stands behind all that may be read
        return self.head(x, self.words)

    def log_likelihood(self, answers: Tensor, source: Tensor, source_mask: Tensor | None = None) -> Tensor:
        """Of whole answers, in nats, ``(B,)``: the sum over their words, ``[SEP]`` too."""
        logits = self(answers[:, :-1], source, source_mask)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        following = answers[:, 1:]  # (B, L - 1)
        surprise = F.cross_entropy(logits.transpose(1, 2), following, reduction="none")
        return -(surprise * self.words.real(following)).sum(dim=1)

    @torch.no_grad()
    def rank(
        self, answers: Tensor, source: Tensor, source_mask: Tensor | None = None, *, top: int = 128, at_once: int = 256
    ) -> Tensor:
        """How likely each of a list of answers is to each question; those with the least likely first words are left.

        Args:
            answers: The list, ``(A, L)``.
            source: Of questions, ``(B, S, D)``.
            source_mask: ``(B, S)``.
            top: Answers a question that are computed, by their first word; all of them if there are no more.
            at_once: Pairs that are computed at once.

        Returns:
            Log-likelihoods ``(B, A)``, -inf where an answer was left out.
        """
        count, keep = len(source), min(top, len(answers))
        first = self(answers[:1, :1].expand(count, -1), source, source_mask)[:, 0].log_softmax(dim=1)
        likeliest = first[:, answers[:, 1]].topk(keep, dim=1).indices  # (B, K)
        row = torch.arange(count, device=source.device).repeat_interleave(keep)
        found = [
            self.log_likelihood(answers[own], source[of], None if source_mask is None else source_mask[of])
            for own, of in zip(likeliest.flatten().split(at_once), row.split(at_once), strict=True)
        ]
        scores = source.new_full((count, len(answers)), -torch.inf)
        return scores.scatter(1, likeliest, torch.cat(found).unflatten(0, (count, keep)).to(scores.dtype))
