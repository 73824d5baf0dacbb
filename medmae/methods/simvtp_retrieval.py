"""SimVTP fine-tuned for retrieval, or as it was pre-trained: clips and sentences as points, and pairs looked at.

Paper: as :mod:`medmae.methods.simvtp`; reference: the same code release, whose fine-tuning :class:`DualEncoder` is. Not
systems of their own but what follows one, so they are in no list of methods.

Deviations: means are over real tokens and not over padding, negatives come from all processes, and a clip of the same
words is none (options give the reference's numbers). Rates fall from layer to layer where that is asked for; in the
reference the names of its two encoders keep them alike. Matching is ours: the reference ranks by contrast alone.
"""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from medmae.errors import DataError
from medmae.masking.base import Masks
from medmae.methods.base import Batch, Method, StepOutput, entry
from medmae.methods.retrieval import CLIPS, SENTENCES, Encoded
from medmae.methods.simvtp import SimVTP
from medmae.methods.words import ReadsWords
from medmae.nn.blocks import set_drop_path
from medmae.nn.encoder import Encoder, mean_of
from medmae.nn.init import initialise_linears
from medmae.nn.points import MeanTower
from medmae.nn.video_text import VideoTextEncoder
from medmae.nn.vit import MaskedViT
from medmae.nn.words import WordEmbedding, sentence_ids
from medmae.objectives.contrastive import info_nce
from medmae.objectives.matching import matching_loss, next_other
from medmae.tokens.text import WORDS


@dataclass(frozen=True)
class Sides:
    """What reads clips, what sentences, and what both together.

    Attributes:
        video: Of clips;
        text: of sentences;
        joint: of pairs; None where nothing looks at them.
        video_norm: Of the mean of a clip's tokens;
        text_norm: of a sentence's.
    """

    video: VideoTextEncoder
    text: VideoTextEncoder
    joint: VideoTextEncoder | None
    video_norm: nn.Module
    text_norm: nn.Module


class _SimVTPRetrieval(ReadsWords, Method):
    """On whole ``{"image": (B, C, T, H, W), "words": (B, L) int64}``, as :class:`medmae.methods.simvtp.SimVTP`."""

    def __init__(self, *, dim: int, temperature: float, matching: float, equal_words: bool, pool_padding: bool) -> None:
        super().__init__()
        self.matcher = nn.Linear(dim, 2) if matching else None
        if self.matcher is not None:
            initialise_linears(nn.ModuleList([self.matcher]))
        self.temperature, self.matching = temperature, matching
        self.equal_words, self.pool_padding = equal_words, pool_padding

    @abstractmethod
    def sides(self) -> Sides:
        """The networks."""

    @property
    def begins(self) -> Mapping[str, str]:
        """What each part that a pre-training fills is called there."""
        parts = dict.fromkeys(self.encoders, "encoder")
        return parts if self.matcher is None else {**parts, "matcher": "matcher"}

    @property
    def clip(self) -> MaskedViT:
        """See :attr:`ReadsWords.clip`."""
        return self.sides().video.video

    @property
    def sentences(self) -> WordEmbedding:
        """See :attr:`ReadsWords.sentences`."""
        return self.sides().text.words

    @property
    def tower(self) -> MeanTower:
        """See :class:`medmae.nn.points.HasTower`."""
        sides = self.sides()
        return MeanTower(sides.video.video, sides.video_norm)

    @property
    def matches(self) -> bool:
        """See :attr:`medmae.methods.retrieval.Retriever.matches`."""
        return self.matcher is not None

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step; see :meth:`Method.forward`."""
        clip, words = entry(batch, self.clip.kind.name), entry(batch, WORDS.name)
        clips, sentences = self.tower(clip), self._sentences(words)
        real = self.sentences.real(words)
        ids = torch.arange(len(words), device=words.device) if self.equal_words else sentence_ids(words, real)
        contrast = 2 * info_nce(sentences, clips, temperature=self.temperature, symmetric=True, ids=ids)
        terms = {"contrast": contrast}  # both directions, added and not halved, as the reference does
        if self.matching and len(words) > 1:
            terms["matching"] = self.matching * self._matching(clip, words, ids)
        elif self.matching:
            warnings.warn("a batch of one has no other pair: it is trained without matching", stacklevel=2)
        return StepOutput.of(terms=terms, prediction={CLIPS: clips, SENTENCES: sentences})

    def encode_clips(self, clip: Tensor) -> Encoded:
        """See :meth:`medmae.methods.retrieval.Retriever.encode_clips`."""
        joint, points = self.sides().joint, self.tower(clip)
        return Encoded(points, points if joint is None else joint.embed({joint.video.kind.name: clip})[0])

    def encode_words(self, words: Tensor) -> Encoded:
        """See :meth:`medmae.methods.retrieval.Retriever.encode_words`."""
        joint, points = self.sides().joint, self._sentences(words)
        tokens = points if joint is None else joint.embed({WORDS.name: words})[0]
        return Encoded(points, tokens, self.sentences.real(words))

    def likeness(self, sentences: Tensor, clips: Tensor) -> Tensor:
        """See :meth:`medmae.methods.retrieval.Retriever.likeness`: the cosine."""
        return F.normalize(sentences, dim=1) @ F.normalize(clips, dim=1).T

    def match(self, clips: Encoded, sentences: Encoded, rows: Tensor, columns: Tensor) -> Tensor:
        """See :meth:`medmae.methods.retrieval.Retriever.match`: each pair passes all blocks, clip and words together.

        Raises:
            DataError: If there is no matching layer.
        """
        if self.matcher is None:
            raise DataError(
                "nothing here looks at pairs: there is no matching layer",
                field="top",
                remedy="rank by likeness alone (--top 0), or fine-tune with --matching 1",
            )
        assert sentences.real is not None
        return self._matched(clips.tokens[columns], sentences.tokens[rows], sentences.real[rows])[:, 1]

    def _sentences(self, words: Tensor) -> Tensor:
        sides = self.sides()
        tokens, keys = sides.text({WORDS.name: words})
        return sides.text_norm(mean_of(tokens, None if self.pool_padding else keys))  # (B, D)

    def _matching(self, clip: Tensor, words: Tensor, ids: Tensor) -> Tensor:
        """True pairs, and each sentence with the next clip of other words."""
        joint, real = self.sides().joint, self.sentences.real(words)
        assert joint is not None
        clips, sentences = joint.embed({joint.video.kind.name: clip})[0], joint.embed({WORDS.name: words})[0]
        other, counted = next_other(ids)
        true, wrong = (self._matched(each, sentences, real) for each in (clips, clips[other]))
        return matching_loss(true, wrong, counted=counted)

    def _matched(self, clips: Tensor, sentences: Tensor, real: Tensor) -> Tensor:
        """Logits ``(B, 2)`` of embedded clips ``(B, N, D)`` and sentences ``(B, L, D)``."""
        joint = self.sides().joint
        assert joint is not None
        assert self.matcher is not None
        keys = F.pad(real, (clips.shape[1], 0), value=True)
        tokens = joint.video.forward_tokens(torch.cat([clips, sentences], dim=1), key_mask=keys)
        return self.matcher(mean_of(tokens, None if self.pool_padding else keys))


class DualEncoder(_SimVTPRetrieval):
    """The encoder twice, for clips and for sentences: a mean over tokens and a norm each, in place of its last norm.

    Args:
        encoder: Of SimVTP; it becomes that of clips, and copies of it the others.
        temperature: Of contrast.
        drop_path: Stochastic depth of each encoder's last block.
        matching: Weight of telling a sentence's clip from another, by a third copy that reads both together: what ranks
            the best ones again. 0 leaves it out, as the reference does.
        equal_words: Whether a clip of the same words counts as a negative, as it does in the reference.
        pool_padding: Whether means take padding in, as they do there.
    """

    def __init__(
        self,
        *,
        encoder: VideoTextEncoder,
        temperature: float = 0.05,
        drop_path: float = 0.1,
        matching: float = 0.0,
        equal_words: bool = False,
        pool_padding: bool = False,
    ) -> None:
        same = {"equal_words": equal_words, "pool_padding": pool_padding}
        super().__init__(dim=encoder.dim, temperature=temperature, matching=matching, **same)
        set_drop_path(encoder.video.blocks, drop_path)
        self.joint = copy.deepcopy(encoder) if matching else None
        encoder.video.norm = nn.Identity()
        self.video_encoder, self.text_encoder = encoder, copy.deepcopy(encoder)
        for unused in (self.video_encoder.words, self.text_encoder.video.patch_embed):
            unused.requires_grad_(False)  # the reference has them, too; processes must not wait for their gradient
        self.video_norm, self.text_norm = (nn.LayerNorm(encoder.dim, eps=encoder.video.norm_eps) for _ in range(2))

    @property
    def encoders(self) -> Mapping[str, Encoder]:
        """See :attr:`Method.encoders`."""
        both: dict[str, Encoder] = {"video_encoder": self.video_encoder, "text_encoder": self.text_encoder}
        return both if self.joint is None else {**both, "joint": self.joint}

    def sides(self) -> Sides:
        """Three networks, or two."""
        return Sides(self.video_encoder, self.text_encoder, self.joint, self.video_norm, self.text_norm)


class SharedEncoder(_SimVTPRetrieval):
    """One encoder of clips, of sentences and of both, with its last norm: as pre-training has them.

    Args:
        encoder: Of SimVTP.
        temperature: Of contrast.
        matching: Weight of telling a sentence's clip from another; 0 leaves it out.
        equal_words: As in :class:`DualEncoder`;
        pool_padding: likewise.
    """

    encoder: VideoTextEncoder  # type: ignore[assignment]

    def __init__(
        self,
        *,
        encoder: VideoTextEncoder,
        temperature: float = 0.05,
        matching: float = 0.0,
        equal_words: bool = False,
        pool_padding: bool = False,
    ) -> None:
        same = {"equal_words": equal_words, "pool_padding": pool_padding}
        super().__init__(dim=encoder.dim, temperature=temperature, matching=matching, **same)
        self.encoder = encoder

    @classmethod
    def of(cls, method: SimVTP) -> SharedEncoder:
        """A pre-training as it is, which finds clips by its contrast and looks at pairs by its matching layer.

        Its networks are those of the method, not copies.
        """
        options = {"equal_words": method.equal_words, "pool_padding": method.pool_padding}
        matching = float(method.matcher is not None)
        found = cls(encoder=method.encoder, temperature=method.temperature, matching=matching, **options)
        found.matcher = method.matcher
        return found.train(method.training)

    def sides(self) -> Sides:
        """The same for all."""
        joint, same = self.encoder if self.matches else None, nn.Identity()
        return Sides(self.encoder, self.encoder, joint, same, same)
