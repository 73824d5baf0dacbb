"""Where a network looks for each action unit of one face, and pictures of that.

Of a student whose units ask by learned queries, the shares of its cross-attention: what is read of the latents of each
visible patch, into which others were mixed on the way. Of any other network the gradient of a unit times what is seen,
summed over a patch: how much each patch moves that unit, to first order. Neither says that a patch is the reason, or
what would be said without it, nor that a network looks where a person would.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.evaluate.faces.readers import OWN, UnitMethod, mask_of, patches_of, readers_of
from medmae.methods.occlusion_au import OcclusionAU
from medmae.nn.au_network import tokens_of

How = Literal["attention", "gradient"]
_INK = (0.85, 0.25, 0.0)
_STEPS = 5  # of a map, so that it can be read, and shows no more of a face than it has to
_HATCH = 8  # pixels between lines


def looked_at(method: UnitMethod, face: Tensor, hidden: Tensor | None) -> tuple[Tensor, How]:
    """Shares of patches for each unit, ``(K, N)``, 0 where they are hidden, and how they were found.

    Args:
        method: Reads units; as for evaluation.
        face: One, ``(C, H, W)``.
        hidden: Its hidden patches, bool ``(N,)``; None: nothing is.

    Returns:
        Shares of each unit that add up to 1, or zeros where nothing moves it.
    """
    device = next(method.parameters()).device
    face, hidden = face[None].to(device), None if hidden is None else hidden[None].to(device)
    if isinstance(method, OcclusionAU) and method.head.asking is not None:
        return _asked(method, face, hidden).cpu(), "attention"
    return _moved(method, face, hidden).cpu(), "gradient"


@torch.no_grad()
def _asked(method: OcclusionAU, face: Tensor, hidden: Tensor | None) -> Tensor:
    assert method.head.asking is not None
    mask = mask_of(hidden)
    visible = None if mask is None else mask.visible
    shares = method.head.asking.shares(method.mapper(tokens_of(method.encoder, face, visible)))[0]  # (K, V)
    if visible is None:
        return shares
    return shares.new_zeros(len(shares), method.encoder.patches.num_tokens).index_copy(1, visible[0], shares)


@torch.enable_grad()
def _moved(method: UnitMethod, face: Tensor, hidden: Tensor | None) -> Tensor:
    encoder, patches = method.encoder if isinstance(method, OcclusionAU) else method.network.encoder, patches_of(method)
    nothing = encoder.scaling.invert(face.new_zeros(1, patches.channels, 1, 1))  # what is 0 to the network
    face = face.detach().requires_grad_()
    units = readers_of(method)[OWN](face, hidden).units[0]
    rows = []
    for unit in units:
        (slope,) = torch.autograd.grad(unit, face, retain_graph=True)
        rows.append(patches.patchify(slope * (face.detach() - nothing)).sum(dim=2).abs())  # (1, N)
    moved = torch.cat(rows)
    return moved / moved.sum(dim=1, keepdim=True).clamp(min=torch.finfo(moved.dtype).tiny)


def looked(picture: Tensor, shares: Tensor, hidden: Tensor | None, *, grid: tuple[int, ...]) -> Tensor:
    """A picture ``(3, h, w)`` under the map of one unit ``(N,)``; hidden patches, bool ``(N,)``, are hatched."""
    size = picture.shape[1:]
    strength = (shares / shares.max().clamp(min=torch.finfo(shares.dtype).tiny) * _STEPS).round() / _STEPS
    cover = 0.75 * _spread(strength, grid, size)
    found = picture * (1 - cover) + picture.new_tensor(_INK)[:, None, None] * cover
    return found if hidden is None else hatched(found, hidden, grid=grid)


def hatched(picture: Tensor, hidden: Tensor, *, grid: tuple[int, ...]) -> Tensor:
    """A picture ``(3, h, w)`` with oblique lines over hidden patches, bool ``(N,)``."""
    size = picture.shape[1:]
    rows, columns = torch.arange(size[0])[:, None], torch.arange(size[1])[None]
    lines = torch.where((rows + columns) % _HATCH < 2, 0.4, 0.8).expand(3, -1, -1)
    return torch.where(_spread(hidden.float(), grid, size) > 0.5, lines, picture)


def _spread(values: Tensor, grid: tuple[int, ...], size: torch.Size) -> Tensor:
    """Of each patch ``(N,)`` its value, at the size of a picture, ``(1, h, w)``."""
    return F.interpolate(values.reshape(1, 1, *grid), size=tuple(size), mode="nearest")[0]
