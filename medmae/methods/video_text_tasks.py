"""What an encoder of frames and words is fine-tuned to: find the clip of a text, and the text of a clip.

Not a paper's systems but what follows each of them, so they are in no list of methods. As Singularity does it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from medmae.masking.base import Masks
from medmae.methods.base import Batch, Method, StepOutput, entry
from medmae.methods.pairs import Pairs, pair_ids, pair_terms
from medmae.methods.retrieval import CLIPS, SENTENCES, Encoded
from medmae.methods.words import ReadsWords
from medmae.nn.frames import FrameEncoder
from medmae.nn.frames_text import FrameTextEncoder
from medmae.nn.pair_head import PairHead
from medmae.nn.words import WordEmbedding
from medmae.tokens.text import WORDS


class _Task(ReadsWords, Method):
    """An encoder of frames and words, and whole clips."""

    encoder: FrameTextEncoder  # type: ignore[assignment]

    def __init__(self, encoder: FrameTextEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def clip(self) -> FrameEncoder:
        """See :attr:`ReadsWords.clip`."""
        return self.encoder.frames

    @property
    def sentences(self) -> WordEmbedding:
        """See :attr:`ReadsWords.sentences`."""
        return self.encoder.text.words

    def frames(self, clip: Tensor) -> Tensor:
        """Tokens of whole frames, with their times: ``(B, F, n, D)``."""
        return self.encoder.timed(clip)


class VideoTextRetrieval(_Task):
    """Contrast and matching without masks; scores by likeness, and better ones by the matching layer.

    Args:
        encoder: Pre-trained.
        pair_head: Likewise, with a matching layer.

    Raises:
        ValueError: If the head has none.
    """

    def __init__(self, *, encoder: FrameTextEncoder, pair_head: PairHead) -> None:
        super().__init__(encoder)
        if pair_head.matcher is None:
            raise ValueError("retrieval ranks by a matching layer, and this head has none: pre-train with matching")
        self.pair_head = pair_head

    matches = True

    @property
    def temperature(self) -> float:
        """Of contrast, as it was learnt."""
        return float(self.pair_head.warmth().detach())

    @property
    def begins(self) -> Mapping[str, str]:
        """Which parts of a pre-training it begins with, by its own parts."""
        return {"encoder": "encoder", "pair_head": "pair_head"}

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step; see :meth:`Method.forward`."""
        text, words = self.encoder.text, entry(batch, WORDS.name)
        frames, real = self.frames(entry(batch, self.encoder.frames.kind.name)), text.words.real(words)
        pairs = Pairs(frames, text(words, keys=real), real, pair_ids(batch, real))
        terms = pair_terms(pairs, encoder=self.encoder, head=self.pair_head, contrast=1.0, matching=1.0)
        points = {
            CLIPS: self.pair_head.of_frames(frames[:, :, 0]),
            SENTENCES: self.pair_head.of_words(pairs.states[:, 0]),
        }
        return StepOutput.of(terms=terms, prediction=points)

    def encode_clips(self, clip: Tensor) -> Encoded:
        """Clips ``(B, C, F, H, W)``, of any number of frames."""
        tokens = self.frames(clip)
        return Encoded(self.pair_head.of_frames(tokens[:, :, 0]), tokens)

    def encode_words(self, words: Tensor) -> Encoded:
        """Sentences ``(B, L)``."""
        real = self.encoder.text.words.real(words)
        states = self.encoder.text(words, keys=real)
        return Encoded(self.pair_head.of_words(states[:, 0]), states, real)

    def likeness(self, sentences: Tensor, clips: Tensor) -> Tensor:
        """See :meth:`medmae.methods.retrieval.Retriever.likeness`: the mean cosine of frames."""
        return sentences @ clips.T

    def match(self, clips: Encoded, sentences: Encoded, rows: Tensor, columns: Tensor) -> Tensor:
        """Logits that sentences ``rows`` ``(K,)`` belong to clips ``columns`` ``(K,)``: ``(K,)``."""
        assert self.pair_head.matcher is not None
        real = None if sentences.real is None else sentences.real[rows]
        joint = self.encoder.joint(sentences.tokens[rows], clips.tokens[columns], real)
        return self.pair_head.matcher(joint[:, 0])[:, 1]

    def choose(self, clip: Tensor, sentences: Tensor) -> Tensor:
        """Multiple choice: logits ``(B, C)`` of C sentences ``(B, C, L)`` for each clip ``(B, ...)``."""
        clips, texts = self.encode_clips(clip), self.encode_words(sentences.flatten(0, 1))
        rows = torch.arange(len(texts.points), device=clip.device)
        return self.match(clips, texts, rows, rows // sentences.shape[1]).unflatten(0, sentences.shape[:2])
