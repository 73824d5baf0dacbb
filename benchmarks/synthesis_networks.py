"""The networks of :mod:`synthesis`, and how each of them learns for a given time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from graphed import Stepper
from synthesis_pack import DEVICE
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.masking import Mask
from medmae.methods.edge_mae import EdgeMAE
from medmae.methods.mt_unet import MTUNet, mt_unet_demo
from medmae.nn.conv_unet import ConvUNet
from medmae.nn.heads import only_given
from medmae.weights.kernels import adapt_channels

Predict = Callable[[Tensor], Tensor]

FORM, RIVAL = "practical", "MONAI U-Net"
VARIANTS = (
    f"{FORM}, from scratch",
    f"{FORM}, pre-trained",
    f"{FORM}, pre-trained and frozen",
    f"{FORM}, untrained and frozen",
    f"{FORM}, no ViT",
    RIVAL,
)
PEAK = {FORM: 2e-3, RIVAL: 4e-3}
SQUARED = 5e4  # factor of the squared error, as in the demo recipe


@dataclass(frozen=True)
class Given:
    """What networks see and make.

    Attributes:
        size: Edge of a slice in pixels.
        neighbours: Slices on each side, of one contrast.
        told: Which of several contrasts are given; empty for a pair.
        output: Which of several is made.
    """

    size: int
    neighbours: int = 0
    told: tuple[bool, ...] = ()
    output: int = 0

    @property
    def channels(self) -> int:
        """Of the input."""
        return len(self.told) or 1 + 2 * self.neighbours

    def own(self, image: Tensor) -> Tensor:
        """What is background where it is 0: ``(B, C, S, S)`` of ``(B, channels, S, S)``."""
        return image if self.told else image[:, self.neighbours : self.neighbours + 1]


def clock() -> float:
    """Seconds: of this process on a CPU, for others may run there; of the clock on a GPU."""
    return time.process_time() if DEVICE.type == "cpu" else time.perf_counter()


def rates(seconds: float, *, peak: float) -> Iterator[float]:
    """For so long: linear warm-up over a tenth of the time, then a cosine to a hundredth, as in the published code."""
    begin = clock()
    while (share := (clock() - begin) / seconds) < 1:
        cosine = 0.01 + 0.495 * (1 + np.cos(np.pi * (share - 0.1) / 0.9))
        yield peak * (max(share / 0.1, 0.01) if share < 0.1 else cosine)


def batches(count: int, size: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    """Shuffled indices, epoch after epoch, all batches of one size."""
    while True:
        order = torch.randperm(count, generator=generator)
        order = order.repeat(-(-size // count))  # a single patient may have fewer slices than a batch
        yield from (part for part in order.split(size) if len(part) == size)


def edge_mae() -> EdgeMAE:
    """Whose encoder is that of the demo's synthesis."""
    demo = mt_unet_demo(feature_weight=0.0).encoder
    sizes = {"image_size": demo.patches.size, "patch_size": demo.patches.patch, "embed_dim": demo.dim}
    depth = {"depth": len(demo.blocks), "num_heads": demo.num_heads}
    return EdgeMAE(**sizes, **depth, decoder_dim=128, decoder_depth=2, decoder_heads=4)


def pretrain(slices: Tensor, *, seconds: float, batch: int, plain: bool) -> EdgeMAE:
    """Edge-MAE on slices ``(K, 1, S, S)`` of all contrasts, resized to what its encoder sees."""
    torch.manual_seed(0)
    method = edge_mae().to(DEVICE)
    num_tokens = method.patches.num_tokens

    def loss(data: dict[str, Tensor]) -> Tensor:
        return method({"image": data["image"]}, masks={"image": Mask(data["visible"], data["masked"], num_tokens)}).loss

    step, generator = Stepper(method, loss, betas=(0.9, 0.95), plain=plain), torch.Generator().manual_seed(0)
    order, steps = batches(len(slices), batch, generator=generator), 0
    for rate, index in zip(rates(seconds, peak=1.5e-3), order, strict=False):
        image = F.interpolate(slices[index.to(DEVICE)], size=method.patches.size, mode="bilinear")
        mask = method.draw_masks({"image": image}, generator=generator)["image"]
        step({"image": image, "visible": mask.visible, "masked": mask.masked}, lr=rate)
        steps += 1
    print(f"pre-trained on {len(slices)} slices: {steps} steps, last loss {float(step.loss):.3f}", flush=True)
    return method


class Practical(nn.Module):
    """MT-UNet's practical form as a network of images alone; without a ViT its tokens are 0, and cost nothing."""

    def __init__(self, method: MTUNet, given: Given, *, vit: bool) -> None:
        super().__init__()
        self.method, self.given = (method if vit else None), given
        self.unet, self.shape = method.unet, (method.encoder.num_tokens, method.encoder.dim)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, channels, S, S)`` -> ``(B, 1, S, S)``."""
        told = torch.tensor(self.given.told, device=image.device).expand(len(image), -1) if self.given.told else None
        if self.method is not None:
            made = self.method.predict(image, told)
        else:
            seen = image if told is None else only_given(image, told)
            made = self.unet(image.new_zeros(len(image), *self.shape), seen)
        return made[:, self.given.output : self.given.output + 1]


def contestant(variant: str, given: Given, pretrained: EdgeMAE | None) -> nn.Module:
    """A network of images ``(B, channels, S, S)``."""
    if variant == RIVAL:
        from monai.networks.nets import UNet

        shape = {"spatial_dims": 2, "in_channels": given.channels, "out_channels": 1}
        return UNet(**shape, channels=(32, 64, 128, 256), strides=(2, 2, 2), num_res_units=2)
    begin = variant.partition(", ")[2]
    several = {"num_contrasts": len(given.told)} if given.told else {"neighbours": given.neighbours}
    frozen = 6 if begin.endswith("frozen") else 0
    method = mt_unet_demo(image_size=given.size, feature_weight=0.0, freeze_blocks=frozen, **several)
    assert isinstance(method.unet, ConvUNet)
    if begin.startswith("pre-trained"):
        assert pretrained is not None
        state = pretrained.encoder.state_dict()
        kernel = adapt_channels(state["patch_embed.proj.weight"], channels=method.patches.channels)
        method.encoder.load_state_dict({**state, "patch_embed.proj.weight": kernel})
    return Practical(method, given, vit=begin != "no ViT")


def train(
    variant: str,
    pairs: tuple[Tensor, Tensor],
    given: Given,
    pretrained: EdgeMAE | None,
    *,
    seconds: float,
    batch: int,
    seed: int,
    plain: bool,
) -> tuple[Predict, int]:
    """The trained contestant's way to predict, and how many steps it took."""
    torch.manual_seed(seed)
    net = contestant(variant, given, pretrained).to(DEVICE)
    peak = PEAK[variant.split(", ")[0]]
    steps = learn(net, pairs, given, name=variant, peak=peak, seconds=seconds, batch=batch, seed=seed, plain=plain)
    return net, steps


def learn(
    net: nn.Module,
    pairs: tuple[Tensor, Tensor],
    given: Given,
    *,
    name: str,
    peak: float,
    seconds: float,
    batch: int,
    seed: int,
    plain: bool,
    weight: Tensor | None = None,
) -> int:
    """Squared error inside the head, weighted by ``(K, 1, S, S)`` where such are given; how many steps it took."""
    source, target = pairs

    def loss(data: dict[str, Tensor]) -> Tensor:
        shown = given.own(data["image"]).ne(0).any(dim=1, keepdim=True)
        guess = net(data["image"]) * shown  # background stays background, whoever makes the rest
        if "weight" not in data:
            return SQUARED * F.mse_loss(guess, data["target"])
        return SQUARED * (data["weight"] * (guess - data["target"]).square()).mean()

    net.train()
    step, generator, steps = Stepper(net, loss, plain=plain), torch.Generator().manual_seed(seed), 0
    order = batches(len(source), batch, generator=generator)
    for rate, index in zip(rates(seconds, peak=peak), order, strict=False):
        index = index.to(DEVICE)
        more = {} if weight is None else {"weight": weight[index]}
        step({"image": source[index], "target": target[index], **more}, lr=rate)
        steps += 1
    net.eval()
    count = sum(p.numel() for p in net.parameters() if p.requires_grad)
    print(f"{name}: {count / 1e6:.1f} M parameters, {steps} steps, last loss {float(step.loss):.1f}", flush=True)
    return steps
