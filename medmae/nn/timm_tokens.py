"""Backbones of timm, of one kind of pictures, that give their last grid of features as tokens: ResNet and Swin."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.kinds import Kind, ScaleLike
from medmae.nn.whole import WholeEncoder

Backbone = Literal["resnet50", "swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224"]
Wide = Literal["swin_base_patch4_window7_224"]
_NAMES = (*get_args(Backbone), *get_args(Wide))


class TimmTokens(WholeEncoder):
    """``(B, 3, H, W)`` -> a feature ``(B, D)``, the mean of its tokens; weights begin at random.

    Args:
        name: Of the network in timm.
        image_size: Extent of both axes, a multiple of 32; Swin takes no other afterwards.
        kind: What it takes.
        scale: What it expects of data; see :class:`medmae.nn.whole.WholeEncoder`.

    Raises:
        ValueError: If the network is none of these.
    """

    def __init__(
        self,
        *,
        name: Backbone | Wide = "resnet50",
        image_size: int = 224,
        kind: Kind = Kind.image(),  # noqa: B008 - frozen
        scale: ScaleLike | None = "imagenet",
    ) -> None:
        import timm

        check_choice(name, _NAMES, name="name")
        resized = {"img_size": image_size} if name.startswith("swin") else {}
        model: nn.Module = timm.create_model(name, num_classes=0, global_pool="", **resized)
        dim = int(model.num_features)  # type: ignore[arg-type]
        super().__init__(kind=kind, dim=dim, example=(3, image_size, image_size), scale=scale)
        self.name, self.model = name, model

    @property
    def head_dim(self) -> int:
        """C of a head on it, by the published rule: a quarter of a ResNet's channels, half of a Swin's."""
        return self.dim // (4 if self.name.startswith("resnet") else 2)

    def tokens(self, data: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in its own units -> the last grid, row by row: ``(B, H/32 * W/32, D)``."""
        self.kind.check(data)
        return self._grid(self.scaling(data))

    def forward(self, data: Tensor) -> Tensor:
        """Scaled data -> ``(B, D)``."""
        return self._grid(data).mean(dim=1)

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`; the first is what stands below the first stage."""
        stages = self._stages()
        known = {id(parameter) for stage in stages for parameter in stage.parameters()}
        behind = {id(parameter) for parameter in getattr(self.model, "norm", nn.Identity()).parameters()}
        first = [one for one in self.model.parameters() if id(one) not in known | behind]
        return [first, *(list(stage.parameters()) for stage in stages)]

    def _stages(self) -> list[nn.Module]:
        if self.name.startswith("resnet"):
            return [self.model.get_submodule(f"layer{number}") for number in range(1, 5)]
        return list(self.model.get_submodule("layers").children())

    def _grid(self, data: Tensor) -> Tensor:
        grid: Tensor = self.model(data)
        return grid.flatten(2).transpose(1, 2) if self.name.startswith("resnet") else grid.flatten(1, 2)
