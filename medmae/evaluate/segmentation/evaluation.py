"""Segmentation by encoders: each in MONAI's UNETR, fine-tuned on folds of patients, scored by Dice a patient."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNETR
from rich.progress import track
from sklearn.model_selection import GroupKFold
from torch import Tensor, nn

from medmae.errors import DataError
from medmae.evaluate.segmentation.segmentation_tables import DiceRow, write_segmentation
from medmae.nn.seeding import drawn_by
from medmae.nn.vit import MaskedViT
from medmae.training.by_epoch import epoch_batches, take_step
from medmae.training.optim import parameter_groups
from medmae.training.schedule import WarmupCosine
from medmae.weights.export.anatomy import Anatomy
from medmae.weights.export.unetr import load_unetr

SCRATCH = "from scratch"
Load = Callable[[Sequence[int]], tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class SegmentationTuning:
    """How a UNETR is trained.

    Args:
        epochs: Passes over the training images.
        warmup_epochs: Of these.
        batch_size: Images a step.
        lr: Peak rate of AdamW.
        weight_decay: Not of one-dimensional parameters.
        feature_size: Width of UNETR's decoder at full resolution.
        device: Where to compute.
    """

    epochs: int = 50
    warmup_epochs: float = 5.0
    batch_size: int = 8
    lr: float = 3e-4
    weight_decay: float = 0.05
    feature_size: int = 16
    device: torch.device | str = "cpu"


def unetr_of(encoder: MaskedViT, *, num_classes: int, feature_size: int = 16) -> UNETR:
    """MONAI's ``UNETR`` with the encoder's weights and a decoder that has learnt nothing.

    The class token is left out of attention, and LayerNorms get the encoder's epsilon.

    Args:
        encoder: 12 blocks deep, with patches of 16, of pictures or volumes: other encoders MONAI's network cannot hold.
        num_classes: Background included.
        feature_size: Width of the decoder at full resolution.

    Raises:
        ValueError: If they do not fit.
    """
    sizes = Anatomy.of(encoder)
    network = UNETR(
        in_channels=sizes.channels,
        out_channels=num_classes,
        img_size=sizes.size,
        feature_size=feature_size,
        hidden_size=sizes.dim,
        mlp_dim=sizes.hidden,
        num_heads=sizes.heads,
        proj_type="conv",
        qkv_bias=sizes.qkv_bias,
        spatial_dims=len(sizes.size),
    )
    load_unetr(network, encoder, drop_class_token=True, norm_eps="copy")
    return network


def evaluate_segmentation(
    encoders: Mapping[str, MaskedViT],
    *,
    load: Load,
    subjects: Sequence[str],
    classes: Sequence[str],
    out: str | Path,
    folds: int = 5,
    seeds: Sequence[int] = (0,),
    tuning: SegmentationTuning | None = None,
) -> list[DiceRow]:
    """Every encoder, and one from scratch, on the same folds of patients, with the same decoder and order of samples.

    Writes ``segmentation/dice.csv`` (a row an encoder, seed, patient and class), ``segmentation/summary.csv`` (means
    with 95 % intervals over patients) and ``segmentation/paired.csv`` (differences on the same patients, with a test).
    The last epoch counts: nothing is chosen by the patients that are tested.

    Args:
        encoders: By name; see :func:`unetr_of`.
        load: Images by number: ``(B, C, *size)`` in [0, 1], and label maps ``(B, *size)``, 0 is background.
        subjects: Patient of each image.
        classes: Names of the labels from 1 on.
        out: Evaluation folder of a run.
        folds: How many.
        seeds: One a repetition: of folds, decoder and order, and of the weights of the one from scratch.
        tuning: How they are trained.

    Raises:
        ValueError: If there is no encoder, or one is named like the baseline.
        DataError: If there are fewer patients than folds.
    """
    if not encoders or SCRATCH in encoders:
        raise ValueError(f"give encoders under other names than {SCRATCH!r}, got {list(encoders)}")
    if len(set(subjects)) < folds:
        raise DataError(
            f"{len(set(subjects))} patients do not make {folds} folds",
            field="folds",
            value=folds,
            remedy="ask for fewer folds, or label more patients",
        )
    first = next(iter(encoders.values()))
    jobs = [
        (seed, fold, name, *parts)
        for seed in seeds
        for fold, parts in enumerate(_folds(subjects, folds, seed))
        for name in (*encoders, SCRATCH)
    ]
    rows: list[DiceRow] = []
    for seed, fold, name, train, test in track(jobs, description="Segmenting", transient=True):
        encoder = first.fresh(seed=seed) if name == SCRATCH else encoders[name]
        network = fine_tuned(
            encoder, load, train, num_classes=len(classes) + 1, seed=seed, tuning=tuning or SegmentationTuning()
        )
        found = dice_by_subject(network, load, test, subjects=subjects, classes=classes)
        rows += [DiceRow(name, seed, fold, *key, *score) for key, score in found.items()]
    write_segmentation(rows, out=Path(out))
    return rows


def fine_tuned(
    encoder: MaskedViT, load: Load, train: np.ndarray, *, num_classes: int, seed: int, tuning: SegmentationTuning
) -> nn.Module:
    """A UNETR behind the encoder's scale, trained on some images; arguments as of :func:`evaluate_segmentation`."""
    device = torch.device(tuning.device)
    # The decoder draws from torch's own generators, which are given back as they were.
    with drawn_by(seed):
        unetr = unetr_of(encoder, num_classes=num_classes, feature_size=tuning.feature_size)
    network = nn.Sequential(copy.deepcopy(encoder.scaling), unetr).to(device)  # whose file holds no scale
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(parameter_groups(network, weight_decay=tuning.weight_decay), lr=0.0)
    schedule = WarmupCosine(warmup_epochs=tuning.warmup_epochs)
    loss_of = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False)
    network.train()
    for epoch in range(tuning.epochs):
        batches = epoch_batches(
            train,
            epoch=epoch,
            epochs=tuning.epochs,
            batch_size=tuning.batch_size,
            optimizer=optimizer,
            schedule=schedule,
            peak=tuning.lr,
            generator=generator,
        )
        for batch in batches:
            images, labels = (part.to(device) for part in load(batch.tolist()))
            take_step(optimizer, loss_of(network(images), labels.unsqueeze(1)))
    return network.eval()


@torch.no_grad()
def dice_by_subject(
    network: nn.Module, load: Load, test: np.ndarray, *, subjects: Sequence[str], classes: Sequence[str]
) -> dict[tuple[str, str], tuple[float, bool]]:
    """Dice of each patient and class over all of the patient's images together, and whether the class is there.

    NaN where the class is neither there nor found; 0 where it is only one of both.
    """
    device = next(network.parameters()).device
    counts: dict[tuple[str, str], np.ndarray] = {}  # overlap, size of what is found, size of what is there
    for number in test.tolist():
        images, labels = load([number])
        called = network(images.to(device)).argmax(dim=1).cpu()
        for value, name in enumerate(classes, start=1):
            found, there = called == value, labels == value
            sizes = np.array([int(some.sum()) for some in (found & there, found, there)])
            key = (subjects[number], name)
            counts[key] = counts.get(key, np.zeros(3, dtype=np.int64)) + sizes
    return {
        key: (float(2 * overlap / (found + there)) if found + there else float("nan"), bool(there))
        for key, (overlap, found, there) in counts.items()
    }


def _folds(subjects: Sequence[str], folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of what is learnt from and what is tested, patients apart."""
    splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(subjects)), groups=np.asarray(subjects)))
