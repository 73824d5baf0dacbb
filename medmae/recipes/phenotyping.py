"""What a pre-trained encoder of tiles is worth when labels are few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medmae.data.augment.stain import StainAugment
from medmae.data.samples import Samples
from medmae.data.slides.tiles import Tiles
from medmae.data.splits import SPLITS
from medmae.evaluate.classify.mixing import Mixing
from medmae.evaluate.classify.protocol import Protocol, evaluate_encoders
from medmae.evaluate.features.embedding_map import Layout
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.evaluate.leakage import require_unseen
from medmae.evaluate.slides.class_maps import map_by_tiles
from medmae.nn.encoder import Pool
from medmae.recipes.evaluation import Evaluation
from medmae.weights.pretrained import load_encoder

PRETRAINED = "pre-trained"
# MMAE's fine-tuning, where it differs from that of the protocol.
TUNING: Mapping[str, Any] = {
    "min_lr": 6e-5,
    "layer_decay": 0.65,
    "drop_path": None,
    "learn_positions": False,
    "mixing": Mixing(),
}


class FewLabels(Evaluation):
    """Few labels on an encoder of RGB tiles: frozen, fine-tuned and from scratch, beside colour alone; maps of slides.

    Args:
        slides: Prepared slides to be mapped, or None.
        classes: See :class:`Samples`.
        own_test: True tests on the test split, and learns from the train split alone.
        labels: See :class:`Protocol`, as for ``folds``, ``seeds``, ``validate``, ``layout``.
        folds: How many.
        seeds: One a repetition.
        validate: Whether a part of the labels chooses the epoch.
        fine_tune: False leaves out what trains the whole encoder.
        epochs: Of fine-tuning.
        layout: Of the map of embeddings.
        pool: See :class:`medmae.nn.encoder.Encoder`.
        evaluation: Arguments of :class:`Evaluation`; ``data`` are labelled tiles.
    """

    wants = "classes"

    def __init__(
        self,
        *,
        slides: str | Path | None = None,
        classes: Sequence[str] | None = None,
        own_test: bool = False,
        labels: Sequence[int | None] = (10,),
        folds: int = 5,
        seeds: Sequence[int] = (0,),
        validate: bool = True,
        fine_tune: bool = True,
        epochs: int = 100,
        layout: Layout = "pca",
        pool: Pool = "class_token",
        **evaluation: Any,
    ) -> None:
        super().__init__(**evaluation)
        self.slides, self.classes, self.own_test = slides, classes, own_test
        self.pool = pool
        drawn: dict[str, Any] = {"labels": labels, "folds": folds, "seeds": seeds, "validate": validate}
        tuning = {**TUNING, "epochs": epochs}
        self.protocol = Protocol(**drawn, layout=layout, fine_tune=fine_tune, tuning=tuning)
        told = {"classes": classes, "own_test": own_test, "epochs": epochs, "pool": pool}
        self.record = {**told, **drawn, **self.record}

    def require_unseen(self) -> None:
        """Every split is tested on, in folds, unless the test split is."""
        for split in ("test",) if self.own_test else SPLITS:
            require_unseen(model_dir=self.model_dir, manifest=self.data, split=split, allow=self.transductive)

    def load(self, path: Path) -> None:
        """The encoder."""
        load_encoder(self.method, path)

    def evaluate(self, out: Path) -> None:
        """Figures of every classifier, then the map of slides."""
        encoder = self.method.encoder
        size, name = encoder.patches.size[0], encoder.kind.name
        view = Tiles(size=size, name=name)
        train, test = ("train", "test") if self.own_test else (None, None)
        tiles = self._tiles(train, view)
        extract = FeatureExtractor(encoder=encoder, pool=self.pool, name=PRETRAINED, device=self.device)
        tuning = {**(self.protocol.tuning or {}), "augment": StainAugment(size=size, modalities=[name])}
        evaluate_encoders(
            {PRETRAINED: extract},
            train=tiles,
            test=self._tiles(test, view) if self.own_test else None,
            out=out,
            protocol=replace(self.protocol, tuning=tuning),
        )
        if self.slides is not None:
            unlabelled = Samples(source=self.slides, split=None, view=view)
            map_by_tiles(tiles=self._tiles(None, view), slides=unlabelled, extract=extract, out=out)

    def _tiles(self, split: str | None, view: Tiles) -> Samples:
        assert isinstance(self.data, str | Path)
        return Samples(source=self.data, split=split, view=view, classes=self.classes)
