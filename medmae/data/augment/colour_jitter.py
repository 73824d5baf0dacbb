"""Changes of colour of contrastive learning, each sample its own: jitter in random order, grey, blur.

The defaults are those of SimCLR and BYOL as CMAE has them (Huang et al., TPAMI 2023, arXiv 2207.13532).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from kornia.color import rgb_to_grayscale
from kornia.enhance import adjust_hue
from torch import Tensor
from torch.nn import functional as F

from medmae.data.augment.draws import check_shares, device_of

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)
_TURN = 2 * torch.pi  # of the circle of hues


@dataclass(frozen=True, kw_only=True)
class ColourJitterParams:
    """All that chance decides for one batch.

    Args:
        order: (B, 4): which of brightness, contrast, saturation, hue comes first, second, third, last.
        factors: (B, 4): factors of the first three, in that order, and a shift of hue in turns; 1 and 0 change nothing.
        grey: (B,) bool.
        sigma: (B,) standard deviation of the blur in pixels; 0 is none.
    """

    order: Tensor
    factors: Tensor
    grey: Tensor
    sigma: Tensor


@dataclass(frozen=True, kw_only=True)
class ColourJitter:
    """``jitter(images, generator=...)``: float images ``(B, C, *size)`` in [0, 1] -> the same shape, in [0, 1].

    Brightness, contrast and blur take any number of channels and axes; what is about colour takes RGB alone.

    Args:
        jitter: Chance that a sample's colours change.
        brightness: Then by a factor of 1 - brightness to 1 + brightness,
        contrast: likewise, about the mean of the grey image (of all channels, where they are not RGB),
        saturation: likewise, about the grey image,
        hue: and by a shift of -hue to hue turns.
        grey: Chance of grey instead of colour.
        blur: Chance of a Gaussian blur.
        sigma: Its least and largest standard deviation in pixels.
    """

    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    blur: float = 0.5
    sigma: tuple[float, float] = (0.1, 2.0)

    def __post_init__(self) -> None:
        names = ("jitter", "brightness", "contrast", "saturation", "grey", "blur")
        check_shares({name: getattr(self, name) for name in names})
        if not 0 <= self.hue <= 0.5 or not 0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"hue lies in [0, 0.5] and sigma is positive, in order; got {self.hue} and {self.sigma}")

    def __call__(self, images: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """A new batch; the one given is left as it is."""
        return self.apply(images, self.draw(len(images), generator=generator))

    def draw(self, batch_size: int, *, generator: torch.Generator | None = None) -> ColourJitterParams:
        """Everything random about a batch; on the generator's device."""

        def rand(*size: int) -> Tensor:
            return torch.rand(size, generator=generator, device=device_of(generator))

        still, widths = torch.tensor([1.0, 1.0, 1.0, 0.0]), [self.brightness, self.contrast, self.saturation, self.hue]
        order = rand(batch_size, 4).argsort(dim=1)
        chosen = rand(batch_size, 1) < self.jitter
        shift = (2 * rand(batch_size, 4) - 1) * chosen  # 0 changes nothing
        grey, blurred = rand(2, batch_size)
        sigma = self.sigma[0] + (self.sigma[1] - self.sigma[0]) * rand(batch_size)
        return ColourJitterParams(
            order=order,
            factors=still.to(shift) + shift * shift.new_tensor(widths),
            grey=grey < self.grey,
            sigma=sigma * (blurred < self.blur),
        )

    def apply(self, images: Tensor, params: ColourJitterParams) -> Tensor:
        """A pure function of its arguments.

        Raises:
            ValueError: If colours are to change where there are none.
        """
        if (self.saturation or self.hue or self.grey) and (images.ndim != 4 or images.shape[1] != 3):
            raise ValueError(
                f"saturation, hue and grey are of RGB images (B, 3, H, W), got {tuple(images.shape)}: "
                "set saturation=0, hue=0 and grey=0"
            )
        order, factors = params.order.to(images.device), params.factors.to(images)
        out = images.clone()
        for step in range(4):
            for kind, width in enumerate((self.brightness, self.contrast, self.saturation, self.hue)):
                rows = (order[:, step] == kind).nonzero().flatten()
                if width and len(rows):
                    out[rows] = _changed(out[rows], factors[rows, kind], kind=kind)
        rows = params.grey.to(images.device).nonzero().flatten()
        if len(rows):
            out[rows] = rgb_to_grayscale(out[rows]).expand(-1, 3, -1, -1)
        rows = params.sigma.to(images.device).nonzero().flatten()
        if len(rows):
            out[rows] = gaussian_blur(out[rows], params.sigma.to(images)[rows], largest=self.sigma[1])
        return out


def gaussian_blur(data: Tensor, sigma: Tensor, *, largest: float) -> Tensor:
    """Blurs each sample of ``(B, C, *size)`` along every axis by its own ``sigma`` ``(B,)``, in pixels.

    The kernel is cut off at twice ``largest``, and at the borders data is repeated.
    """
    radius = int(2 * largest + 0.5)
    steps = torch.arange(-radius, radius + 1, device=data.device)
    kernel = (-0.5 * (steps / sigma[:, None]).square()).exp()  # (B, K)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).to(data).unsqueeze(1)  # (B, 1, K)
    for axis in range(2, data.ndim):
        lines = data.movedim(axis, -1)  # (B, ..., L)
        flat = F.pad(lines.flatten(1, -2).transpose(0, 1), (radius, radius), mode="replicate")  # (rows, B, L + K - 1)
        data = F.conv1d(flat, kernel, groups=len(data)).transpose(0, 1).reshape(lines.shape).movedim(-1, axis)
    return data


def _changed(images: Tensor, factor: Tensor, *, kind: int) -> Tensor:
    """One of the four changes; ``factor`` ``(B,)``."""
    if kind == _HUE:
        return adjust_hue(images, factor * _TURN).clamp_(0, 1)
    grey = rgb_to_grayscale(images) if images.shape[1] == 3 and images.ndim == 4 else images
    twin = {
        _BRIGHTNESS: torch.zeros_like(factor).view(-1, *[1] * (images.ndim - 1)),
        _CONTRAST: grey.mean(dim=tuple(range(1, images.ndim)), keepdim=True),
        _SATURATION: grey,
    }[kind]
    return torch.lerp(twin.expand_as(images), images, factor.view(-1, *[1] * (images.ndim - 1))).clamp_(0, 1)
