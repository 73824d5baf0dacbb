"""Embeddings, computed once and kept: files that every later evaluation reads."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import track

from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.batches import Batch, each_batch
from medmae.evaluate.features.embedding_cases import EmbeddingCase
from medmae.evaluate.features.embedding_files import Part, Precision, attributes_of, write_embeddings
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.nn.encoder import data_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Embedder:
    """Writes files of embeddings; one that is there, of the same encoder and samples, is kept.

    Args:
        extract: Makes the features.
        precision: Of features and tokens.
        patch_tokens: Also write the tokens of every patch: ``(N, P, D)``, a hundred times as much.
        batch_size: Samples at once.
        workers: Processes that read samples.
        made_by: What else a file says of the weights that made it: as it was when it was made.
    """

    extract: FeatureExtractor
    precision: Precision = "float16"
    patch_tokens: bool = False
    batch_size: int = 64
    workers: int = 0
    made_by: Mapping[str, str] = field(default_factory=dict)

    def write_all(self, cases: Sequence[EmbeddingCase], out: str | Path) -> list[Path]:
        """Writes ``<out>/<case>.h5`` for every case, and gives the files in the order of the cases.

        Raises:
            SomeFailedError: At the end, if a case or some of its samples could not be read; the others are finished.
        """
        files, failed = self.write_readable(cases, out)
        if failed:
            raise SomeFailedError(f"{len(failed)} of {len(cases)} cases are not whole: " + "; ".join(failed))
        return files

    def write_readable(self, cases: Sequence[EmbeddingCase], out: str | Path) -> tuple[list[Path], list[str]]:
        """The same for those who go on with the others: files of what could be read, why the rest could not."""
        files, failed = [], []
        for case in track(cases, description=f"Embedding by {self.extract.name}", transient=True):
            path = Path(out) / f"{case.name}.h5"
            try:
                lost = self.write(case, path)
                files.append(path)
                failed += [f"{case.name} without {len(lost)} samples: {reason}" for reason in list(lost.values())[:1]]
            except DataError as error:
                log.error("left out: %s", error)
                failed.append(str(error))
        return files, failed

    def write(self, case: EmbeddingCase, path: Path) -> dict[int, str]:
        """Writes the file of one case; gives why samples were left out of it, by their number.

        Raises:
            DataError: If none can be read, or a feature is not finite.
        """
        about: dict[str, str | int] = {
            "case": case.name,
            "subject": case.subject,
            "encoder": self.extract.name,
            "encoder_sha256": self.extract.sha256,
            "pool": self.extract.pool,
            "block": self.extract.block or 0,
            "source_sha256": case.source_sha256,
            "precision": self.precision,
            "patch_tokens": int(self.patch_tokens),
        }
        if len(self.extract.encoder.kinds) > 1:
            about["kinds"] = " ".join(self.extract.kinds or ["whatever a sample has"])
        if (about | {"left_out": 0}).items() <= attributes_of(path).items():
            return {}
        lost: dict[int, str] = {}
        write_embeddings(
            path,
            self._parts(case, lost),
            about={**about, **self.made_by},
            coords=case.coords,
            grid=case.grid,
            names=case.names,
            precision=self.precision,
        )
        return lost

    def _parts(self, case: EmbeddingCase, lost: dict[int, str]) -> Iterator[Part]:
        read = each_batch(case.samples, batch_size=self.batch_size, workers=self.workers, left_out=lost)
        for places, batch in self._whole(read, lost):
            if not self.patch_tokens:
                yield places, self.extract.of_batch(batch).cpu().numpy(), None
                continue
            features, tokens = self.extract.with_tokens(data_of(batch, self.extract.encoder))
            yield places, features.cpu().numpy(), tokens.cpu().numpy()

    def _whole(
        self, read: Iterable[tuple[list[int], Batch]], lost: dict[int, str]
    ) -> Iterator[tuple[list[int], Batch]]:
        """Without samples that lack a kind of data that the encoder is given."""
        for places, batch in read:
            has = self.extract.has(batch)
            if not bool(has.all()):
                why = f"it has no {' or '.join(self.extract.given)}"
                lost.update({place: why for place, there in zip(places, has.tolist(), strict=True) if not there})
                places = [place for place, there in zip(places, has.tolist(), strict=True) if there]
                batch = {name: value[has] for name, value in batch.items()}
            if places:
                yield places, batch
