"""A hostile object, a small encoder, and a watch over a module's bits."""

from contextlib import contextmanager

import torch

from medmae.nn.vit import MaskedViT


class Hostile:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def encoder(*, seed=0, **options):
    torch.manual_seed(seed)
    sizes = {"image_size": 64, "patch_size": 8, "in_channels": 1, "embed_dim": 32, "depth": 2, "num_heads": 2}
    return MaskedViT(**{**sizes, **options})


@contextmanager
def unchanged(module):
    """Every tensor has the bits that it had, whatever happens within."""
    before = {key: value.clone() for key, value in module.state_dict().items()}
    yield module
    after = module.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key].view(torch.int32), before[key].view(torch.int32)) for key in before)
