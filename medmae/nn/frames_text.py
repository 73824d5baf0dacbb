"""One encoder for clips and words: each by itself, and words that read the frames which they need."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medmae.kinds import Kind
from medmae.nn.bert import BertEncoder
from medmae.nn.config import Configured
from medmae.nn.encoder import Data, Pool, check_pool, mean_of, side_by_side
from medmae.nn.frame_selection import Choice, FrameSelector, ScoreNorm, Selection
from medmae.nn.frames import FrameEncoder
from medmae.nn.fresh import fresh_copy


class FrameTextEncoder(Configured, nn.Module):
    """Frames and words encoded apart; then words read the frames that a selector chooses for them.

    Args:
        frames: Of clips.
        text: Of words, with layers of cross-attention.
        keep_frames: Share of the frames that words read; 1 builds no selector.
        choice: See :class:`medmae.nn.frame_selection.FrameSelector`.
        score_norm: Likewise.

    Raises:
        ValueError: If the widths differ, or the text has no cross-attention.
    """

    def __init__(
        self,
        *,
        frames: FrameEncoder,
        text: BertEncoder,
        keep_frames: float = 0.5,
        choice: Choice = "perturbed",
        score_norm: ScoreNorm = "softmax",
    ) -> None:
        super().__init__()
        if text.dim != frames.dim:
            raise ValueError(f"words are {text.dim} wide and frames {frames.dim}")
        if text.depth == len(text.blocks):
            raise ValueError("words read frames by layers of cross-attention, and this text encoder has none")
        self.frames, self.text, self.dim = frames, text, frames.dim
        self.selector = (
            None
            if keep_frames == 1
            else FrameSelector(
                self.dim, share=keep_frames, choice=choice, score_norm=score_norm, num_frames=frames.num_frames
            )
        )

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :attr:`medmae.nn.encoder.Encoder.kinds`; either may be missing from a batch."""
        return {**self.frames.kinds, **self.text.kinds}

    def select(self, tokens: Tensor, sentence: Tensor) -> Selection:
        """Frames ``(B, F, n, D)`` that sentences ``(B, D)`` need; all of them without a selector."""
        if self.selector is not None:
            return self.selector(tokens, sentence)
        index = torch.arange(tokens.shape[1], device=tokens.device).expand(len(tokens), -1)
        return Selection(tokens, index, torch.ones_like(index, dtype=tokens.dtype))

    def timed(self, clip: Tensor) -> Tensor:
        """Tokens of the frames of whole clips, with their times: ``(B, F, n, D)``."""
        return self.frames.timed(self.frames(self.frames.patchify(clip)).tokens)

    def joint(self, states: Tensor, tokens: Tensor, keys: Tensor | None = None) -> Tensor:
        """Encoded words that have read frames: ``(B, L, D)``, the first of which stands for the pair.

        Args:
            states: Words by themselves, ``(B, L, D)``.
            tokens: Frames with their times, ``(B, F, n, D)``.
            keys: ``(B, L)`` bool, False for padding.
        """
        chosen = self.select(tokens, states[:, 0]).tokens
        return self.text.read(states, chosen.flatten(1, 2), keys)

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.encoder.Encoder.features`: of a clip, of words, or of words that have read the clip.

        Raises:
            ValueError: If the batch has neither; or a block is asked for of both.
        """
        check_pool(pool, has_class_token=True)
        batch = {self.frames.kind.name: batch} if isinstance(batch, Tensor) else batch
        clip, (name,) = self.frames.kind.name, self.text.kinds
        if clip in batch and name in batch:
            if block is not None:
                raise ValueError("features after a block are of a clip or of words, not of words that read a clip")
            real = self.text.words.real(batch[name])
            states = self.text(batch[name], keys=real)
            joint = self.joint(states, self.timed(batch[clip]), real)
            return joint[:, 0] if pool == "class_token" else mean_of(joint, real)
        if clip in batch:
            return self.frames.features(batch[clip], pool=pool, block=block)
        if name in batch:
            return self.text.features(batch[name], pool=pool, block=block)
        raise ValueError(f"the encoder takes {' or '.join(map(repr, self.kinds))}, and the batch has {sorted(batch)}")

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`: of frames and of words side by side, the last ones together."""
        return side_by_side([self.frames.layers(), self.text.layers()])

    def fresh(self, *, seed: int) -> FrameTextEncoder:
        """See :meth:`medmae.nn.encoder.Encoder.fresh`."""
        return fresh_copy(self, seed=seed, others=lambda twin: [*twin.frames.draw_tables(), *twin.text.words.draw()])
