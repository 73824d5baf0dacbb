"""Action units of whole faces, learnt from labels: the teacher of OcclusionAU (stage one), and what it is compared to.

Not the card's system but what comes before it (ME-GraphAU, in its two stages), so it is in no list of methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from medmae.kinds import Kind
from medmae.masking.base import Masks
from medmae.methods.base import Batch, Method, StepOutput, entry
from medmae.nn.au_network import UnitNetwork, resnet50, swin_base, swin_tiny, vit_base, vit_small_faces
from medmae.nn.vit import MaskedViT
from medmae.objectives.action_units import unit_terms, weight_tensor

Names = Sequence[str]
BP4D: tuple[str, ...] = tuple(f"AU{number}" for number in (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24))
DISFA: tuple[str, ...] = tuple(f"AU{number}" for number in (1, 2, 4, 6, 9, 12, 25, 26))
UNITS, INTENSITIES = "units", "intensities"  # of what methods predict


def teacher_resnet50(*, names: Names = BP4D, intensities: bool = False, **options: Any) -> ActionUnits:
    """ResNet-50, with nodes and edges: 31,666,132 parameters of 12 units."""
    return ActionUnits(network=resnet50(units=len(names), intensities=intensities), names=names, **options)


def teacher_swin_tiny(*, names: Names = BP4D, intensities: bool = False, **options: Any) -> ActionUnits:
    """Swin-T, likewise: 31,819,534 parameters."""
    return ActionUnits(network=swin_tiny(units=len(names), intensities=intensities), names=names, **options)


def teacher_swin_base(*, names: Names = BP4D, intensities: bool = False, **options: Any) -> ActionUnits:
    """Swin-B, likewise: 94,377,036 parameters."""
    return ActionUnits(network=swin_base(units=len(names), intensities=intensities), names=names, **options)


def teacher_vit_base(*, names: Names = BP4D, intensities: bool = False, **options: Any) -> ActionUnits:
    """ViT-B/16, likewise, which may begin with the encoder of a masked autoencoder."""
    return ActionUnits(network=vit_base(units=len(names), intensities=intensities), names=names, **options)


def teacher_small_faces(
    *, names: Names = BP4D, intensities: bool = False, image_size: int = 64, unit_dim: int = 96, **options: Any
) -> ActionUnits:
    """A small ViT for 64 px (ours)."""
    sizes: dict[str, Any] = {"dim": unit_dim, "image_size": image_size}
    network = vit_small_faces(units=len(names), intensities=intensities, **sizes)
    return ActionUnits(network=network, names=names, **options)


class ActionUnits(Method):
    """Units of faces by the weighted asymmetric loss, and their relations.

    Args:
        network: Reads them.
        names: Of units, in the order of the network's.
        unit_weight: One for each unit, from labels of training (:func:`medmae.objectives.action_units.unit_weights`);
            None weights all alike.
        relation_weight: Of relations; 0.05 of ResNet-50 on BP4D, 0.01 of Swin-B on DISFA.
        intensity_weight: Of intensities, if the network has them and a batch has ``"intensity"``.

    Raises:
        ValueError: If there are not as many names, or weights, as units.
    """

    needs = frozenset({"target"})

    def __init__(
        self,
        *,
        network: UnitNetwork,
        names: Sequence[str],
        unit_weight: Sequence[float] | None = None,
        relation_weight: float = 0.05,
        intensity_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.network, self.names = network, check_names(names, units=len(network.head.units))
        self.relation_weight, self.intensity_weight = relation_weight, intensity_weight
        self.register_buffer("unit_weight", weight_tensor(unit_weight, units=len(self.names)), persistent=False)
        self.unit_weight: Tensor | None

    def weigh(self, weight: Sequence[float]) -> None:
        """Weights units, from labels of training."""
        self.unit_weight = weight_tensor(weight, units=len(self.names))

    @property
    def encoder(self) -> MaskedViT:  # type: ignore[override]
        """The network's, whatever it is."""
        return self.network.encoder  # type: ignore[return-value]

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :attr:`Method.kinds`."""
        return self.network.encoder.kinds

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on faces and ``target`` ``(B, N)``, NaN where a unit was not coded; see :meth:`Method.forward`.

        ``intensity`` ``(B, N)``, if given, is from 0 to 5.
        """
        if masks:
            raise ValueError("it hides nothing and takes no mask")
        (name,) = self.network.encoder.kinds
        graph = self.network(entry(batch, name))
        terms = unit_terms(
            graph,
            entry(batch, "target"),
            weight=self.unit_weight,
            relation_weight=self.relation_weight,
            intensity=batch.get("intensity"),
            intensity_weight=self.intensity_weight,
        )
        return StepOutput.of(terms=terms, prediction=said(graph.units, graph.intensities))

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`."""
        encoder = self.network.encoder
        size = encoder.patches.size if isinstance(encoder, MaskedViT) else encoder.example[1:]
        return example_faces(size, units=len(self.names), count=batch_size, generator=generator)


def check_names(names: Sequence[str], *, units: int) -> tuple[str, ...]:
    """Names of units, one each.

    Raises:
        ValueError: If there are more or fewer, or two are the same.
    """
    if len(names) != units or len(set(names)) != units:
        raise ValueError(f"{units} action units have a name each, got {list(names)}")
    return tuple(names)


def said(units: Tensor, intensities: Tensor | None) -> dict[str, Tensor]:
    """Predictions by name."""
    return {UNITS: units} if intensities is None else {UNITS: units, INTENSITIES: intensities}


def example_faces(size: Any, *, units: int, count: int, generator: Generator | None) -> dict[str, Tensor]:  # noqa: ANN401
    """Random faces, with labels."""
    return {
        "image": torch.rand(count, 3, *size, generator=generator),
        "target": torch.randint(2, (count, units), generator=generator).float(),
    }
