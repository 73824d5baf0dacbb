"""Who reads units of occluded faces, and how each is shown what is hidden."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from medmae.masking.base import Mask
from medmae.methods.action_units import ActionUnits
from medmae.methods.occlusion_au import OcclusionAU
from medmae.nn.au_graph import UnitGraph
from medmae.nn.au_network import UnitNetwork
from medmae.nn.vit import MaskedViT
from medmae.tokens.patches import Patches

OWN = "this network"
TEACHER = "its teacher, hidden patches painted over"
LEFT_OUT = "this network, hidden patches left out"
UnitMethod = ActionUnits | OcclusionAU
Reader = Callable[[Tensor, Tensor | None], UnitGraph]  # faces, and what is hidden (B, N) or None
_GRID = 14  # of networks without patches of their own


def patches_of(method: UnitMethod) -> Patches:
    """The grid on which faces are hidden."""
    encoder = method.network.encoder if isinstance(method, ActionUnits) else method.encoder
    if isinstance(encoder, MaskedViT):
        return encoder.patches
    size = int(encoder.example[1])
    return Patches.of(size=size, patch=size // _GRID, channels=3)


def readers_of(method: UnitMethod) -> Mapping[str, Reader]:
    """Everyone whom a method brings: itself, and its teacher beside it."""
    patches = patches_of(method)
    if isinstance(method, OcclusionAU):
        found: dict[str, Reader] = {OWN: lambda face, hidden: method.read(face, mask_of(hidden))}
        if method.teacher is not None:
            network = method.teacher.network
            assert isinstance(network, UnitNetwork)
            found[TEACHER] = painted(network, patches)
        return found
    found = {OWN: painted(method.network, patches)}
    if isinstance(method.network.encoder, MaskedViT):
        found[LEFT_OUT] = left_out(method.network)
    return found


def painted(network: UnitNetwork, patches: Patches) -> Reader:
    """A network of whole faces: hidden patches get the colour that is 0 to it, ImageNet's mean."""

    def read(face: Tensor, hidden: Tensor | None) -> UnitGraph:
        if hidden is not None:
            mean = network.encoder.scaling.invert(face.new_zeros(1, patches.channels, 1, 1))
            face = torch.where(patches.paint(hidden), mean, face)
        graph: UnitGraph = network(face)
        return graph

    return read


def left_out(network: UnitNetwork) -> Reader:
    """A network of whole faces on a ViT, which is given the visible patches alone though it never learnt that."""

    def read(face: Tensor, hidden: Tensor | None) -> UnitGraph:
        mask = mask_of(hidden)
        graph: UnitGraph = network(face) if mask is None else network(face, mask.visible, mask.real)
        return graph

    return read


def mask_of(hidden: Tensor | None) -> Mask | None:
    """Of hidden patches, bool ``(B, N)``; None where nothing is hidden."""
    return None if hidden is None or not hidden.any() else Mask.from_bool(hidden)
