"""How good an encoder is on labelled data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from medmae.api.embedding import chosen_device, require_encoder
from medmae.api.encoders import load_encoder
from medmae.api.samples import samples_of
from medmae.data.samples import Samples
from medmae.evaluate.classify.protocol import Protocol, evaluate_encoders
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.evaluate.leakage import require_unseen
from medmae.nn.encoder import Encoder, Pool


def evaluate(
    encoder: Encoder | str | Path,
    data: Samples | str | Path,
    *,
    out: str | Path,
    test: Samples | str | Path | None = None,
    few: int | None = 10,
    seeds: Sequence[int] = (0, 1, 2),
    fine_tune: bool = False,
    epochs: int = 100,
    pool: Pool = "mean",
    device: torch.device | str | None = None,
) -> dict[str, Any]:
    """Classifiers on an encoder beside what needs no pre-training, with intervals over patients.

    Frozen features are classified by neighbours and linear probes, on all labels and on few; beside them stand raw
    pixels, an untrained encoder, and the same answer to all. See :func:`medmae.evaluate.classify.protocol`.

    Args:
        encoder: A weight file of ours, or an encoder. Of a file it is checked that its training has seen none of the
            patients that are tested; of an encoder in memory nobody can tell.
        data: Labelled, to learn from: of a path the split ``train``.
        out: Receives ``evaluation/`` with tables and a map, and ``embeddings/``.
        test: Others of the same labels and of other patients; None takes the split ``test`` of the path ``data``.
        few: Labels a class of the second task; None leaves it out.
        seeds: One a repetition.
        fine_tune: Also train the whole encoder, which takes nearly all the time.
        epochs: Of fine-tuning.
        pool: See :meth:`medmae.nn.encoder.Encoder.features`.
        device: None takes the GPU, if there is one.

    Returns:
        What ``evaluation/protocol.json`` holds: under ``tasks`` the scores of every encoder and baseline.

    Raises:
        ValueError: If the encoder is none, or ``test`` is missing.
        DataError: If samples have no label, patients are in both sets or were seen in pre-training, or nothing is read.
    """
    if test is None and isinstance(data, Samples):
        raise ValueError("test is missing: samples to learn from need others to be tested on, test=Samples(...)")
    if not seeds:
        raise ValueError("seeds must name one repetition or more, such as (0, 1, 2), got none")
    where = chosen_device(device)
    network = load_encoder(encoder) if isinstance(encoder, str | Path) else encoder
    require_encoder(network)
    learn = samples_of(data, network, split="train")
    held_out = samples_of(data if test is None else test, network, split="test")
    if isinstance(encoder, str | Path):
        require_unseen(model_dir=Path(encoder).parent, manifest=held_out.source, split=held_out.split)
    protocol = Protocol(
        labels=[None] if few is None else [None, few], seeds=seeds, fine_tune=fine_tune, tuning={"epochs": epochs}
    )
    extract = FeatureExtractor(encoder=network, pool=pool, device=where)
    return evaluate_encoders(
        {"pretrained": extract}, train=learn, test=held_out, out=Path(out) / "evaluation", protocol=protocol
    )
