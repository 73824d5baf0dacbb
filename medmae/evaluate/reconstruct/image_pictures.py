"""What to look at when an encoder of images has been pre-trained: where it looks, and what lies beside what."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medmae.data.samples import Samples
from medmae.evaluate.features.embedding_map import Layout, write_embedding_map
from medmae.evaluate.features.extractor import FeatureExtractor, frozen
from medmae.evaluate.features.features import features
from medmae.evaluate.reconstruct.attention import write_attention
from medmae.nn.vit import MaskedViT

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

    Images that cannot be read are warned of and left out: pictures are no reason to lose a training.

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
    lost: dict[int, str] = {}
    with frozen(encoder):
        extract = FeatureExtractor(encoder=encoder, device=device)
        cache = Path(out).parent / "embeddings" / "pictures" / f"{dataset.split or 'all'}.h5"
        found = features(extract, dataset, cache=cache, left_out=lost)
    labels = np.delete(dataset.labels, list(lost))
    if len(found) >= _FEWEST:
        write_embedding_map(found, labels=labels, classes=dataset.classes, out=out, layout=layout, item="image")
