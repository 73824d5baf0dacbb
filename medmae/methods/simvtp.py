"""SimVTP: hide nine tenths of a clip and three quarters of its caption, encode the rest as one, and rebuild both.

Paper: Y. Ma, T. Yang, Y. Shan, X. Li, "SimVTP: Simple Video Text Pre-training with Masked Autoencoders", arXiv
2212.03490, 2022. Reference: the authors' code release of March 2023 (4b54321), read for facts only: its licence is
non-commercial. The paper's own words on the losses between clip and caption were not at hand.

Hidden cubes are dropped as in VideoMAE; hidden words stay, as ``[MASK]``. The decoder of cubes sees no word: what a
caption tells of a clip reaches it through the encoder only. Contrast and matching read the *masked* caption, as the
reference does.

Deviations: both are off unless asked for, as the paper calls them additions; means are over real tokens and not over
padding; the negative of matching is the next clip of other words in a batch, whose order is random, where the reference
draws one; contrast takes negatives of all processes, none of the same words; a caption keeps at least one word and
hides at least one; a batch of one trains without matching, where the reference never returns. Options give the
reference's numbers, but for the negatives of matching and the batch of one.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Generator, Tensor, nn

from medmae.errors import check_choice
from medmae.masking.base import Mask, Masking, Masks
from medmae.masking.words import WordMasking
from medmae.methods.base import Batch, StepOutput
from medmae.methods.pixels import rebuilt
from medmae.methods.registry import register
from medmae.methods.shown import Shown, guessed_words
from medmae.methods.videomae import VideoMAE
from medmae.methods.words import MaskedWords, numbers_of_learnt
from medmae.nn.encoder import mean_of
from medmae.nn.init import initialise_linears
from medmae.nn.sizes import BlockSizes
from medmae.nn.video_text import VideoTextEncoder
from medmae.nn.vit import MaskedViT
from medmae.nn.word_head import WordHead
from medmae.nn.words import WordEmbedding, sentence_ids
from medmae.objectives.contrastive import info_nce
from medmae.objectives.cube import CubeNorm
from medmae.objectives.matching import matching_loss, next_other
from medmae.objectives.pixel import TargetNorm, masked_mse
from medmae.objectives.words import masked_words
from medmae.tokens.text import WORDS

Read = Literal["masked", "whole"]


def simvtp_base(**options: Any) -> SimVTP:
    """ViT-B, 16 frames of 224 px, the words of BERT: 141,521,084 parameters with both additions, else 141,519,546."""
    return SimVTP(**options)


def simvtp_small_clips(**options: Any) -> SimVTP:
    """On ``videomae_small_clips``, for 1,000 words (ours): for a CPU."""
    sizes = {"image_size": 64, "patch_size": 8, "embed_dim": 192, "depth": 6, "num_heads": 6}
    decoder = {"decoder_dim": 96, "decoder_depth": 2, "decoder_heads": 3}
    words = {"max_words": 64, **numbers_of_learnt(1000, options)}
    return SimVTP(**{**sizes, **decoder, **words, **options})


def simvtp_tiny(**options: Any) -> SimVTP:
    """4 frames of 32 px and 30 words, for tests."""
    sizes = {"num_frames": 4, "image_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 4}
    decoder = {"decoder_dim": 32, "decoder_depth": 2, "decoder_heads": 2, "mask_ratio": 0.75}
    words = {"max_words": 16, "word_dropout": 0.0, "word_ratio": 0.5, **numbers_of_learnt(30, options)}
    return SimVTP(**{**sizes, **decoder, **words, "contrast": 1.0, "matching": 1.0, **options})


@register(
    "simvtp",
    title="SimVTP",
    paper="Ma et al., SimVTP: Simple Video Text Pre-training with Masked Autoencoders, arXiv 2212.03490, 2022",
    presets={"tiny": simvtp_tiny, "base": simvtp_base, "small_clips": simvtp_small_clips},
)
class SimVTP(MaskedWords):
    """The reference composition, on ``{"image": (B, C, T, H, W), "words": (B, L) int64}``.

    Sentences begin with ``[CLS]``, end with ``[SEP]`` and are padded behind.

    Args:
        num_frames: T.
        image_size: Height and width; an integer means a square.
        tubelet_size: Frames of a cube.
        patch_size: Height and width of a cube.
        decoder_dim: Of the decoder of cubes, its width;
        decoder_depth: its blocks;
        decoder_heads: its attention heads.
        mask_ratio: Share of tubes that is hidden.
        target_norm: Normalisation of the target cubes; None regresses the clip in its own units.
        vocabulary: Words in the order of their numbers: whoever has the weights reads and writes sentences with it.
            None knows numbers alone.
        vocab_size: How many words it has. None takes this, and the next two numbers, of the vocabulary, and without
            one those of BERT's.
        max_words: The longest sentence, ends included.
        pad_word: Number of ``[PAD]``;
        mask_word: of ``[MASK]``.
        word_dropout: Share of embedded words that is dropped.
        word_ratio: Chance of each word to be hidden, 0.15 to 0.9 in the paper's study.
        spare_words: Hides at least one word of a caption, and leaves at least one.
        word_decoder_depth: Blocks of width 384 between encoder and words; the reference has none.
        contrast: Weight of finding each caption's clip in the batch, and each clip's caption; 0 leaves it out.
        matching: Weight of telling a caption's clip from another one; 0 leaves it out.
        temperature: Of contrast.
        contrast_words: Whether contrast and matching read the caption ``masked`` or ``whole``.
        equal_words: Whether a clip of the same words counts as a negative, as it does in the reference.
        pool_padding: Whether means of tokens take padding in, as they do there.
        clip: Sizes of the encoder; see :class:`medmae.nn.sizes.BlockSizes`.

    Raises:
        ValueError: If cubes do not tile the clip, a choice is not known, or a number is another than the vocabulary's.
        DataError: If the words are no vocabulary.
    """

    encoder: VideoTextEncoder  # type: ignore[assignment]
    no_weight_decay = VideoMAE.no_weight_decay

    def __init__(
        self,
        *,
        num_frames: int = 16,
        image_size: int | Sequence[int] = 224,
        tubelet_size: int = 2,
        patch_size: int | Sequence[int] = 16,
        decoder_dim: int = 384,
        decoder_depth: int = 4,
        decoder_heads: int = 6,
        mask_ratio: float = 0.9,
        target_norm: TargetNorm | None = CubeNorm(),  # noqa: B008 - frozen
        vocabulary: Sequence[str] | None = None,
        vocab_size: int | None = None,
        max_words: int = 512,
        pad_word: int | None = None,
        mask_word: int | None = None,
        word_dropout: float = 0.1,
        word_ratio: float = 0.75,
        spare_words: bool = True,
        word_decoder_depth: int = 0,
        contrast: float = 0.0,
        matching: float = 0.0,
        temperature: float = 0.05,
        contrast_words: Read = "masked",
        equal_words: bool = False,
        pool_padding: bool = False,
        **clip: Unpack[BlockSizes],
    ) -> None:
        super().__init__()
        check_choice(contrast_words, get_args(Read), name="contrast_words")
        clips = VideoMAE(
            num_frames=num_frames,
            image_size=image_size,
            tubelet_size=tubelet_size,
            patch_size=patch_size,
            decoder_dim=decoder_dim,
            decoder_depth=decoder_depth,
            decoder_heads=decoder_heads,
            mask_ratio=mask_ratio,
            **clip,
        )
        dim, numbers = clips.encoder.dim, {"vocab_size": vocab_size, "pad": pad_word, "mask": mask_word}
        words = WordEmbedding(vocabulary=vocabulary, dim=dim, max_words=max_words, dropout=word_dropout, **numbers)
        self.encoder = VideoTextEncoder(video=clips.encoder, words=words)
        self.decoder, self.head = clips.decoder, clips.head
        self.word_head = WordHead(
            clips.encoder, vocab_size=words.vocab_size, max_words=max_words, depth=word_decoder_depth
        )
        self.matcher = nn.Linear(dim, 2) if matching else None
        if self.matcher is not None:
            initialise_linears(nn.ModuleList([self.matcher]))
        self.clip_masking = clips.masking
        self.word_masking = WordMasking(max_words=max_words, ratio=word_ratio, spare=spare_words)
        self.target_norm, self.temperature = target_norm, temperature
        self.contrast, self.matching, self.contrast_words = contrast, matching, contrast_words
        self.equal_words, self.pool_padding = equal_words, pool_padding

    @property
    def begins(self) -> Mapping[str, str]:
        """See :attr:`ReadsWords.begins`: parts of VideoMAE's weights."""
        return {"encoder.video": "encoder", "decoder": "decoder", "head": "head"}

    @property
    def sentences(self) -> WordEmbedding:
        """See :attr:`ReadsWords.sentences`."""
        return self.encoder.words

    @property
    def clip(self) -> MaskedViT:
        """The part of the encoder that is of clips."""
        return self.encoder.video

    @property
    def maskings(self) -> Mapping[str, Masking]:  # type: ignore[override]
        """See :attr:`MaskedMethod.maskings`."""
        return {self.clip.kind.name: self.clip_masking, WORDS.name: self.word_masking}

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step; see :meth:`Method.forward`."""
        masks = masks or self.draw_masks(batch, generator=generator)
        clip, words = masks[self.clip.kind.name], masks[WORDS.name]
        latent, keys = self.encoder(batch, masks)  # (B, V + L, D)
        cubes, found = self._decode(latent, masks)
        terms = {
            self.clip.kind.name: masked_mse(cubes, self.target(batch, clip)),
            WORDS.name: masked_words(found, batch[WORDS.name], words),
        }
        if self.contrast:
            terms["contrast"] = self.contrast * self._contrast(batch, masks)
        if self.matching and len(latent) > 1:
            joint = self._mean(latent, keys) if self.contrast_words == "masked" else None
            terms["matching"] = self.matching * self._matching(batch, masks, joint)
        elif self.matching:
            warnings.warn("a batch of one has no other pair: it is trained without matching", stacklevel=2)
        return StepOutput.of(terms=terms, prediction={self.clip.kind.name: cubes, WORDS.name: found}, masks=masks)

    def target(self, batch: Batch, mask: Mask) -> Tensor:
        """What hidden cubes are to become, ``(B, M, P)``."""
        cubes = mask.hidden(self.clip.patches.patchify(batch[self.clip.kind.name]))
        return cubes if self.target_norm is None else self.target_norm(cubes, channels=self.clip.patches.channels)

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`: of hidden words those that are found the likeliest."""
        name = self.clip.kind.name
        cubes, found = self._decode(self.encoder(batch, masks)[0], masks)
        clip = rebuilt(
            self.clip, batch[name], masks[name], cubes, target_norm=self.target_norm, scaled=VideoMAE.target_scaled
        )
        return {name: clip, WORDS.name: guessed_words(batch[WORDS.name], masks[WORDS.name], found)}

    def _decode(self, latent: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
        """Hidden cubes ``(B, M, P)`` and logits of hidden words ``(B, K, vocabulary)``."""
        clip, words = masks[self.clip.kind.name], masks[WORDS.name]
        seen = clip.num_visible
        return self.head(self.decoder(latent[:, :seen], clip)), self.word_head(latent[:, seen:], words)

    def _contrast(self, batch: Batch, masks: Masks) -> Tensor:
        """Both directions, added and not halved, as the reference does."""
        name, shown = self.clip.kind.name, self._words_shown(masks)
        clips = self._mean(*self.encoder({name: batch[name]}, masks))  # (B, D)
        captions = self._mean(*self.encoder({WORDS.name: batch[WORDS.name]}, shown))  # (B, D)
        ids = None if self.equal_words else self._ids(batch[WORDS.name])
        return 2 * info_nce(captions, clips, temperature=self.temperature, symmetric=True, ids=ids)

    def _matching(self, batch: Batch, masks: Masks, joint: Tensor | None) -> Tensor:
        """``joint`` is the mean ``(B, D)`` of true pairs, if the pass that rebuilds has read what this one reads."""
        assert self.matcher is not None
        name, words = self.clip.kind.name, batch[WORDS.name]
        shown = {name: masks[name], **self._words_shown(masks)}
        if joint is None:
            joint = self._mean(*self.encoder(batch, shown))
        other, counted = self.negatives(words)  # (B,) each
        wrong = {name: batch[name].index_select(0, other), WORDS.name: words}
        wrong_masks = {**shown, name: shown[name].of_samples(other)}
        logits = self.matcher(self._mean(*self.encoder(wrong, wrong_masks)))
        return matching_loss(self.matcher(joint), logits, counted=counted)

    def negatives(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """For each caption a clip of other words, ``(B,)``, and whether there is one, ``(B,)``.

        It is the next in the batch, whose order is random, where the reference draws one.
        """
        ids = torch.arange(len(words), device=words.device) if self.equal_words else self._ids(words)
        return next_other(ids)

    def _words_shown(self, masks: Masks) -> dict[str, Mask]:
        return {WORDS.name: masks[WORDS.name]} if self.contrast_words == "masked" else {}

    def _ids(self, words: Tensor) -> Tensor:
        return sentence_ids(words, self.encoder.words.real(words))

    def _mean(self, tokens: Tensor, keys: Tensor | None) -> Tensor:
        return mean_of(tokens, None if self.pool_padding else keys)
