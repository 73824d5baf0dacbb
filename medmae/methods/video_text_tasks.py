"""What an encoder of frames and words is fine-tuned to: find the clip of a text, and the text of a clip.

Not a paper's systems but what follows each of them, so they are in no list of methods. Of frames and words as
Singularity does it; :func:`retriever` chooses what suits an encoder.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from medmae.masking.base import Masks
from medmae.methods.base import Batch, Method, StepOutput, entry
from medmae.methods.pairs import Pairs, pair_ids, pair_terms
from medmae.methods.retrieval import CLIPS, SENTENCES, Encoded
from medmae.methods.simvtp_retrieval import DualEncoder
from medmae.methods.words import ReadsWords
from medmae.nn.blocks import set_drop_path
from medmae.nn.frames import FrameEncoder
from medmae.nn.frames_text import FrameTextEncoder
from medmae.nn.pair_head import PairHead
from medmae.nn.points import FrameTower
from medmae.nn.video_text import VideoTextEncoder
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
        pair_head: Likewise.
        matching: Weight of matching; 0 leaves it out.
        drop_path: Stochastic depth of the last block of frames.

    Raises:
        ValueError: If matching has a weight, and the head no layer for it.
    """

    def __init__(
        self, *, encoder: FrameTextEncoder, pair_head: PairHead, matching: float = 1.0, drop_path: float = 0.0
    ) -> None:
        super().__init__(encoder)
        if matching and pair_head.matcher is None:
            raise ValueError("matching needs its layer, and this head has none: pre-train with matching, or matching=0")
        set_drop_path(encoder.frames.picture.blocks, drop_path)
        self.pair_head, self.matching = pair_head, matching

    @property
    def matches(self) -> bool:
        """See :attr:`medmae.methods.retrieval.Retriever.matches`."""
        return self.pair_head.matcher is not None

    @property
    def tower(self) -> FrameTower:
        """See :class:`medmae.nn.points.HasTower`."""
        return FrameTower(self.encoder.frames, self.pair_head)

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
        terms = pair_terms(pairs, encoder=self.encoder, head=self.pair_head, contrast=1.0, matching=self.matching)
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


def retriever(
    *,
    encoder: VideoTextEncoder | FrameTextEncoder,
    pair_head: PairHead | None = None,
    temperature: float | None = None,
    matching: float = 0.0,
    drop_path: float = 0.1,
    equal_words: bool = False,
    pool_padding: bool = False,
) -> DualEncoder | VideoTextRetrieval:
    """What finds clips by sentences with the encoder of a pre-training, whichever it is.

    Args:
        encoder: Of SimVTP, or of frames and words.
        pair_head: Of the latter's pre-training; SimVTP has none.
        temperature: Of contrast; None: 0.05. Of frames and words it was learnt, and none is taken.
        matching: Weight of matching; 0 leaves it out.
        drop_path: Stochastic depth of the last blocks.
        equal_words: See :class:`medmae.methods.simvtp_retrieval.DualEncoder`, which alone has it;
        pool_padding: likewise.

    Raises:
        ValueError: If an option is none of this encoder's, or frames and words were pre-trained without contrast.
    """
    if isinstance(encoder, VideoTextEncoder):
        means = {"equal_words": equal_words, "pool_padding": pool_padding}
        warmth = 0.05 if temperature is None else temperature
        return DualEncoder(encoder=encoder, temperature=warmth, matching=matching, drop_path=drop_path, **means)
    if temperature is not None or equal_words or pool_padding:
        raise ValueError("temperature, equal_words and pool_padding are SimVTP's: leave them out with this encoder")
    if pair_head is None:
        raise ValueError("clips are found by what contrast learnt, and this pre-training had none: give it a weight")
    return VideoTextRetrieval(encoder=encoder, pair_head=pair_head, matching=matching, drop_path=drop_path)
