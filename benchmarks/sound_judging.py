"""What networks of ``sound_methods.py`` are judged by, a row a held-out sample: frozen, fine-tuned, and without any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sound_sets import Part, Sounds
from torch import Tensor
from torch.nn import functional as F
from video_training import Training

from medmae.evaluate.classify.plain_features import spectrum
from medmae.methods.classification import Classification
from medmae.methods.mavil import MAViL
from medmae.methods.stream_classification import StreamClassification
from medmae.nn.bottleneck import BottleneckClassifier, BottleneckEncoder
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.heads import Classifier
from medmae.nn.vit import MaskedViT

Judged = dict[str, Any]
GIVEN: dict[str, tuple[str, ...]] = {"sound": ("audio",), "pictures": ("image",), "both": ("audio", "image")}
FEW = 5
STEPS, BATCH, RATE = 150, 32, 1e-3
Describe = Callable[[Mapping[str, Tensor]], Tensor]


def probed(encoder: FusedEncoder | MaskedViT, sounds: Sounds) -> Iterator[Judged]:
    """Logistic regression on frozen features, of all labels and of a few, by what is given."""
    for given, names in GIVEN.items():
        if {*names} <= {*encoder.kinds}:
            yield from _regressed(lambda data, names=names: described(encoder, data, names), sounds, given)


@torch.no_grad()
def described(encoder: FusedEncoder | MaskedViT, data: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    """Means of the tokens of each kind, side by side, behind all blocks: ``(B, kinds * D)``."""
    if isinstance(encoder, MaskedViT):
        return encoder.features(data["audio"])
    tokens = encoder({name: data[name] for name in names})
    return torch.cat([F.layer_norm(encoder.vits[name].pool(tokens[name], "mean"), (encoder.dim,)) for name in names], 1)


def plain(sounds: Sounds) -> Iterator[Judged]:
    """What needs no network: means and deviations of bands, and pictures as they are."""
    if sounds.domain == "grid":
        yield from _plain_moments(sounds)
        return
    describe: dict[str, Describe] = {
        "audio": lambda data: spectrum(data["audio"], axis=2),
        "image": lambda data: data["image"].flatten(1),
    }
    for given, names in GIVEN.items():
        if {*names} <= {*sounds.train.data}:
            yield from _regressed(
                lambda data, names=names: torch.cat([describe[n](data) for n in names], 1), sounds, given
            )


def fine_tuned(encoder: FusedEncoder | MaskedViT, sounds: Sounds, *, number: int) -> Iterator[Judged]:
    """Trained on labels, all and a few, by both kinds at once; one network, judged by each and by both."""
    for labels, members in _shares(sounds):
        torch.manual_seed(number)
        method = _classification(deepcopy(encoder), sounds.classes)
        draw = partial(sounds.draw, batch_size=BATCH, members=members)
        with TemporaryDirectory() as folder:
            Training(method, draw, number=number, path=Path(folder) / "state", peak=RATE).run(steps=STEPS)
        method.eval()
        for given, names in GIVEN.items():
            if {*names} <= {*encoder.kinds}:
                yield from _answers(partial(_logits, method, names), sounds, given, labels)


def _classification(encoder: FusedEncoder | MaskedViT, classes: int) -> Classification | StreamClassification:
    if isinstance(encoder, MaskedViT):
        return Classification(network=Classifier(encoder=encoder, num_classes=classes))
    bottleneck = BottleneckEncoder.of(encoder, fusion_layer=encoder.own_depth)
    return StreamClassification(network=BottleneckClassifier(encoder=bottleneck, num_classes=classes))


def _logits(method: Classification | StreamClassification, names: Sequence[str], data: Mapping[str, Tensor]) -> Tensor:
    if isinstance(method, Classification):
        return method.network(data["audio"])
    return method.network({name: data[name] for name in names})


@torch.no_grad()
def pictures_found(method: MAViL, sounds: Sounds) -> Iterator[Judged]:
    """Whether the nearest held-out picture of a spoken digit, and the other way, is of the same digit."""
    part = sounds.test
    if method.inter_weight:
        points = contrasted(method, part.data)
        near = points["audio"] @ points["image"].T
    else:  # nothing has brought them together: a ridge from one to the other does, learnt on the pairs learnt from
        sides = [
            [described(method.encoder, one.data, [name]) for name in ("audio", "image")] for one in (sounds.train, part)
        ]
        near = _mapped(*sides)
    for way, scores in (("sound to picture", near), ("picture to sound", near.T)):
        yield from _rows(part, part.labels[scores.argmax(dim=1)] == part.labels, way, "none")


@torch.no_grad()
def moments_found(method: MAViL, sounds: Sounds) -> Iterator[Judged]:
    """Which moment of its clip a sound belongs to, and the other way; by likeness, and by a ridge learnt on pairs."""
    if method.inter_weight:
        yield from _moments(sounds, lambda data: _likeness(contrasted(method, data)), "likeness")
    yield from _ridged(
        sounds, {name: (lambda data, name=name: described(method.encoder, data, [name])) for name in GIVEN["both"]}
    )


def contrasted(method: MAViL, data: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Points in which kinds are compared, of unit length."""
    apart = method.encoder.apart(method.encoder.given(data))
    return {name: F.normalize(method._point(name, rows).squeeze(1), dim=1) for name, rows in apart.items()}


def _plain_moments(sounds: Sounds) -> Iterator[Judged]:
    def moved(data: Mapping[str, Tensor]) -> Tensor:
        return data["image"].diff(dim=2).abs().mean(dim=(1, 3, 4))  # (B, 7)

    def loud(data: Mapping[str, Tensor]) -> Tensor:
        return data["audio"].mean(dim=(1, 3)).unflatten(1, (8, -1)).mean(dim=2)[:, 1:]  # (B, 7)

    def alike(data: Mapping[str, Tensor]) -> Tensor:
        a, b = (F.normalize(rows - rows.mean(dim=1, keepdim=True), dim=1) for rows in (loud(data), moved(data)))
        return a @ b.T

    yield from _moments(sounds, alike, "movement and loudness")
    yield from _ridged(
        sounds,
        {
            "audio": lambda data: data["audio"].flatten(1),
            "image": lambda data: F.avg_pool3d(data["image"], (1, 4, 4)).flatten(1),
        },
    )


def _ridged(sounds: Sounds, describe: Mapping[str, Describe]) -> Iterator[Judged]:
    learnt = [data for each in sounds.moments(sounds.train) for data in [each]]
    sides = [torch.cat([describe[name](data) for data in learnt]) for name in GIVEN["both"]]
    yield from _moments(sounds, lambda data: _mapped(sides, [describe[name](data) for name in GIVEN["both"]]), "ridge")


def _moments(sounds: Sounds, near: Callable[[Mapping[str, Tensor]], Tensor], by: str) -> Iterator[Judged]:
    each = len(sounds.moments(sounds.test)) // len(sounds.test.names)
    for number, data in enumerate(sounds.moments(sounds.test)):
        scores, own = near(data), torch.arange(len(data["audio"]))
        case = sounds.test.names[number // each]
        part = Part({}, own, [f"{case}-{number}-{n}" for n in own.tolist()], [case] * len(own))
        for way, rows in (("sound to mouth", scores), ("mouth to sound", scores.T)):
            yield from _rows(part, rows.argmax(dim=1) == own, way, by)


def _likeness(points: Mapping[str, Tensor]) -> Tensor:
    return points["audio"] @ points["image"].T


def _mapped(learnt: Sequence[Tensor], asked: Sequence[Tensor]) -> Tensor:
    """Likeness ``(N, N)`` of each picture with what a ridge makes of each sound."""
    scales = [StandardScaler().fit(rows.numpy()) for rows in learnt]
    known = [scale.transform(rows.numpy()) for scale, rows in zip(scales, learnt, strict=True)]
    new = [scale.transform(rows.numpy()) for scale, rows in zip(scales, asked, strict=True)]
    made = torch.from_numpy(np.asarray(Ridge(alpha=100.0).fit(known[0], known[1]).predict(new[0]))).float()
    return F.normalize(made, dim=1) @ F.normalize(torch.from_numpy(new[1]).float(), dim=1).T


def _regressed(describe: Describe, sounds: Sounds, given: str) -> Iterator[Judged]:
    learnt, held = (
        torch.stack([describe(view) for view in sounds.views(part)]).mean(dim=0) for part in (sounds.train, sounds.test)
    )
    for labels, members in _shares(sounds):
        rows = learnt if members is None else learnt[members]
        known = sounds.train.labels if members is None else sounds.train.labels[members]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)).fit(
            rows.numpy(), known.numpy()
        )
        yield from _rows(
            sounds.test, torch.from_numpy(model.predict(held.numpy())) == sounds.test.labels, given, labels
        )


@torch.no_grad()
def _answers(network: Describe, sounds: Sounds, given: str, labels: str) -> Iterator[Judged]:
    logits = torch.stack([network(view) for view in sounds.views(sounds.test)]).mean(dim=0)
    yield from _rows(sounds.test, logits.argmax(dim=1) == sounds.test.labels, given, labels)


def _shares(sounds: Sounds) -> list[tuple[str, Tensor | None]]:
    return [("all", None), (f"{FEW} a class", sounds.few(FEW))]


def _rows(part: Part, right: Tensor, given: str, labels: str) -> Iterator[Judged]:
    for name, subject, each in zip(part.names, part.subjects, right.tolist(), strict=True):
        yield {"given": given, "labels": labels, "sample": name, "subject": subject, "right": int(each)}
