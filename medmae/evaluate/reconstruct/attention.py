"""Where a class token looks: attention of an encoder's last block, as maps over the image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from medmae.data.evenly import evenly
from medmae.evaluate.batches import each_batch
from medmae.evaluate.features.extractor import frozen
from medmae.evaluate.reconstruct.panels import choose, write_panels
from medmae.evaluate.reconstruct.reconstruction import DescribedDataset
from medmae.nn.blocks import Block
from medmae.nn.vit import MaskedViT
from medmae.report.draw import draw, facts

FOLDER = "attention"  # below the evaluation folder
_HEADS = 4  # shown one by one


@torch.no_grad()
def class_attention(encoder: MaskedViT, images: Tensor) -> Tensor:
    """Attention of the class token to every patch in the last block, ``(B, heads, *grid)``.

    What goes to the class token itself is left out: the maps of a head add up to 1 minus that.

    Args:
        encoder: With a class token.
        images: ``(B, C, *size)``, on the encoder's device.

    Raises:
        ValueError: If there is no class token.
    """
    if encoder.cls_token is None:
        raise ValueError("this encoder has no class token whose attention could be shown")
    before = encoder.forward_intermediates(encoder.patchify(images), num_blocks=len(encoder.blocks) - 1)[-1]
    block = cast(Block, encoder.blocks[-1])
    packed = block.attn.qkv(block.norm1(before)).unflatten(2, (3, block.attn.num_heads, -1))  # (B, 1 + N, 3, H, d)
    query, key = packed[:, :, 0], packed[:, :, 1]  # (B, 1 + N, H, d)
    first = encoder.class_token_place == "first"
    own = query[:, 0 if first else -1]  # (B, H, d)
    weights = (torch.einsum("bhd,bnhd->bhn", own, key) * block.attn.head_dim**-0.5).softmax(dim=2)  # (B, H, 1 + N)
    patches = weights[:, :, int(first) :][:, :, : encoder.num_tokens]
    return patches.unflatten(2, tuple(encoder.patches.grid))


def write_attention(
    *, encoder: MaskedViT, dataset: DescribedDataset, out: str | Path, count: int = 8, device: str = "cpu"
) -> None:
    """Writes ``attention/panels.npz`` and ``panels.json``: images, the mean over heads, and some heads.

    Nothing is written of an encoder without a class token. An image that cannot be read is warned of and left out.

    Args:
        encoder: Left in the mode in which it was.
        dataset: Items with what the encoder takes, in [0, 1], under the name of its kind.
        out: Evaluation folder of a run.
        count: How many images, subjects and classes taking turns.
        device: Where to compute.
    """
    if encoder.cls_token is None or not len(dataset):
        return
    numbers = choose({index: dataset.describe(index) for index in range(len(dataset))}, count=count)
    rows = []
    ((name, kind),) = encoder.kinds.items()
    with frozen(encoder.to(device)):
        for read, batch in each_batch(dataset, numbers=numbers, device=device, batch_size=count):
            found = class_attention(encoder, batch[name]).cpu()  # (B, H, *grid)
            heads = evenly(found.shape[1], _HEADS).tolist()
            for number, image, maps in zip(read, batch[name].cpu(), found, strict=True):
                about = {**_about(dataset.describe(number)), **facts(kind, image)}
                rows.append((about, _pictures(encoder, image, maps, heads)))
    if rows:
        write_panels(Path(out) / FOLDER, rows)


def _about(about: Mapping[str, Any]) -> dict[str, Any]:
    known = {"contrast": about.get("label", "image"), **about}
    return {key: known[key] for key in ("case", "subject", "contrast", "slice") if key in known}


def _pictures(encoder: MaskedViT, image: Tensor, maps: Tensor, heads: list[int]) -> dict[str, np.ndarray]:
    """Each map from its least to its greatest value: heads differ too much for one window."""
    shown = {"mean over heads": maps.mean(dim=0)} | {f"head {head + 1}": maps[head] for head in heads}
    painted = {name: encoder.patches.paint(_spread(part).flatten()[None])[0] for name, part in shown.items()}
    (kind,) = encoder.kinds.values()
    return {name: draw(kind, part) for name, part in {"input": image, **painted}.items()}


def _spread(part: Tensor) -> Tensor:
    """From 0 to 1; 0 where all values are equal."""
    low, high = part.min(), part.max()
    return (part - low) / (high - low) if high > low else torch.zeros_like(part)
