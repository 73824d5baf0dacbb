"""What contrastive methods put between an encoder and their loss: one feature of an image, and its projection."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from medmae.masking.base import Mask
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import PatchHead


class FeatureDecoder(nn.Module):
    """One feature of an image of which a part was seen: a decoder imagines the rest, then all patches are averaged.

    Args:
        decoder: Sees every patch.
        head: From its tokens to features.
    """

    def __init__(self, *, decoder: MaskedDecoder, head: PatchHead) -> None:
        super().__init__()
        self.decoder = decoder
        self.head = head

    def forward(self, latent: Tensor, mask: Mask) -> Tensor:
        """Latent ``(B, prefix + V, D)`` -> mean feature of all N patches ``(B, P)``; class tokens do not count."""
        tokens = self.decoder(latent, mask, masked_only=False)  # (B, N, D')
        return self.head.pred(self.head.norm(tokens).mean(dim=1))  # the mean of predictions, for the price of one


class Projector(nn.Module):
    """Linear, batch norm, ReLU, Linear without bias: ``(B, D)`` -> ``(B, D')`` (CMAE's projector and predictor).

    Linear layers keep torch's own initialisation. A batch's statistics are those of one process, unless the Trainer is
    told ``sync_batchnorm: true``, which the published runs have.

    Args:
        dim: D.
        hidden_dim: Width between.
        out_dim: D'.
        norm_eps: Epsilon of the batch norm.
    """

    def __init__(self, *, dim: int, hidden_dim: int, out_dim: int, norm_eps: float = 1e-6) -> None:
        super().__init__()
        self.hidden = nn.Linear(dim, hidden_dim)
        self.norm = SampleNorm(hidden_dim, eps=norm_eps)
        self.output = nn.Linear(hidden_dim, out_dim, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, D)`` -> ``(B, D')``."""
        return self.output(self.norm(self.hidden(features)).relu())


class SampleNorm(nn.BatchNorm1d):
    """Batch norm of features ``(B, D)``; one sample, which has no deviation, is normalised by the running statistics.

    They are left as they are then.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that torch gave it
        """``(B, D)`` -> the same shape."""
        # Written out, for TorchScript knows no method of the class above.
        by_batch = self.training and len(input) > 1
        if by_batch and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        share = 0.1 if self.momentum is None else self.momentum
        statistics = (self.running_mean, self.running_var)
        return F.batch_norm(input, *statistics, self.weight, self.bias, by_batch, share, self.eps)
