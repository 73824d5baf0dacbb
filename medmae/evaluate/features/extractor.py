"""How features are taken of a frozen encoder: after which block, pooled how, computed where."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from medmae.evaluate.batches import over_views
from medmae.nn.encoder import Data, Encoder, Pool, check_block, data_of
from medmae.nn.vit import MaskedViT
from medmae.tokens.modalities import THERE
from medmae.weights.unseen import unseen_of


@dataclass(frozen=True, kw_only=True)
class FeatureExtractor:
    """``extract(images)``: features, without mask, gradient or randomness.

    Args:
        encoder: Put to evaluation mode and to ``device``.
        pool: See :meth:`medmae.nn.encoder.Encoder.features`.
        block: Likewise.
        name: What tables and files call it.
        device: Where to compute.
        kinds: Which of the kinds of data that it takes it is given, of every sample the same: ``["audio"]`` asks what
            an encoder of clips and sounds makes of sounds alone, and nothing of a clip is read; samples that lack one
            of them are refused, see :meth:`has`. None gives what each sample has.

    Raises:
        ValueError: If the class token is asked for and there is none, there are not so many blocks, or the encoder does
            not take one of the kinds.
    """

    encoder: Encoder
    pool: Pool = "mean"
    block: int | None = None
    name: str = "encoder"
    device: torch.device | str = "cpu"
    kinds: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.kinds or () if name not in self.encoder.kinds]:
            raise ValueError(f"kinds: the encoder takes {', '.join(self.encoder.kinds)}, and not {unknown[0]!r}")
        if isinstance(self.encoder, MaskedViT):  # others refuse with the first batch
            self.encoder.check_pool(self.pool)
            check_block(self.block, depth=len(self.encoder.blocks))
        self.network.to(self.device).eval()

    @property
    def network(self) -> nn.Module:
        """The encoder, as the module that it is."""
        assert isinstance(self.encoder, nn.Module)
        return self.encoder

    @cached_property
    def sha256(self) -> str:
        """Of the encoder's tensors, of its heads and epsilons, and of what it takes: the same wherever it came from."""
        digest = hashlib.sha256()
        for name, value in sorted(self.network.state_dict().items()):
            tensor = value.detach().cpu().contiguous()
            digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
            digest.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.ndim else tensor.numpy().tobytes())
        kinds = {name: kind.as_dict() for name, kind in self.encoder.kinds.items()}
        digest.update(json.dumps([kinds, unseen_of(self.network)], sort_keys=True).encode())
        return digest.hexdigest()

    @torch.no_grad()
    def __call__(self, data: Data) -> Tensor:
        """Features only: ``(B, C, *size)`` in its own units, or several kinds by name -> ``(B, D)`` float32."""
        there = data.to(self.device) if isinstance(data, Tensor) else {k: v.to(self.device) for k, v in data.items()}
        return self.encoder.features(there, pool=self.pool, block=self.block).float()

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the kinds of data that the encoder is given, in its own order."""
        return tuple(name for name in self.encoder.kinds if self.kinds is None or name in self.kinds)

    def has(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Which samples ``(B,)`` bool have all of :attr:`kinds`; of several views, in each. None asks for none.

        Raises:
            ValueError: If the batch has not all kinds that the encoder is given: such weights read other data.
        """
        names = self._given_in(batch)
        there = torch.ones(len(batch[names[0]]), dtype=torch.bool, device=batch[names[0]].device)
        for name in (name for name in self.kinds or () if name + THERE in batch):
            there = there & batch[name + THERE].reshape(len(there), -1).all(dim=1)
        return there

    def _given_in(self, batch: Mapping[str, Tensor]) -> tuple[str, ...]:
        names = self.given
        if missing := [name for name in names if name not in batch]:
            raise ValueError(
                f"the encoder takes {', '.join(map(repr, names))}, and samples have no {missing[0]!r} but "
                f"{', '.join(map(repr, batch))}: name the data so in the view, or take an encoder of what there is"
            )
        return names

    def of_batch(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Features ``(B, D)`` of samples of a data set; of several views of a sample their mean.

        Raises:
            ValueError: If the batch has not all kinds that the encoder is given, or a sample has not all :attr:`kinds`.
        """
        names = self._given_in(batch)
        if lacking := int((~self.has(batch)).sum()):
            raise ValueError(f"{lacking} of {len(batch[names[0]])} samples lack {' or '.join(names)}: leave them out")
        if len(self.encoder.kinds) == 1:
            return over_views(batch, self, name=names[0])
        said = [name for name in names if name + THERE in batch]
        if lacking := sum(int((~batch[name + THERE]).sum()) for name in said):
            warnings.warn(
                f"{lacking} samples lack {' or '.join(said)}: their features are of what else they have", stacklevel=2
            )
        return self({name: batch[name] for name in (*names, *(name + THERE for name in said))})

    def tokens_of_batch(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Patch tokens ``(B, P, D)`` of samples of a data set; of several views ``(B, V * P, D)``.

        Raises:
            ValueError: As :meth:`of_batch` and :meth:`with_tokens`.
        """
        data = data_of(batch, self.encoder)
        if "views" not in batch:
            return self.with_tokens(data)[1]
        tokens = self.with_tokens(data.flatten(0, 1))[1]  # (B * V, P, D)
        return tokens.unflatten(0, data.shape[:2]).flatten(1, 2)

    def in_batches(self, images: Tensor, *, batch_size: int = 128) -> np.ndarray:
        """Features ``(N, D)`` of images that lie in memory."""
        return torch.cat([self(part).cpu() for part in images.split(batch_size)]).numpy()

    @torch.no_grad()
    def with_tokens(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``(B, D)`` and patch tokens ``(B, N, D)``, rows of the grid one after the other.

        Raises:
            ValueError: If the encoder is no ViT of patches.
        """
        if not isinstance(self.encoder, MaskedViT):
            raise ValueError(f"{type(self.encoder).__name__} has no patch tokens: take features alone")
        found = self.encoder.features_and_tokens(images.to(self.device), pool=self.pool, block=self.block)
        return found[0].float(), found[1].float()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """In evaluation mode and without gradients for a while; then again in the mode in which it was."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)
