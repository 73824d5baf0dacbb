"""A tensor as one picture, by the roles of its axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from medmae.data.evenly import evenly
from medmae.kinds import Kind, Role
from medmae.report.ticks import ticks_of

MAX_FRAMES = 8
_PLANES: tuple[tuple[Role, Role], ...] = (("row", "column"), ("frequency", "time"))


def facts(kind: Kind, data: Tensor) -> dict[str, Any]:
    """What a page needs to know of the picture that :func:`draw` makes, for JSON.

    ``frames``, how many stand side by side in a film strip; ``axes``, of a plane of frequency and time along which
    something is measured, the ticks ``across`` and ``up``; nothing of all else.
    """
    roles = set(kind.roles)
    if {"time", "row", "column"} <= roles:
        return {"frames": len(evenly(data.shape[1 + kind.roles.index("time")], MAX_FRAMES))}
    if roles == set(_PLANES[1]) and all(axis.unit for axis in kind.axes):
        ticks = {axis.role: ticks_of(axis, count) for axis, count in zip(kind.axes, data.shape[1:], strict=True)}
        return {"axes": {"across": ticks["time"], "up": ticks["frequency"]}}
    return {}


def draw(kind: Kind, data: Tensor) -> np.ndarray:
    """One picture of ``(C, *size)``: ``(H, W, 3)`` of colours, else the first channel ``(H, W)``.

    Rows and columns are a plane, and so are frequency, low ones below, and time; of other axes the last two are, one
    alone is a line. Time before a plane is a film strip of up to 8 frames, evenly spread; of depth, and of what else
    there is, the middle is shown.

    Args:
        kind: What it is.
        data: Of its axes, and of its channels, or of one (a mask, a map of attention).
    """
    picture = data.float().cpu().numpy()
    roles = list(kind.roles)
    plane = next((plane for plane in _PLANES if set(plane) <= set(roles)), tuple(roles[-2:]))
    for role in [role for role in roles if role not in plane]:
        if role != "time" or "row" not in plane:
            picture = picture.take(picture.shape[1 + roles.index(role)] // 2, axis=1 + roles.index(role))
            roles.remove(role)
    if len(plane) == 1:
        return picture[0][None]
    if plane[0] == "frequency":
        picture = np.flip(picture, 1 + roles.index("frequency"))
    strip = [1 + roles.index("time")] if len(roles) > len(plane) else []
    picture = picture.transpose([0, *strip, *(1 + roles.index(role) for role in plane)])  # (C[, T], H, W)
    if strip:
        frames = picture.swapaxes(0, 1)[evenly(picture.shape[1], MAX_FRAMES)]  # (T, C, H, W)
        picture = np.concatenate(list(frames), axis=-1)  # (C, H, T * W)
    return np.moveaxis(picture, 0, -1) if kind.colour and len(picture) > 1 else picture[0]
