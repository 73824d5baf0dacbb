"""Voice, face, pictures and words of one moment: each pair of them is told from pairs of other moments.

Paper: R. Franceschini, E. Fini, C. Beyan, A. Conti, F. Arrigoni, E. Ricci, "Multimodal Emotion Recognition with
Modality-Pairwise Unsupervised Contrastive Loss", ICPR 2022, arXiv 2207.11482. Reference: ricfrr/mpuc-mer (1ae3add).

Deviations: the loss is the paper's, ``loss="release"`` is that of the authors' code, which leaves out simultaneous
windows and halves everything; words have places of their own and not that of their sample in the batch; sequences of
any length; samples may lack kinds; negatives of all processes. Any encoders of one kind each will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn

from medmae.errors import check_choice
from medmae.kinds import Kind
from medmae.masking.base import Masks
from medmae.methods.base import Batch, Method, StepOutput, count_samples, entry
from medmae.methods.registry import register
from medmae.nn.encoder import Encoder
from medmae.nn.graph_time import GraphTimeNet
from medmae.nn.side_by_side import SideBySide
from medmae.nn.temporal_conv import TemporalConvNet
from medmae.nn.video_resnet import VideoResNet
from medmae.nn.vit import MaskedViT
from medmae.nn.word_vectors import WordVectorEncoder
from medmae.objectives.contrastive import info_nce
from medmae.objectives.pairwise import pair_contrast, samples_alike
from medmae.tokens.patches import check_floating

SECOND = "second_"  # before the name of a kind: another window of the same sample
Contrast = Literal["pairs", "concatenated"]
Loss = Literal["paper", "release"]
Encoders = Literal["mosei", "ravdess", "small", "tiny"]


def mosei(**options: Any) -> PairEmotion:
    """CMU-MOSEI, windows of 30 steps: sound, landmarks, frames and word vectors, 59,818,694 parameters."""
    return PairEmotion(**options)


def ravdess(**options: Any) -> PairEmotion:
    """RAVDESS, windows of 90 steps: sound and landmarks."""
    return PairEmotion(**{"encoders": "ravdess", **options})


def pair_emotion_tiny(**options: Any) -> PairEmotion:
    """Small networks, and a ViT for frames, for tests."""
    return PairEmotion(**{"encoders": "tiny", "projector_dim": 32, "projection_dim": 16, **options})


def encoders_of(name: Encoders) -> tuple[Encoder, ...]:
    """The paper's for either data set, small ones of sound (40 bands) and landmarks for a CPU, or those of tests."""
    if name == "mosei":
        return TemporalConvNet(), GraphTimeNet(), VideoResNet(), WordVectorEncoder()
    if name == "ravdess":
        return TemporalConvNet(), GraphTimeNet(frames=90)
    if name == "small":
        net = TemporalConvNet(bins=40, dim=64, channels=32, hidden=48, blocks=4)
        return net, GraphTimeNet(dim=64, width=16, mixed=8)
    plain: dict[str, Any] = {"dim": 24, "dropout": 0.0}
    sizes: dict[str, Any] = {"image_size": (4, 16, 16), "patch_size": (2, 8, 8), "embed_dim": 24, "depth": 2}
    return (
        TemporalConvNet(bins=16, channels=8, hidden=12, blocks=3, **plain),
        GraphTimeNet(num_nodes=5, edges=((0, 1), (1, 2), (2, 3), (3, 4)), frames=14, width=8, mixed=6, **plain),
        MaskedViT(**sizes, num_heads=2, kind=Kind.clip()),
        WordVectorEncoder(width=12, depth=1, num_heads=2, hidden=24, **plain),
    )


@register(
    "pair_emotion",
    title="Pairwise contrastive emotion recognition",
    paper="Franceschini et al., Multimodal Emotion Recognition with Modality-Pairwise Unsupervised Contrastive Loss, "
    "ICPR 2022, arXiv 2207.11482",
    presets={"tiny": pair_emotion_tiny, "mosei": mosei, "ravdess": ravdess},
)
class PairEmotion(Method):
    """An encoder and a projection for each kind of data; a contrast for each ordered pair of kinds; no fusion.

    Args:
        encoders: Each of one kind; or, by name, the paper's for CMU-MOSEI (sound, landmarks, frames, word vectors) or
            RAVDESS (the first two), or small ones.
        projector_dim: Hidden width of projections.
        projection_dim: Width in which kinds are compared.
        temperature: Of the contrast.
        contrast: ``pairs``, the paper's; ``concatenated`` contrasts two windows of all kinds put together (its
            ablation).
        loss: ``paper``, or ``release``: see :func:`medmae.objectives.pairwise.pair_contrast`.
        supervised: Samples belong together by ``"target"``, classes ``(B,)`` or intensities ``(B, K)`` (its ablation).

    Raises:
        ValueError: If there are fewer than two kinds, or options exclude each other.
    """

    needs = frozenset({"negatives"})

    def __init__(
        self,
        *,
        encoders: Sequence[Encoder] | Encoders = "mosei",
        projector_dim: int = 1024,
        projection_dim: int = 512,
        temperature: float = 0.07,
        contrast: Contrast = "pairs",
        loss: Loss = "paper",
        supervised: bool = False,
    ) -> None:
        super().__init__()
        check_choice(contrast, get_args(Contrast), name="contrast")
        check_choice(loss, get_args(Loss), name="loss")
        if contrast == "concatenated" and (supervised or loss == "release"):
            raise ValueError("contrast='concatenated' has neither labels nor a released form")
        if isinstance(encoders, str):
            check_choice(encoders, get_args(Encoders), name="encoders")
            encoders = encoders_of(encoders)
        self.encoder: SideBySide = SideBySide(encoders=encoders)  # type: ignore[assignment]
        if len(self.encoder.parts) < 2:
            raise ValueError(f"a contrast between kinds needs two of them, got {sorted(self.encoder.parts)}")
        self.projections = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(part.dim, projector_dim), nn.ReLU(), nn.Linear(projector_dim, projection_dim)
                )
                for name, part in self.encoder.of.items()
            }
        )
        self.temperature, self.contrast, self.loss, self.supervised = temperature, contrast, loss, supervised
        if supervised:
            self.needs = frozenset({"negatives", "target"})

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on a tensor for each kind, ``(B, C, *size)``, and one for another window of it, ``second_<kind>``.

        Second windows are those of all kinds or of none. ``"available"`` ``(B, K)`` bool tells which kinds a sample
        lacks, and a kind that all lack may be left out: only pairs that contain it are. ``"group"`` ``(B,)`` int64
        tells which samples are no negatives of each other, such as utterances of one video. See :meth:`Method.forward`.

        Raises:
            ValueError: If there is one sample, no sample with two kinds, or a second window of some kinds only.
        """
        if masks:
            raise ValueError("it hides nothing and takes no mask")
        if count_samples(batch) < 2:
            raise ValueError("a contrast needs more than one sample in a batch")
        points, there = self.project(batch), self.encoder.available(batch)
        terms = self._concatenated(points, there) if self.contrast == "concatenated" else self._pairs(points, batch)
        return StepOutput.of(terms=terms, prediction=points)

    def project(self, batch: Batch) -> dict[str, Tensor]:
        """Points by kind in which samples are compared, ``(B, V, D)`` of V windows, not yet normalised."""
        names = [name for name in self.encoder.parts if name in batch]
        for name in (one for one in batch if one.removeprefix(SECOND) in names):
            check_floating(batch[name])  # side by side, bytes would become numbers without a word
        second = [name for name in names if SECOND + name in batch]
        if second and second != names:
            raise ValueError(f"there are second windows of {second}, but not of {sorted({*names} - {*second})}")
        if not second:
            found = self.encoder.each(batch)
            return {name: self.projections[name](found[name]).unsqueeze(1) for name in names}
        both: dict[str, Tensor] = {name: torch.cat([batch[name], batch[SECOND + name]]) for name in names}
        both["available"] = self.encoder.available(batch).repeat(2, 1)
        found = self.encoder.each(both)
        return {name: torch.stack(self.projections[name](found[name]).chunk(2), dim=1) for name in names}

    def points(self, batch: Batch) -> dict[str, Tensor]:
        """Points by kind in which samples are compared, ``(B, D)``, of one window."""
        own = {name: value for name, value in batch.items() if not name.startswith(SECOND)}
        return {name: rows[:, 0] for name, rows in self.project(own).items()}

    def _pairs(self, points: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        has = dict(zip(self.encoder.parts, self.encoder.available(batch).unbind(dim=1), strict=True))
        positives = samples_alike(entry(batch, "target")) if self.supervised else None
        found = {
            f"{one}_{other}": pair_contrast(
                points[one],
                points[other],
                temperature=self.temperature,
                positives=positives,
                groups=batch.get("group"),
                there=has[one] & has[other],
                release=self.loss == "release",
            )
            for one, other in permutations(points, 2)
        }
        terms = {name: loss for name, (loss, count) in found.items() if count > 0}
        if not terms:
            raise ValueError(
                "no sample of the batch has two kinds of data, and there is no pair to be told from others"
            )
        return {name: loss / len(terms) for name, loss in terms.items()}

    def _concatenated(self, points: Mapping[str, Tensor], there: Tensor) -> dict[str, Tensor]:
        if not there.all() or next(iter(points.values())).shape[1] != 2:
            raise ValueError("contrast='concatenated' needs all kinds of each sample, in two windows")
        one, other = torch.cat(list(points.values()), dim=2).unbind(dim=1)  # (B, K D) each
        return {"contrast": info_nce(one, other, temperature=self.temperature, symmetric=True)}

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`; both windows are one, as where a clip is no longer than a window."""
        parts = self.encoder.parts.items()
        batch = {name: torch.rand(batch_size, *_example_shape(part), generator=generator) for name, part in parts}
        batch |= {SECOND + name: data.clone() for name, data in batch.items()}
        if self.supervised:
            batch["target"] = torch.randint(2, (batch_size,), generator=generator)
        return batch


def _example_shape(part: nn.Module) -> tuple[int, ...]:
    if isinstance(part, MaskedViT):
        return part.patches.channels, *part.patches.size
    shape: tuple[int, ...] = part.example  # type: ignore[assignment]
    return shape
