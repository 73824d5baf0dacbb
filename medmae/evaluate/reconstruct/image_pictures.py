"""What to look at when an encoder of images has been pre-trained: where it looks, and what lies beside what."""

from __future__ import annotations

import logging
from pathlib import Path

from medmae.data.samples import Samples
from medmae.errors import SomeFailedError
from medmae.evaluate.features.embedding_map import Layout, write_embedding_map
from medmae.evaluate.features.extractor import TileEncoder
from medmae.evaluate.features.image_embeddings import embedded
from medmae.evaluate.reconstruct.attention import write_attention
from medmae.nn.vit import MaskedViT

log = logging.getLogger(__name__)
_FEWEST = 3  # images of a map


def write_image_pictures(
    *,
    encoder: MaskedViT,
    dataset: Samples,
    out: str | Path,
    layout: Layout = "pca",
    count: int = 8,
    device: str = "cpu",
) -> None:
    """Writes attention maps and an embedding map, which the report shows; nothing of an empty data set.

    An image that cannot be read is logged, and there is no embedding map: pictures are no reason to lose a training.

    Args:
        encoder: Left in the mode in which it was.
        dataset: Images, float32, of the size and channels that the encoder takes; classes give the map its colours.
        out: Evaluation folder of a run; embeddings go to ``embeddings/pictures`` beside it.
        layout: Of the map.
        count: Images whose attention is shown.
        device: Where to compute.
    """
    write_attention(encoder=encoder, dataset=dataset, out=out, count=count, device=device)
    if len(dataset) < _FEWEST:
        return
    training = encoder.training
    made = TileEncoder(encoder=encoder, name="encoder", device=device)
    try:
        features = embedded(made, [dataset], folder=Path(out).parent / "embeddings" / "pictures")
    except SomeFailedError as error:
        log.error("no embedding map: %s", error)
        return
    finally:
        encoder.train(training)
    write_embedding_map(features, labels=dataset.labels, classes=dataset.classes, out=out, layout=layout, item="image")
