"""The one protocol by which encoders of any data are evaluated on any task, beside what needs no pre-training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from medmae.data.names import file_name_of
from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.classify.attentive_probe import AttentiveProbe
from medmae.evaluate.classify.comparison import Folds, compare_estimators
from medmae.evaluate.classify.estimators import Constant, Estimator, OnFeatures, PerSeed
from medmae.evaluate.classify.fine_tune import FineTune
from medmae.evaluate.classify.labelled import Labelled, kind_of, labelled, task_of
from medmae.evaluate.classify.lars_probe import LarsProbe
from medmae.evaluate.classify.mixing import Mixing
from medmae.evaluate.classify.plain_features import JOINTS, RAW, describe_kinds, plain_features, plain_of_kinds
from medmae.evaluate.classify.protocol_tables import print_scores, write_protocol
from medmae.evaluate.classify.task import Task, Trainable
from medmae.evaluate.features.embedding_map import Layout, write_embedding_map
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.evaluate.features.features import features, tokens
from medmae.evaluate.left_out import write_left_out
from medmae.kinds import Kind
from medmae.nn.classifiers import CloudEncoder
from medmae.nn.vit import MaskedViT

SCRATCH, UNTRAINED, CONSTANT = "from scratch", "untrained", "same answer to all"
NEIGHBOURS, LARS, ATTENTIVE, TUNED = "nearest neighbours", "linear probe", "attentive probe", "fine-tuned"
EMBEDDINGS = "embeddings"  # folder of a run, one below it an encoder
# MAE's fine-tuning (arXiv 2111.06377, appendix A) of a base model, for data sets a thousandth of ImageNet's.
FINE_TUNING: Mapping[str, Any] = {
    "epochs": 100,
    "warmup_epochs": 5.0,
    "min_lr": 1e-6,
    "layer_decay": 0.75,
    "drop_path": 0.1,
    "learn_positions": True,
    "mixing": Mixing(mixup=0.8, cutmix=1.0, smoothing=0.1),
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is done with every encoder.

    Attributes:
        labels: Evaluations, by labels of each class (or in all, where there are no classes); None takes all labels.
        folds: Of a cross-validation; with a test set of its own, 1 learns from everything else.
        seeds: One a repetition: of folds and of the draw of few labels, of all that is trained, and of random weights.
        validate: Whether a part of the labels chooses the epoch of fine-tuning; else the last one counts.
        neighbours: How many vote; fewer where there are fewer labels.
        fine_tune: False leaves fine-tuning out, which takes nearly all the time.
        attentive: True adds an attentive probe, whose tokens must fit into memory.
        tuning: Options of :class:`~medmae.evaluate.classify.fine_tune.FineTune` that differ from :data:`FINE_TUNING`.
        layout: Of the map of the first encoder's embeddings.
        batch_size: Samples at once.
        workers: Processes that read samples.
        resamples: Of the bootstrap.
    """

    labels: Sequence[int | None] = (None, 10)
    folds: int = 1
    seeds: Sequence[int] = (0, 1, 2)
    validate: bool = True
    neighbours: int = 5
    fine_tune: bool = True
    attentive: bool = False
    tuning: Mapping[str, Any] | None = None
    layout: Layout = "pca"
    batch_size: int = 64
    workers: int = 0
    resamples: int = 1000

    def drawn(self, each: int | None) -> Folds:
        """Folds with so many labels a stratum."""
        return Folds(each=each, count=self.folds, seeds=self.seeds, validate=self.validate)


def evaluate_encoders(
    encoders: Mapping[str, FeatureExtractor],
    *,
    train: Samples,
    test: Samples | None = None,
    task: Task | None = None,
    out: str | Path,
    protocol: Protocol | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Every encoder by the same classifiers (or regressors), over the same draws, samples and steps.

    On frozen features: nearest neighbours, a linear model of scikit-learn, MAE's linear probe
    (:class:`~medmae.evaluate.classify.lars_probe.LarsProbe`) and, if asked for, an attentive probe; and the whole
    encoder fine-tuned. Beside them the same answer to all, what can be said without a network (raw pixels, and what
    else suits the kind of data), an untrained encoder of the first one's size on all frozen classifiers, and that size
    trained from scratch. Nothing is chosen by samples that are tested.

    Samples that cannot be read are left out for all alike, and listed in ``left_out.json``. Of a sample of several
    views, features and predictions are averaged.

    Args:
        encoders: By name, and how their features are taken; of one size or of several.
        train: Labelled samples, of the size and channels that the encoders take.
        test: Others of the same labels, and of other patients; None tests on folds of ``train``.
        task: What is asked; None asks what the labels are for.
        out: Evaluation folder of a run: receives ``protocol.json`` and ``protocol/``. Features go to
            ``embeddings/<encoder>`` beside it, and are used again.
        protocol: What is done.
        console: Prints the tables; None prints to the standard output.

    Returns:
        What ``protocol.json`` holds: ``tasks`` by name, each as
        :func:`~medmae.evaluate.classify.comparison.compare_estimators` records it, and ``paired``, the differences of
        encoders.

    Raises:
        ValueError: If there is no encoder, or one is named like a baseline.
        DataError: If a sample has no label, sets differ in classes or share patients, labels do not suffice, or no
            sample can be read.
    """
    how, task = protocol or Protocol(), task or task_of(train)
    data, kind = labelled(train, test), kind_of(train)
    reserved = {SCRATCH, UNTRAINED, CONSTANT, *plain_features(kind)}
    if not encoders or reserved & encoders.keys():
        raise ValueError(f"give encoders under other names than {sorted(reserved)}, got {list(encoders)}")
    evaluations = {task.budget(each): how.drawn(each) for each in how.labels}
    for folds in evaluations.values():  # what cannot be drawn is refused before hours of the first evaluation
        folds.draw(data, task)
    described, data = read_all(data, kind, out=out, batch_size=how.batch_size)
    bench = _Bench(encoders, data, task, how, described, Path(out).parent / EMBEDDINGS)
    bench.draw_map(out)
    found = {}
    for name, folds in evaluations.items():
        ours, baselines = bench.estimators(folds.each), bench.baselines(folds.each)
        found[name] = compare_estimators(
            ours, baselines=baselines, data=data, task=task, folds=folds, resamples=how.resamples
        )
        print_scores(name, found[name], task, console or Console())
    return write_protocol(found, data=data, task=task, out=Path(out))


class _Bench:
    """Builds what is compared."""

    def __init__(
        self,
        encoders: Mapping[str, FeatureExtractor],
        data: Labelled,
        task: Task,
        how: Protocol,
        plain: Mapping[str, np.ndarray],
        cache: Path,
    ) -> None:
        self.encoders, self.data, self.task, self.how, self.plain = encoders, data, task, how, plain
        self.taught = task if isinstance(task, Trainable) else None
        first = next(iter(encoders.values()))
        self.fresh = {
            seed: replace(first, encoder=first.encoder.fresh(seed=seed), name=f"{UNTRAINED} {seed}")
            for seed in how.seeds
        }
        everyone = [*(replace(each, name=name) for name, each in encoders.items()), *self.fresh.values()]
        self.features = {each.name: self._features(each, cache / file_name_of(each.name)) for each in everyone}
        self.tokens = {
            each.name: [sample for some in data.sets for sample in tokens(each, some)]
            for each in everyone
            if how.attentive and self.taught
        }

    def estimators(self, labels: int | None) -> dict[str, Estimator]:
        """Those of the encoders, with so many labels a stratum."""
        found = {
            f"{name}, {kind}": each
            for name in self.encoders
            for kind, each in self._frozen(name, self._voters(labels)).items()
        }
        if self.how.fine_tune and self.taught:
            found |= {f"{name}, {TUNED}": self._tuned(each) for name, each in self.encoders.items()}
        return found

    def baselines(self, labels: int | None) -> dict[str, Estimator]:
        """What they must beat; random weights are others in each repetition."""
        voters = self._voters(labels)
        of = {seed: self._frozen(each.name, voters) for seed, each in self.fresh.items()}
        found: dict[str, Estimator] = {
            f"{UNTRAINED}, {kind}": PerSeed(of={seed: some[kind] for seed, some in of.items()})
            for kind in next(iter(of.values()))
        }
        if self.how.fine_tune and self.taught:
            scratch = {seed: self._tuned(each) for seed, each in self.fresh.items()}
            found[f"{SCRATCH}, {TUNED}"] = PerSeed(of=scratch)
        return found | plain_estimators(self.plain, self.task, neighbours=voters)

    def draw_map(self, out: str | Path) -> None:
        """Of the first encoder's features, if samples have classes."""
        name, classes = next(iter(self.encoders)), self.task.about().get("classes", ())
        labels = self.data.targets if self.data.targets.ndim == 1 else np.full(len(self.data), -1)
        write_embedding_map(
            self.features[name],
            labels=labels,
            classes=classes,
            out=out,
            layout=self.how.layout,
            encoder=name,
            item=self.data.item,
        )

    def _frozen(self, name: str, neighbours: int) -> dict[str, Estimator]:
        """What learns from an encoder's features."""
        own = self.features[name]
        models = self.task.models(neighbours=neighbours)
        found: dict[str, Estimator] = {kind: OnFeatures(features=own, model=model) for kind, model in models.items()}
        if self.taught and self.taught.by_lars:
            found[LARS] = LarsProbe(features=own)
        if name in self.tokens:
            found[ATTENTIVE] = AttentiveProbe(
                tokens=self.tokens[name], device=next(iter(self.encoders.values())).device
            )
        return found

    def _tuned(self, extract: FeatureExtractor) -> Estimator:
        """The whole encoder, trained."""
        own = {"pool": extract.pool, "device": extract.device}
        options: dict[str, Any] = {**FINE_TUNING, **own, **(self.how.tuning or {})}
        if not isinstance(extract.encoder, MaskedViT | CloudEncoder):
            raise ValueError(f"a {type(extract.encoder).__name__} is not fine-tuned here: fine_tune=False")
        if any("point" in kind.roles for kind in extract.encoder.kinds.values()):
            options["mixing"] = None  # points of two clouds are no pairs
        return FineTune(encoder=extract.encoder, samples=self.data.samples, **options)

    def _features(self, extract: FeatureExtractor, folder: Path) -> np.ndarray:
        parts = [
            features(extract, some, cache=folder / name, batch_size=self.how.batch_size, workers=self.how.workers)
            for name, some in zip(("train.h5", "test.h5"), self.data.sets, strict=False)
        ]
        return np.concatenate(parts)

    def _voters(self, labels: int | None) -> int:
        strata = int(self.task.strata(self.data.targets).max()) + 1
        return self.how.neighbours if labels is None else min(self.how.neighbours, labels * strata)


def read_all(
    data: Labelled, kind: Kind | Sequence[Kind], *, out: str | Path, batch_size: int = 64
) -> tuple[dict[str, np.ndarray], Labelled]:
    """What can be said of all samples without a network, by name; and those of them that can be read.

    The others are written to ``left_out.json``; of several kinds, those, too, that lack one of them. What is said of
    several kinds is said of each, and of all together.

    Raises:
        DataError: If none can be read.
    """
    lost: dict[int, str] = {}
    kinds = [kind] if isinstance(kind, Kind) else list(kind)
    by = {each.name: plain_features(each) for each in kinds}
    lacking: dict[int, str] = {}
    described = describe_kinds(data.sets, by=by, batch_size=batch_size, left_out=lost, lacking=lacking)
    write_left_out(out, lost, of=len(data), lacking=lacking)
    if not described:
        reason = next(iter((lost | lacking).values()))
        raise DataError(f"none of {len(data)} {data.item}s can be read: {reason}", remedy="prepare them again")
    kept = data.without(sorted(lost | lacking))
    return plain_of_kinds(described), replace(kept, lacking=len(lacking))


def plain_estimators(
    plain: Mapping[str, np.ndarray], task: Task, *, neighbours: int | None = None
) -> dict[str, Estimator]:
    """Baselines without a network: the same answer to all, and models on what :func:`read_all` said.

    Args:
        plain: Features by name.
        task: What is asked.
        neighbours: How many vote by raw data; None takes no vote.
    """
    found: dict[str, Estimator] = {
        f"{name}, {kind}": OnFeatures(features=own, model=model)
        for name, own in plain.items()
        for kind, model in task.models(neighbours=neighbours or 1).items()
        if kind != NEIGHBOURS or (name in (RAW, JOINTS) and neighbours)
    }
    return {f"{CONSTANT}, constant": Constant(), **found}
