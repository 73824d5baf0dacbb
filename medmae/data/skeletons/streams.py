"""What of a skeleton is looked at: joints, bones, or how joints move."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from medmae.data.skeletons.layouts import Layout

Stream = Literal["joint", "bone", "motion"]
STREAMS = get_args(Stream)


def stream_of(data: Tensor, stream: Stream, layout: Layout) -> Tensor:
    """Of bodies ``(C, T, M, V)``: the same shape.

    ``bone`` has 0 at joints that hang on none, ``motion`` in the last frame.
    """
    if stream == "motion":
        return torch.cat([data[:, 1:] - data[:, :-1], torch.zeros_like(data[:, :1])], dim=1)
    if stream == "bone":
        found = torch.zeros_like(data)
        child, parent = (list(ends) for ends in zip(*layout.bones, strict=True))
        found[..., child] = data[..., child] - data[..., parent]
        return found
    return data
