"""What a pre-trained encoder of tiles is worth when labels are few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medmae.data.augment.stain import StainAugment
from medmae.data.samples import Samples
from medmae.data.slides.tiles import Tiles
from medmae.data.splits import SPLITS
from medmae.evaluate.classify.phenotyping import evaluate_phenotyping, map_phenotypes
from medmae.evaluate.features.embedding_map import Layout
from medmae.evaluate.features.extractor import TileEncoder
from medmae.evaluate.leakage import require_unseen
from medmae.nn.encoder import Pool
from medmae.recipes.evaluation import Evaluation
from medmae.weights.pretrained import load_encoder

PRETRAINED, SCRATCH = "pre-trained", "from scratch"


class FewLabels(Evaluation):
    """Few labels on an encoder of RGB tiles: frozen, fine-tuned and from scratch, beside colour alone; maps of slides.

    Args:
        slides: Prepared slides to be mapped, or None.
        classes: See :class:`Samples`.
        own_test: True tests on the test split, and learns from the train split alone.
        budget: See :func:`evaluate_phenotyping`, as for ``folds``, ``seeds``, ``validate``, ``layout``.
        folds: How many.
        seeds: One a repetition.
        validate: Whether a part of the labels chooses the epoch.
        fine_tune: False leaves out what trains the whole encoder.
        epochs: Of fine-tuning.
        layout: Of the map of embeddings.
        pool: See :class:`medmae.nn.encoder.Encoder`.
        evaluation: Arguments of :class:`Evaluation`; ``data`` are labelled tiles.
    """

    def __init__(
        self,
        *,
        slides: str | Path | None = None,
        classes: Sequence[str] | None = None,
        own_test: bool = False,
        budget: int | None = 100,
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
        self.fine_tune, self.epochs, self.pool = fine_tune, epochs, pool
        drawn: dict[str, Any] = {"budget": budget, "folds": folds, "seeds": seeds, "validate": validate}
        self.options = {**drawn, "layout": layout}
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
        size = encoder.patches.size[0]
        train, test = ("train", "test") if self.own_test else (None, None)
        tiles = self._tiles(train, size)
        frozen = TileEncoder(encoder=encoder, pool=self.pool, name=PRETRAINED, device=self.device)
        evaluate_phenotyping(
            tiles=tiles,
            test=self._tiles(test, size) if self.own_test else None,
            encoders={PRETRAINED: frozen},
            tuned={PRETRAINED: encoder, SCRATCH: encoder.fresh(seed=0)} if self.fine_tune else None,
            tuning={
                "augment": StainAugment(size=size, modalities=["image"]),
                "pool": self.pool,
                "epochs": self.epochs,
                "device": self.device,
            },
            out=out,
            **self.options,
        )
        if self.slides is not None:
            unlabelled = Samples(source=self.slides, split=None, view=Tiles(size=size))
            map_phenotypes(tiles=self._tiles(None, size), slides=unlabelled, encoder=frozen, out=out)

    def _tiles(self, split: str | None, size: int) -> Samples:
        assert isinstance(self.data, str | Path)
        return Samples(source=self.data, split=split, view=Tiles(size=size), classes=self.classes)
