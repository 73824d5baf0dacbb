"""Parameter groups, the optimiser's settings, and LARS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.nn.encoder import Encoder, side_by_side

Group = dict[str, Any]


@dataclass(frozen=True)
class OptimizerSpec:
    """AdamW as the MAE family uses it (with no weight decay it is Adam), or SGD with a momentum.

    Attributes:
        name: ``adamw`` or ``sgd``, by which AV-MAE is fine-tuned and the pairwise contrast is trained.
        base_lr: Rate per 256 samples if ``scale_by_batch``, else the rate itself.
        scale_by_batch: Peak rate = base_lr * effective batch / 256.
        betas: AdamW's.
        momentum: SGD's.
        weight_decay: Not applied to one-dimensional parameters, nor to what a method spares (``no_weight_decay``).
        decay_all: Applies it to all of them, too, as MMAE's pre-training does.
        layer_decay: Factor of the rate from layer to layer, down from the head, for fine-tuning; see
            :func:`layer_decay_groups`. None gives every layer the same rate.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    base_lr: float = 1.5e-4
    scale_by_batch: bool = True
    betas: tuple[float, float] = (0.9, 0.95)
    momentum: float = 0.9
    weight_decay: float = 0.05
    decay_all: bool = False
    layer_decay: float | None = None

    def __post_init__(self) -> None:
        check_choice(self.name, ("adamw", "sgd"), name="name")

    def peak_lr(self, *, batch_size: int) -> float:
        """Peak learning rate for an effective batch (all devices, accumulated steps included)."""
        return self.base_lr * batch_size / 256 if self.scale_by_batch else self.base_lr

    def build(self, module: nn.Module, *, batch_size: int) -> torch.optim.Optimizer:
        """The optimiser over all trainable parameters of ``module``; fused, which is several times faster."""
        groups, peak = self._groups(module), self.peak_lr(batch_size=batch_size)
        for group in groups:
            group["lr"] = peak * group.get("lr_scale", 1.0)
        if self.name == "sgd":
            return torch.optim.SGD(groups, lr=peak, momentum=self.momentum, fused=True)
        return torch.optim.AdamW(groups, lr=peak, betas=(self.betas[0], self.betas[1]), fused=True)

    def _groups(self, module: nn.Module) -> list[Group]:
        if self.layer_decay is None:
            if self.decay_all:
                return [
                    {"params": [p for p in module.parameters() if p.requires_grad], "weight_decay": self.weight_decay}
                ]
            return parameter_groups(module, weight_decay=self.weight_decay)
        if self.decay_all:
            raise ValueError("layer_decay spares one-dimensional parameters: leave decay_all out")
        encoders: Mapping[str, Encoder] = module.encoders  # type: ignore[assignment]
        layers = side_by_side([encoder.layers() for encoder in encoders.values()])
        return layer_decay_groups(module, layers, layer_decay=self.layer_decay, weight_decay=self.weight_decay)


def parameter_groups(module: nn.Module, *, weight_decay: float) -> list[Group]:
    """Two groups: with weight decay, and without, which are biases and norms, and what a method spares besides.

    Where a method says nothing, class and mask tokens decay, as in the MAE reference.

    Args:
        module: Frozen parameters are left out. Its ``no_weight_decay`` are last names of others that are spared.
        weight_decay: Of the first group.

    Raises:
        ValueError: If it spares what it does not have.
    """
    named: frozenset[str] = getattr(module, "no_weight_decay", frozenset())
    if unknown := named - {
        name.rpartition(".")[2] for name, _ in (*module.named_parameters(), *module.named_buffers())
    }:
        raise ValueError(f"{type(module).__name__} has no {', '.join(sorted(unknown))} to be spared from weight decay")
    groups: list[Group] = [{"params": [], "weight_decay": weight_decay}, {"params": [], "weight_decay": 0.0}]
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups[parameter.ndim <= 1 or name.rpartition(".")[2] in named]["params"].append(parameter)
    return [group for group in groups if group["params"]]


def layer_decay_groups(
    module: nn.Module, layers: Sequence[Iterable[nn.Parameter]], *, layer_decay: float, weight_decay: float
) -> list[Group]:
    """Groups for fine-tuning: the rate falls by ``layer_decay`` for each layer down from the head.

    What belongs to no layer (a last norm, the head) has the full rate. Each group carries ``lr_scale`` and ``names``.
    Weight decay spares one-dimensional parameters, and tokens and position tables ``(1, n, D)`` (MAE fine-tuning).

    Args:
        module: A classifier.
        layers: Of its encoder, from the input up; see :meth:`medmae.nn.encoder.Encoder.layers`.
        layer_decay: For instance 0.65 or 0.75.
        weight_decay: For instance 0.05.
    """
    layer_of = {id(parameter): number for number, layer in enumerate(layers) for parameter in layer}
    groups: dict[tuple[int, bool], Group] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        layer = layer_of.get(id(parameter), len(layers))
        spared = parameter.ndim <= 1 or (parameter.ndim == 3 and parameter.shape[0] == 1)
        scale = layer_decay ** (len(layers) - layer)
        empty = {"params": [], "names": [], "lr_scale": scale, "weight_decay": 0.0 if spared else weight_decay}
        group = groups.setdefault((layer, spared), empty)
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling, as MAE's linear probe uses it.

    Weight decay and the trust ratio apply to tensors with more than one dimension; the others get plain
    momentum SGD.

    Args:
        params: Parameters or groups.
        lr: Learning rate.
        weight_decay: Added to the gradient.
        momentum: Of the velocity.
        trust: Trust coefficient.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        trust: float = 0.001,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "trust": trust})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: Group) -> None:
        update = parameter.grad
        assert update is not None
        if parameter.ndim > 1:
            update = update.add(parameter, alpha=group["weight_decay"])
            weight_norm, update_norm = parameter.norm(), update.norm()
            usable = (weight_norm > 0) & (update_norm > 0)
            update = update * torch.where(usable, group["trust"] * weight_norm / update_norm, 1.0)
        state = self.state[parameter]
        velocity = state.setdefault("velocity", torch.zeros_like(parameter))
        velocity.mul_(group["momentum"]).add_(update)
        parameter.add_(velocity, alpha=-group["lr"])
