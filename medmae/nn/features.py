"""Features of whole data by a masked ViT, and the tokens that they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from medmae.nn.encoder import Data, Pool, check_block, data_of

if TYPE_CHECKING:
    from medmae.nn.vit import MaskedViT


def features_and_tokens(
    encoder: MaskedViT, batch: Data, *, pool: Pool = "mean", block: int | None = None
) -> tuple[Tensor, Tensor]:
    """What :meth:`medmae.nn.encoder.Encoder.features` gives, ``(B, D)``, and the patch tokens ``(B, N, D)``.

    After a block before the last, and of an encoder without a norm of its own (MMAE, whose classifier has it),
    features get a plain layer norm after pooling, as that classifier begins with.

    Raises:
        ValueError: See :meth:`medmae.nn.encoder.Encoder.features`.
    """
    encoder.check_pool(pool)
    check_block(block, depth=len(encoder.blocks))
    data = data_of(batch, encoder)
    if block is None:
        tokens = encoder(data)  # (B, prefix + N, D)
    else:
        tokens = encoder.forward_intermediates(encoder.patchify(data), num_blocks=block)[-1]
    features = encoder.pool(tokens, pool)
    if block is not None or isinstance(encoder.norm, nn.Identity):
        features = nn.functional.layer_norm(features, features.shape[1:], eps=encoder.norm_eps)
    return features, encoder.patch_tokens(tokens)
