"""An optimiser step that a GPU replays as one CUDA graph; on a CPU the same step, plainly.

Small networks are bound by the launching of kernels, not by arithmetic: a graph launches them all at once. Shapes are
those of the first batch, for good; chance (masks, augmentation) is decided outside and comes in as tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Tensors = dict[str, Tensor]
Loss = Callable[[Mapping[str, Tensor]], Tensor]
_WARM_UP = 3  # steps, as torch's documentation of graphs advises


class Stepper:
    """``stepper(batch, lr=...)`` takes one Adam step and leaves the loss in ``stepper.loss``.

    Args:
        model: Whose trainable parameters move.
        loss: Of a batch of tensors.
        betas: Of Adam.
        plain: No graph, on a GPU either.
    """

    def __init__(
        self, model: nn.Module, loss: Loss, *, betas: tuple[float, float] = (0.9, 0.999), plain: bool = False
    ) -> None:
        self._loss, self._graph = loss, None
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._device = trainable[0].device
        self._graphed = self._device.type == "cuda" and not plain
        self._lr = torch.tensor(0.0, device=self._device)  # a tensor, for a graph cannot be told a new number
        self._optimizer = torch.optim.Adam(trainable, lr=self._lr, betas=betas, fused=True, capturable=self._graphed)
        self._static: Tensors = {}
        self.loss = torch.zeros((), device=self._device)

    def __call__(self, batch: Mapping[str, Tensor], *, lr: float) -> None:
        """One step on a batch of the first one's shapes."""
        if not self._static:
            self._static = {name: value.clone() for name, value in batch.items()}
            if self._graphed:
                self._capture()
        for name, value in batch.items():
            self._static[name].copy_(value)
        self._lr.fill_(lr)
        if self._graph is None:
            self._step()
        else:
            self._graph.replay()

    def _step(self) -> None:
        loss = self._loss(self._static)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.loss = loss.detach()

    def _capture(self) -> None:
        """Warms up with a learning rate of 0 on a stream of its own, then records one step."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._step()
