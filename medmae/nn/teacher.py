"""A trained network that was handed in to teach: it never learns, and is no part of its student's state."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import _IncompatibleKeys


class FrozenTeacher(nn.Module):
    """Gives targets without a gradient, always in evaluation mode.

    It moves with the method to another device, yet ``state_dict`` leaves it out, and loading does not miss it: weights
    and checkpoints of a student do not carry the file that its teacher came from. A resumed run hands it in again.

    Args:
        network: Left in place, and frozen.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()
        self.register_state_dict_post_hook(_leave_out)
        self.register_load_state_dict_post_hook(_miss_nothing)

    def train(self, mode: bool = True) -> FrozenTeacher:
        """Stays as it is."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, *inputs: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the network takes and gives
        """What the network gives."""
        return self.network(*inputs, **options)


def _leave_out(module: nn.Module, state: dict[str, Any], prefix: str, local_metadata: object) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        del state[key]


def _miss_nothing(module: nn.Module, keys: _IncompatibleKeys) -> None:
    network = module.get_submodule("network")
    own = {key for tensors in (network.named_parameters(), network.named_buffers()) for key, _ in tensors}
    for key in [key for key in keys.missing_keys if key.partition("network.")[2] in own]:
        keys.missing_keys.remove(key)
