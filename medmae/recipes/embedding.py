"""Samples in, embeddings of a pre-trained encoder out: files that every later evaluation reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from medmae.data.samples import Samples
from medmae.evaluate.features.embedding_cases import cases_of
from medmae.evaluate.features.embedding_files import Precision
from medmae.evaluate.features.embeddings import Embedder
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.methods.base import Method
from medmae.nn.encoder import Encoder, Pool
from medmae.recipes.maker import tell_maker
from medmae.recipes.shape_size import check_size
from medmae.recipes.training import Training
from medmae.weights.pretrained import load_encoder


class Embedding:
    """Writes ``<output_dir>/embeddings``: a file a slide, or one of all images.

    Args:
        method: Its encoder is filled and used.
        dataset: Tiles of slides, images, or clips.
        output_dir: Where to write.
        model_dir: Folder of ``pretraining.safetensors``.
        part: What of the method makes features, of one that reads several kinds; None takes its encoder.
        pool: See :class:`~medmae.nn.encoder.Encoder`.
        kinds: Which of several kinds of data an encoder of them is given; see :class:`FeatureExtractor`. Samples that
            lack one of them are left out, and told.
        name: What the files call the encoder.
        precision: Of features and tokens.
        patch_tokens: Also write the token of every patch.
        batch_size: Samples at once.
        num_workers: Processes that read.
        device: Where to compute.
    """

    weights = Training.weights

    def __init__(
        self,
        *,
        method: Method,
        dataset: Samples,
        output_dir: str | Path,
        model_dir: str | Path,
        part: Encoder | None = None,
        pool: Pool = "mean",
        kinds: Sequence[str] | None = None,
        name: str = "encoder",
        precision: Precision = "float16",
        patch_tokens: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.method, self.dataset, self.part = method, dataset, part
        self.out, self.model_dir = Path(output_dir) / "embeddings", Path(model_dir)
        self.pool, self.name, self.precision, self.patch_tokens = pool, name, precision, patch_tokens
        self.kinds = kinds
        self.batch_size, self.num_workers, self.device = batch_size, num_workers, device

    def initialize(self) -> None:
        """Loads the encoder.

        Raises:
            DataError: If the weights do not fit, or shapes are of another size than they expect.
        """
        load_encoder(self.method, self.model_dir / self.weights)
        check_size(self.method, self.dataset.source)

    def run(self) -> None:
        """Embeds everything; the files, and ``made_by.json`` beside them, say which weights made them, and how good.

        Raises:
            SomeFailedError: If something could not be read.
        """
        made = tell_maker(self.model_dir / self.weights, out=self.out)
        extract = FeatureExtractor(
            encoder=self.method.encoder if self.part is None else self.part,
            pool=self.pool,
            kinds=self.kinds,
            name=self.name,
            device=self.device,
        )
        embedder = Embedder(
            extract=extract,
            precision=self.precision,
            patch_tokens=self.patch_tokens,
            batch_size=self.batch_size,
            workers=self.num_workers,
            made_by={f"weights_{name}": value or "unknown" for name, value in made.items()},
        )
        embedder.write_all(cases_of(self.dataset), self.out)
