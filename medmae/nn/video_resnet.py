"""R(2+1)D-18 of torchvision as an encoder of clips.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018, arXiv 1711.11248.
"""

from __future__ import annotations

from torch import Tensor, nn

from medmae.kinds import Kind, Scale, ScaleLike
from medmae.nn.whole import WholeEncoder

# Of Kinetics-400, as torchvision's weights expect it.
KINETICS = Scale((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))


class VideoResNet(WholeEncoder):
    """``(B, 3, T, H, W)`` -> ``(B, D)``.

    Weights of Kinetics-400 are a file that one has: their names are those below ``model.``, but for ``fc``.

    Args:
        dim: D.
        dropout: Share of pooled channels that is dropped in training, before the last layer.
        feature_dropout: Share of the feature that is dropped in training.
        kind: What it takes.
        scale: See :class:`WholeEncoder`.
    """

    def __init__(
        self,
        *,
        dim: int = 512,
        dropout: float = 0.1,
        feature_dropout: float = 0.1,
        kind: Kind = Kind.clip(),  # noqa: B008 - frozen
        scale: ScaleLike | None = KINETICS,
    ) -> None:
        from torchvision.models.video import r2plus1d_18

        super().__init__(kind=kind, dim=dim, example=(3, 8, 112, 112), scale=scale)
        self.model = r2plus1d_18(weights=None)
        self.model.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.model.fc.in_features, dim))
        self.dropout = nn.Dropout(feature_dropout)

    def forward(self, data: Tensor) -> Tensor:
        """``(B, 3, T, H, W)``, scaled -> ``(B, D)``."""
        return self.dropout(self.model(data))

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`."""
        stages = (self.model.layer1, self.model.layer2, self.model.layer3, self.model.layer4)
        return [list(part.parameters()) for part in (self.model.stem, *stages, self.model.fc)]
