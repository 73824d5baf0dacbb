"""What a tensor is: its axes, its channels, its unit, and what a network expects of it.

A :class:`Kind` travels with data from the reader to the report, so that drawing, error measures and baselines ask it
and guess nothing from the number of axes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from medmae.axes import Axis, Role
from medmae.errors import check_choice

__all__ = ["RGB", "SCALES", "Axis", "Kind", "Role", "Scale", "ScaleLike", "ScaleName"]

ScaleName = Literal["identity", "imagenet", "half", "audiomae", "cav_mae"]

RGB = ("red", "green", "blue")


@dataclass(frozen=True)
class Scale:
    """What a network expects of data in its own units: ``(data - mean) / std``, channel by channel.

    Attributes:
        mean: One number a channel, or one for all; equal ones of all channels become one.
        std: Likewise, positive.

    Raises:
        ValueError: If numbers are not finite, a deviation is not positive, or lengths disagree.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
        if not all(map(math.isfinite, self.mean + self.std)) or any(value <= 0 for value in self.std):
            raise ValueError(f"a scale needs finite numbers and positive deviations, got {self.mean} and {self.std}")
        lengths = {len(self.mean), len(self.std)}
        if 0 in lengths or len(lengths - {1}) > 1:
            raise ValueError(f"mean and std are of one channel count, or one number for all: {self.mean}, {self.std}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(set(values)) == 1:  # one spelling, so that scales that mean the same are equal
                object.__setattr__(self, name, values[:1])

    @classmethod
    def of(cls, value: ScaleLike, *, channels: int | None = None) -> Scale:
        """A scale, the name of a published one (see :data:`SCALES`), or what :meth:`as_dict` gave.

        Args:
            value: Any of these.
            channels: Of the data. Published figures of RGB, asked for by name, become their mean for one channel.

        Raises:
            ValueError: If the name is not known, or the scale does not suit the channels.
        """
        if isinstance(value, str):
            check_choice(value, tuple(SCALES), name="scale")
            scale = SCALES[value]
            if channels == 1:
                scale = scale.grey()
        elif isinstance(value, Scale):
            scale = value
        else:
            mean, std = (each if isinstance(each, Sequence) else (each,) for each in (value["mean"], value["std"]))
            scale = cls(tuple(mean), tuple(std))
        if channels is not None:
            scale.check(channels)
        return scale

    def grey(self) -> Scale:
        """Of one channel: the means of these numbers over their channels."""
        return Scale((sum(self.mean) / len(self.mean),), (sum(self.std) / len(self.std),))

    @property
    def identity(self) -> bool:
        """Whether it leaves everything as it is."""
        return self == Scale()

    def suits(self, channels: int) -> bool:
        """Whether it is for data of so many channels."""
        return {len(self.mean), len(self.std)} <= {1, channels}

    def check(self, channels: int) -> None:
        """Refuses data of another number of channels.

        Raises:
            ValueError: With both numbers.
        """
        if not self.suits(channels):
            wanted = max(len(self.mean), len(self.std))
            raise ValueError(f"a scale of {wanted} channels does not suit data of {channels}")

    def apply(self, data: Tensor) -> Tensor:
        """``(B, C, *size)`` in its own units -> what the network expects; any number of axes.

        Raises:
            ValueError: If ``data`` has another number of channels.
        """
        mean, std = self._shaped(data)
        return data if self.identity else (data - mean) / std

    def invert(self, data: Tensor) -> Tensor:
        """The inverse of :meth:`apply`: back to the data's own units, for the eye and for figures.

        Raises:
            ValueError: If ``data`` has another number of channels.
        """
        mean, std = self._shaped(data)
        return data if self.identity else data * std + mean

    def as_dict(self) -> dict[str, list[float]]:
        """For JSON."""
        return {"mean": list(self.mean), "std": list(self.std)}

    def _shaped(self, data: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation ``(C, 1, ...)`` where the data is."""
        self.check(data.shape[1])
        shape = (-1,) + (1,) * (data.ndim - 2)
        mean, std = (torch.tensor(values, dtype=torch.float32, device=data.device) for values in (self.mean, self.std))
        return mean.reshape(shape), std.reshape(shape)


ScaleLike = Scale | ScaleName | Mapping[str, Sequence[float] | float]

SCALES: Mapping[str, Scale] = {
    "identity": Scale(),
    # RGB in [0, 1] of ImageNet's training set; MAE, timm and torchvision (facebookresearch/mae, util/datasets.py).
    "imagenet": Scale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # [0, 1] to [-1, 1], any channels; ViT of A. Dosovitskiy et al., arXiv 2010.11929, and timm's "inception" figures.
    "half": Scale((0.5,), (0.5,)),
    # Kaldi's log-mel of AudioSet: AudioMAE and MAViL divide by two deviations, CAV-MAE by one of its own figures.
    "audiomae": Scale((-4.2677393,), (2 * 4.5689974,)),
    "cav_mae": Scale((-5.081,), (4.4849,)),
}


@dataclass(frozen=True)
class Kind:
    """What a tensor ``(B, C, *size)`` is.

    Attributes:
        name: By which batches and masks call it, for instance ``image``.
        axes: Of ``size``, in order.
        channels: What each channel is.
        peak: Largest value in its own units, for PSNR; None where there is none.
        unit: Of the values, for instance ``HU``; empty for shares in [0, 1].
        scale: What the network whose input this is expects; the identity of data that no network has asked for.
    """

    name: str
    axes: tuple[Axis, ...]
    channels: tuple[str, ...]
    peak: float | None = 1.0
    unit: str = ""
    scale: Scale = field(default_factory=Scale)

    def __post_init__(self) -> None:
        if not self.channels:
            raise ValueError(f"{self.name} needs at least one channel")
        if len(set(self.roles)) != len(self.axes):
            raise ValueError(f"{self.name} has two axes of one role: {', '.join(self.roles)}")
        self.scale.check(len(self.channels))

    @classmethod
    def of(
        cls,
        name: str,
        axes: Sequence[Role | Axis | Mapping[str, Any]],
        *,
        channels: int | Sequence[str] = 1,
        **options: Any,
    ) -> Kind:
        """Of axes, or their roles; ``channels`` as a number means RGB for 3, and numbers as names otherwise.

        ``Kind.of("sound", ["time", "frequency"])``, ``Kind.of("skeleton", ["time", "joint"], channels=["x", "y"])``.
        """
        return cls(name, tuple(map(Axis.of, axes)), _channels(channels), **options)

    @classmethod
    def image(cls, name: str = "image", *, channels: int | Sequence[str] = 3, **options: Any) -> Kind:
        """``(B, C, H, W)``, RGB if nothing is said."""
        return cls.of(name, ["row", "column"], channels=channels, **options)

    @classmethod
    def slice(cls, name: str = "image", *, channels: int | Sequence[str] = 1, **options: Any) -> Kind:
        """``(B, C, H, W)`` of a volume; three channels are neighbouring slices, not colours."""
        if isinstance(channels, int):
            channels = [f"slice {index}" for index in range(channels)]
        return cls.of(name, ["row", "column"], channels=channels, **options)

    @classmethod
    def volume(cls, name: str = "image", *, channels: int | Sequence[str] = 1, **options: Any) -> Kind:
        """``(B, C, D, H, W)``."""
        return cls.of(name, ["depth", "row", "column"], channels=channels, **options)

    @classmethod
    def clip(cls, name: str = "image", *, channels: int | Sequence[str] = 3, **options: Any) -> Kind:
        """``(B, C, T, H, W)``, RGB if nothing is said."""
        return cls.of(name, ["time", "row", "column"], channels=channels, **options)

    @classmethod
    def spectrogram(cls, name: str = "audio", *, channels: int | Sequence[str] = 1, **options: Any) -> Kind:
        """``(B, C, frames, bands)`` of a sound: where these lie, its unit and peak are said by what made it.

        See :meth:`medmae.tokens.spectrogram.LogMel.kind`; a network knows no more than this.
        """
        return cls.of(name, ["time", "frequency"], channels=channels, **{"peak": None, **options})

    @property
    def roles(self) -> tuple[Role, ...]:
        """Of the axes."""
        return tuple(axis.role for axis in self.axes)

    @property
    def colour(self) -> bool:
        """Whether its channels are red, green and blue, to be shown together."""
        return self.channels == RGB

    @property
    def smooth(self) -> bool:
        """Whether all axes are."""
        return all(axis.smooth for axis in self.axes)

    def axis(self, role: Role) -> int:
        """Place of an axis in ``(B, C, *size)``.

        Raises:
            ValueError: If there is none of this role.
        """
        if role not in self.roles:
            raise ValueError(f"{self.name} has no axis of {role}, but {', '.join(self.roles)}")
        return 2 + self.roles.index(role)

    def measured(self, data: Kind | None) -> Kind:
        """As a network calls it, with what only its data knows: places along axes, a peak, a unit.

        What the network says itself stands; None, or a kind of other axes or channels, says nothing of it.
        """
        if data is None or (data.roles, data.channels) != (self.roles, self.channels):
            return self
        axes = tuple(own if own.unit else known for own, known in zip(self.axes, data.axes, strict=True))
        peak = data.peak if self.peak is None else self.peak
        return replace(self, axes=axes, peak=peak, unit=self.unit or data.unit)

    def scaled(self, scale: Scale) -> Kind:
        """The same, as a network expects it.

        Raises:
            ValueError: If the scale is of another number of channels.
        """
        return replace(self, scale=scale)

    def check(self, data: Tensor) -> None:
        """Refuses a tensor of other axes or channels than ``(B, C, *size)``.

        Raises:
            ValueError: With what was expected and what came.
        """
        if data.ndim != 2 + len(self.axes) or data.shape[1] != len(self.channels):
            wanted = ", ".join(["B", str(len(self.channels)), *self.roles])
            raise ValueError(f"{self.name} is ({wanted}), got {tuple(data.shape)}")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "axes": [axis.as_json() for axis in self.axes],
            "channels": list(self.channels),
            "peak": self.peak,
            "unit": self.unit,
            "scale": self.scale.as_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Kind:
        """The inverse of :meth:`as_dict`.

        Raises:
            ValueError: If a role is not known, or the scale does not suit the channels.
        """
        options = {"peak": values["peak"], "unit": values["unit"], "scale": Scale.of(values["scale"])}
        return cls.of(values["name"], values["axes"], channels=values["channels"], **options)


def _channels(channels: int | Sequence[str]) -> tuple[str, ...]:
    if not isinstance(channels, int):
        return tuple(channels)
    return RGB if channels == 3 else tuple(str(index) for index in range(channels))
