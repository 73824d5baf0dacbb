"""A SMAUG-style method: hide patches and words, drop what matters least on the way, read the frames that a text needs.

Paper: Y. Lin, C. Wei, H. Wang, A. Yuille, C. Xie, "SMAUG: Sparse Masked Autoencoder for Efficient Video-Language
Pre-training", ICCV 2023, pp. 2459-2469, arXiv 2211.11446. Reference: none of it is public, neither code nor weights;
abstract, introduction and a caption of the paper were at hand. What it builds on was read: youweiliang/evit (5ca95a7,
Apache-2.0), jayleicn/singularity (10a7f70, MIT), STTS.

Theirs, by name: frames and words are both masked, visible patches are sparsified in the encoder, a text guides which
frames are read. How is inferred, and an option each. A ViT encodes frames one by one, dropping patches as EViT does;
the last layers of a BERT read frames; contrast and matching are Singularity's.

Deviations: from what is inferred, as docs/methods/smaug.md has them with reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Generator, Tensor

from medmae.errors import check_choice
from medmae.masking.base import Mask, Masking, Masks, gather_tokens
from medmae.masking.frames import FrameMasking, frame_by_frame
from medmae.masking.words import WordMasking
from medmae.methods.base import Batch, StepOutput, entry
from medmae.methods.frames_shown import frames_left, frames_read
from medmae.methods.pairs import Pairs, pair_ids, pair_terms
from medmae.methods.pixels import rebuilt
from medmae.methods.registry import register
from medmae.methods.shown import Shown, guessed_words
from medmae.methods.words import MaskedWords, numbers_of_learnt
from medmae.nn.bert import BertEncoder
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.frame_selection import Choice, ScoreNorm
from medmae.nn.frames import EncodedFrames, FrameEncoder, OtherFrames
from medmae.nn.frames_text import FrameTextEncoder
from medmae.nn.heads import PatchHead
from medmae.nn.pair_head import PairHead
from medmae.nn.positions import LearnedPositions, SinCos
from medmae.nn.sizes import BlockSizes, sized
from medmae.nn.thinning import warmed
from medmae.nn.tied_words import TiedWordHead
from medmae.nn.vit import MaskedViT
from medmae.nn.words import WordEmbedding
from medmae.objectives.pixel import TargetNorm, masked_mse
from medmae.objectives.words import masked_words
from medmae.tokens.text import WORDS

Place = Literal["sinusoid", "learned"]
Replaced = Literal["mask", "bert"]
DecodeFrom = Literal["last", "before_thinning"]


def smaug_base(**options: Any) -> SMAUG:
    """ViT-B, 4 frames of 224 px, BERT-base: 232 million parameters."""
    return SMAUG(**options)


def smaug_small_clips(**options: Any) -> SMAUG:
    """4 frames of 64 px, an encoder of 6 blocks of width 192, 1,000 words (ours): for a CPU."""
    sizes = {"image_size": 64, "patch_size": 8, "embed_dim": 192, "depth": 6, "num_heads": 6, "thinned": (2, 4, 5)}
    decoder = {"decoder_dim": 96, "decoder_depth": 2, "decoder_heads": 3}
    words = {"max_words": 64, "text_depth": 3, "cross_depth": 2, "projected": 64, **numbers_of_learnt(1000, options)}
    return SMAUG(**{**sizes, **decoder, **words, **options})


def smaug_tiny(**options: Any) -> SMAUG:
    """4 frames of 32 px and 30 words, for tests."""
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 4, "thinned": (1,)}
    decoder = {"decoder_dim": 32, "decoder_depth": 2, "decoder_heads": 2, "mask_ratio": 0.5, "keep_warmup": 0.0}
    words = {"max_words": 16, "dropout": 0.0, "text_depth": 1, "cross_depth": 1, **numbers_of_learnt(30, options)}
    return SMAUG(**{**sizes, **decoder, **words, "projected": 16, **options})


@register(
    "smaug",
    title="SMAUG-style",
    paper="after Lin et al., SMAUG: Sparse Masked Autoencoder for Efficient Video-Language Pre-training, ICCV 2023",
    presets={"tiny": smaug_tiny, "base": smaug_base, "small_clips": smaug_small_clips},
)
class SMAUG(MaskedWords):
    """The composition, on ``{"image": (B, C, F, H, W), "words": (B, L) int64}``.

    Sentences begin with ``[CLS]``, end with ``[SEP]`` and are padded behind. A batch may number its clips, ``"pair"``
    ``(B,)`` int64: those of one number are no negatives of each other, as those of the same words are not; and say in
    ``"real"``, bool ``(B, 1, F, H, W)``, which pixels are no overlay or padding: patches without any are left out.

    Args:
        num_frames: F.
        image_size: Height and width; an integer means a square.
        patch_size: Height and width of a patch.
        positions: Of patches: ``sinusoid`` as in MAE, whose weights it may begin with, or ``learned``.
        decoder_dim: Of the decoder of pixels, its width;
        decoder_depth: its blocks;
        decoder_heads: its attention heads.
        decode_from: What it reads: the encoder's ``last`` tokens, or those ``before_thinning``.
        mask_ratio: Share of each frame's patches that is hidden, 0.5 to 0.75.
        target_norm: Normalisation of the target patches; None regresses pixels as they are.
        keep_rate: Share of a frame's tokens that each of ``thinned`` keeps; 1 drops none.
        keep_warmup: Share of training during which that falls from 1.
        thinned: Which blocks drop tokens, counted from 1.
        fuse: What is dropped leaves one token;
        weigh: that is a weighted mean and not a sum.
        other_frames: See :class:`medmae.nn.frames.FrameEncoder`.
        keep_frames: Share of the frames that words read; 1 has no selector.
        choice: See :class:`medmae.nn.frame_selection.FrameSelector`;
        score_norm: likewise.
        vocabulary: Words in the order of their numbers; see :class:`medmae.nn.words.WordEmbedding`.
        vocab_size: How many words it has; None, here and below: as the vocabulary has it, without one BERT's.
        max_words: The longest sentence, ends included.
        pad_word: Number of ``[PAD]``;
        mask_word: of ``[MASK]``.
        word_ratio: Chance of each word to be hidden.
        spare_words: Hides at least one word of a sentence, and leaves at least one.
        replaced: Hidden words are all ``[MASK]`` (``mask``), or eight in ten of them (``bert``).
        dropout: Of embedded words and their layers.
        text_depth: Layers of words alone;
        cross_depth: layers behind them in which words read frames.
        projected: Width of the space of contrast;
        temperature: its temperature, at first.
        pixel_weight: Weight of the pixels' error;
        word_weight: of the words';
        contrast: of contrast, 0 leaves it out, and matching with it;
        matching: of matching, 0 leaves it out;
        score_weight: of teaching frames' scores by contrast; see :func:`medmae.methods.pairs.taught_scores`.
        picture: Sizes of the encoder; see :class:`medmae.nn.sizes.BlockSizes`. Text has as many heads.

    Raises:
        ValueError: If patches do not tile a frame, matching has no contrast beside it, or a choice is not known.
        DataError: If the words are no vocabulary.
    """

    encoder: FrameTextEncoder  # type: ignore[assignment]

    def __init__(
        self,
        *,
        num_frames: int = 4,
        image_size: int | Sequence[int] = 224,
        patch_size: int | Sequence[int] = 16,
        positions: Place = "sinusoid",
        decoder_dim: int = 512,
        decoder_depth: int = 8,
        decoder_heads: int = 16,
        decode_from: DecodeFrom = "last",
        mask_ratio: float = 0.65,
        target_norm: TargetNorm | None = TargetNorm(),  # noqa: B008 - frozen
        keep_rate: float = 0.7,
        keep_warmup: float = 0.1,
        thinned: Sequence[int] = (4, 7, 10),
        fuse: bool = True,
        weigh: bool = False,
        other_frames: OtherFrames = "interpolate",
        keep_frames: float = 0.5,
        choice: Choice = "perturbed",
        score_norm: ScoreNorm = "softmax",
        vocabulary: Sequence[str] | None = None,
        vocab_size: int | None = None,
        max_words: int = 512,
        pad_word: int | None = None,
        mask_word: int | None = None,
        word_ratio: float = 0.5,
        spare_words: bool = True,
        replaced: Replaced = "mask",
        dropout: float = 0.1,
        text_depth: int = 9,
        cross_depth: int = 3,
        projected: int = 256,
        temperature: float = 0.07,
        pixel_weight: float = 1.0,
        word_weight: float = 1.0,
        contrast: float = 1.0,
        matching: float = 1.0,
        score_weight: float = 0.0,
        **picture: Unpack[BlockSizes],
    ) -> None:
        super().__init__()
        check_choice(positions, get_args(Place), name="positions")
        check_choice(replaced, get_args(Replaced), name="replaced")
        check_choice(decode_from, get_args(DecodeFrom), name="decode_from")
        if matching and not contrast:
            raise ValueError("matching takes its negatives from contrast: give contrast a weight, or matching none")
        if score_weight and (not contrast or keep_frames == 1 or score_norm != "softmax"):
            raise ValueError("scores are taught by contrast, as shares: contrast, keep_frames below 1, and softmax")
        frame = MaskedViT(
            image_size=image_size,
            patch_size=patch_size,
            positions=SinCos() if positions == "sinusoid" else LearnedPositions(),
            **sized(picture),
        )
        numbers = {"vocab_size": vocab_size, "pad": pad_word, "mask": mask_word}
        words = WordEmbedding(vocabulary=vocabulary, dim=frame.dim, max_words=max_words, dropout=dropout, **numbers)
        thin: dict[str, Any] = {"keep_rate": keep_rate, "thinned": thinned, "fuse": fuse, "weigh": weigh}
        layers: dict[str, Any] = {"num_heads": frame.num_heads, "mlp_ratio": frame.mlp_ratio, "dropout": dropout}
        self.encoder = FrameTextEncoder(
            frames=FrameEncoder(picture=frame, num_frames=num_frames, other_frames=other_frames, **thin),
            text=BertEncoder(words=words, depth=text_depth, cross_depth=cross_depth, **layers),
            keep_frames=keep_frames,
            choice=choice,
            score_norm=score_norm,
        )
        sizes: dict[str, Any] = {"dim": decoder_dim, "depth": decoder_depth, "num_heads": decoder_heads}
        self.decoder = MaskedDecoder(frame, positions=SinCos(), **sizes)
        self.head = PatchHead(dim=decoder_dim, num_values=frame.patches.num_values, norm_eps=frame.norm_eps)
        self.word_head = TiedWordHead(frame.dim, vocab_size=words.vocab_size)
        pairs: dict[str, Any] = {"projected": projected, "temperature": temperature, "matching": bool(matching)}
        self.pair_head = PairHead(frame.dim, **pairs) if contrast else None
        self.frame_masking = FrameMasking(grid=self.clip.patches.grid, ratio=mask_ratio)
        self.word_masking = WordMasking(max_words=max_words, ratio=word_ratio, spare=spare_words)
        self.target_norm, self.keep_warmup, self.decode_from = target_norm, keep_warmup, decode_from
        self.replaced, self.contrast, self.matching = replaced, contrast, matching
        self.pixel_weight, self.word_weight, self.score_weight = pixel_weight, word_weight, score_weight

    @property
    def begins(self) -> Mapping[str, str]:
        """See :attr:`ReadsWords.begins`: the encoder of weights of pictures."""
        return {"encoder.frames.picture": "encoder"}

    @property
    def sentences(self) -> WordEmbedding:
        """See :attr:`ReadsWords.sentences`."""
        return self.encoder.text.words

    @property
    def clip(self) -> FrameEncoder:
        """The part of the encoder that is of clips."""
        return self.encoder.frames

    @property
    def picture(self) -> MaskedViT:
        """The part of the encoder that is of single frames, which weights of pictures fit."""
        return self.encoder.frames.picture

    @property
    def maskings(self) -> Mapping[str, Masking]:  # type: ignore[override]
        """See :attr:`MaskedMethod.maskings`."""
        return {self.clip.kind.name: self.frame_masking, WORDS.name: self.word_masking}

    def real_tokens(self, batch: Batch) -> dict[str, Tensor]:
        """See :meth:`MaskedWords.real_tokens`."""
        frames, real = self.clip, super().real_tokens(batch)
        return {**real, frames.kind.name: frames.patches.touched(batch["real"])} if "real" in batch else real

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step; see :meth:`Method.forward`."""
        name, frames = self.clip.kind.name, self.clip
        rows = frames.patchify(entry(batch, name))  # (B, F * N, P)
        masks = masks or self.draw_masks(batch, generator=generator)
        rate = warmed(frames.keep_rate, progress=progress, warmup=self.keep_warmup)
        seen, pixels = self._pixels(rows, masks[name], keep_rate=rate)
        timed = frames.timed(seen.tokens)  # (B, F, 1 + n, D)
        found = self._words(batch[WORDS.name], masks[WORDS.name], timed, replaced=self.replaced)
        target = masks[name].hidden(rows)  # (B, M, P)
        if self.target_norm is not None:
            target = self.target_norm(target, channels=self.picture.patches.channels)
        terms = {
            name: self.pixel_weight * masked_mse(pixels, target),
            WORDS.name: self.word_weight * masked_words(found, batch[WORDS.name], masks[WORDS.name]),
        }
        if self.pair_head is not None:
            text, words = self.encoder.text, batch[WORDS.name]
            real = text.words.real(words)
            pairs = Pairs(timed, text(words, keys=real), real, pair_ids(batch, real))
            weights = {"contrast": self.contrast, "matching": self.matching, "scores": self.score_weight}
            terms |= pair_terms(pairs, encoder=self.encoder, head=self.pair_head, **weights)
        return StepOutput.of(terms=terms, prediction={name: pixels, WORDS.name: found}, masks=masks)

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`; beside the clip, what is left of it after each block that drops some."""
        name, frames = self.clip.kind.name, self.clip
        mask, words, clip = masks[name].complete(), batch[WORDS.name], batch[name]
        seen, pixels = self._pixels(frames.patchify(clip), mask, keep_rate=frames.keep_rate)
        found = self._words(words, masks[WORDS.name], frames.timed(seen.tokens), replaced="mask")
        image = rebuilt(frames, clip, mask, pixels, target_norm=self.target_norm, scaled=True)
        shown = {name: image, WORDS.name: guessed_words(words, masks[WORDS.name], found)}
        shown |= frames_left(frames, clip, mask, seen)
        return shown | frames_read(self.encoder, clip, mask, seen, words, masks[WORDS.name])

    def _pixels(self, rows: Tensor, mask: Mask, *, keep_rate: float) -> tuple[EncodedFrames, Tensor]:
        """Encoded frames of ``rows`` ``(B, F * N, P)``, and their hidden patches in the mask's order, ``(B, M, P)``."""
        frames = self.clip
        single, order = frame_by_frame(mask, num_frames=frames.num_frames)
        seen = frames(rows, single, keep_rate=keep_rate)
        whole = self.decode_from == "before_thinning"
        latent, there = (self.picture.norm(seen.before), None) if whole else seen.put_back(single.num_visible)
        pixels = self.head(self.decoder(latent, single, there=there))  # (B * F, M / F, P)
        return seen, gather_tokens(pixels.unflatten(0, (len(rows), -1)).flatten(1, 2), order)

    def _words(self, words: Tensor, mask: Mask, frames: Tensor, *, replaced: Replaced) -> Tensor:
        """Logits of hidden words, which have read frames ``(B, F, n, D)``: ``(B, K, vocabulary)``."""
        text, hidden, keys = self.encoder.text, mask.decoded(), mask.key_mask()
        read = words if replaced == "mask" else text.words.hidden_as_bert(words, hidden)
        states = text(read, hidden if replaced == "mask" else None, keys)
        return self.word_head(mask.hidden(self.encoder.joint(states, frames, keys)), text.words)
