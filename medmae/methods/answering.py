"""Questions about a clip: answered by a class of a closed list, word by word, or by one of several choices.

Not a paper's system but what follows each of them, so it is in no list of methods. Word by word as Singularity does it
(jayleicn/singularity, 10a7f70), which SMAUG builds on: a decoder learns answers by their likelihood, and a list is
ranked by it. A class of the list is what SimVTP's description leaves to be guessed: the mean of all tokens of clip and
question, a norm and a layer. Of choices each is read with the question and the clip, and gets a score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Generator, Tensor, nn

from medmae.errors import check_choice
from medmae.masking.base import Masks
from medmae.methods.base import Batch, Method, StepOutput, entry
from medmae.methods.words import ReadsWords
from medmae.nn.answers import AnswerDecoder
from medmae.nn.frames_text import FrameTextEncoder
from medmae.nn.init import initialise_linears
from medmae.nn.points import FeatureTower, MeanTower
from medmae.nn.tied_words import TiedWordHead
from medmae.nn.video_text import VideoTextEncoder
from medmae.nn.words import WordEmbedding, example_sentences
from medmae.objectives.answers import accepted_cross_entropy
from medmae.tokens.patches import Patches
from medmae.tokens.text import WORDS

By = Literal["classes", "words", "choices"]
LOGITS, ACCEPTED = "logits", "accepted"  # what a step predicts, and what a batch says of it
_NOT_OFFERED = -1e4  # also in half precision


class VideoQuestionAnswering(ReadsWords, Method):
    """Answers to questions ``words`` ``(B, L)`` about clips, of which ``accepted`` ``(B, K)`` count.

    K are the listed answers, or of choices the rows of ``choices`` ``(B, K, L)``, all padding where there are fewer. By
    words it learns from ``answer`` ``(B, A)``, one that counts.

    Args:
        encoder: Pre-trained, of clips and words.
        by: How answers are given; ``words`` needs layers of cross-attention, as SMAUG's encoder has them.
        answers: The closed list; of choices none.
        answer_words: Longest answer that is said, ends included.
        top: Answers a question whose likelihood is computed, by their first word.

    Raises:
        ValueError: If there is no list where one is needed, or the encoder cannot say words.
    """

    encoder: VideoTextEncoder | FrameTextEncoder  # type: ignore[assignment]
    listed: Tensor

    def __init__(
        self,
        *,
        encoder: VideoTextEncoder | FrameTextEncoder,
        by: By = "classes",
        answers: Sequence[str] = (),
        answer_words: int = 8,
        top: int = 128,
    ) -> None:
        super().__init__()
        check_choice(by, get_args(By), name="by")
        if by != "choices" and not answers:
            raise ValueError("open questions have a closed list of answers: answers=[...], or by='choices'")
        self.encoder, self.by, self.top = encoder, by, top
        self.answers = () if by == "choices" else tuple(answers)
        self.answer_words = answer_words
        self._pool: Literal["mean", "class_token"] = "mean" if isinstance(encoder, VideoTextEncoder) else "class_token"
        if by != "words":
            self.head = nn.Sequential(nn.LayerNorm(encoder.dim), nn.Linear(encoder.dim, len(self.answers) or 1))
            initialise_linears(self.head)
            return
        if not isinstance(encoder, FrameTextEncoder):
            raise ValueError("this encoder has no layers of cross-attention that could say words: by='classes'")
        if self.vocabulary is None:
            raise ValueError("answers are said in words, and the encoder knows none: build it with a vocabulary")
        self.decoder = AnswerDecoder(encoder.text, TiedWordHead(encoder.dim, vocab_size=self.sentences.vocab_size))
        listed = self.vocabulary.encode(self.answers, max_words=answer_words).words
        self.register_buffer("listed", listed, persistent=False)  # (A, L)

    @property
    def sentences(self) -> WordEmbedding:
        """See :attr:`ReadsWords.sentences`."""
        encoder = self.encoder
        return encoder.words if isinstance(encoder, VideoTextEncoder) else encoder.text.words

    @property
    def tower(self) -> nn.Module:
        """Clips ``(B, C, T, H, W)`` by themselves, to ``(B, D)``."""
        encoder = self.encoder
        if isinstance(encoder, VideoTextEncoder):
            return MeanTower(encoder.video, nn.Identity())
        return FeatureTower(encoder.frames, "class_token")

    @property
    def begins(self) -> Mapping[str, str]:
        """Which parts of a pre-training it begins with, by its own parts."""
        begins = {"encoder": "encoder"}
        if self.by != "words":
            return begins
        assert isinstance(self.encoder, FrameTextEncoder)
        begins |= {"decoder.words": "encoder.text.words", "decoder.head": "word_head"}
        first = self.encoder.text.depth
        own = range(len(self.decoder.blocks))
        return begins | {f"decoder.blocks.{number}": f"encoder.text.blocks.{first + number}" for number in own}

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step; while training by words nothing but the likelihood of ``answer`` is predicted."""
        if self.by != "words":
            logits = self.logits(batch)
            loss = accepted_cross_entropy(logits, entry(batch, ACCEPTED))
            return StepOutput.of(terms={"answer": loss}, prediction={LOGITS: logits})
        source, real = self._asked(batch)
        found = self.decoder.log_likelihood(entry(batch, "answer"), source, real)
        said = {"likelihood": found} if self.training else {"likelihood": found, LOGITS: self._ranked(source, real)}
        return StepOutput.of(terms={"answer": -found.mean()}, prediction=said)

    def logits(self, batch: Batch) -> Tensor:
        """Of listed answers, or of choices, ``(B, K)``; log-likelihoods of what is said by words."""
        if self.by == "words":
            return self._ranked(*self._asked(batch))
        if self.by == "choices":
            return self._of_choices(batch)
        return self.head(self.encoder.features({name: batch[name] for name in self.kinds}, pool=self._pool))

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`: the first answer, or choice, counts."""
        (clip,), patches = (name for name in self.kinds if name != WORDS.name), self._patches
        words = example_sentences(self.sentences, batch_size, generator=generator)
        accepted = torch.zeros(batch_size, len(self.answers) or 2)
        accepted[:, 0] = 1
        batch = {clip: torch.rand(batch_size, patches.channels, *patches.size, generator=generator)}
        batch |= {WORDS.name: words, ACCEPTED: accepted}
        if self.by == "choices":
            return {**batch, "choices": torch.stack([words, words.roll(1, dims=0)], dim=1)}
        return {**batch, "answer": self.listed[:1].expand(batch_size, -1)} if self.by == "words" else batch

    @property
    def _patches(self) -> Patches:
        encoder = self.encoder
        return encoder.video.patches if isinstance(encoder, VideoTextEncoder) else encoder.frames.patches

    def _asked(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Questions that have read their clips, ``(B, L, D)``, and which words are no padding."""
        assert isinstance(self.encoder, FrameTextEncoder)
        words = entry(batch, WORDS.name)
        real = self.sentences.real(words)
        frames = self.encoder.timed(entry(batch, self.encoder.frames.kind.name))
        return self.encoder.joint(self.encoder.text(words, keys=real), frames, real), real

    def _ranked(self, source: Tensor, real: Tensor) -> Tensor:
        return self.decoder.rank(self.listed, source, real, top=self.top).clamp(min=_NOT_OFFERED)

    def _of_choices(self, batch: Batch) -> Tensor:
        choices = entry(batch, "choices")  # (B, C, L)
        offered = self.sentences.real(choices).any(dim=2)  # (B, C)
        words = choices.where(offered.unsqueeze(2), choices[:, :1]).flatten(0, 1)  # whatever is not offered has words
        count = choices.shape[1]
        (name,) = (name for name in self.kinds if name != WORDS.name)
        if isinstance(self.encoder, FrameTextEncoder):  # frames are encoded once
            real = self.sentences.real(words)
            frames = self.encoder.timed(entry(batch, name)).repeat_interleave(count, dim=0)
            read = self.encoder.joint(self.encoder.text(words, keys=real), frames, real)[:, 0]
        else:
            both = {name: entry(batch, name).repeat_interleave(count, dim=0), WORDS.name: words}
            read = self.encoder.features(both, pool=self._pool)
        return self.head(read).reshape(offered.shape).masked_fill(~offered, _NOT_OFFERED)
