"""What tables and archives of one's own hold besides a skeleton: told, and refused where it would change one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medmae.data.identity.columns import looks_like_identity
from medmae.errors import DataError

_CLOCKS = re.compile(r"fps|framerate|frame_rate|hz|times?|timestamps?|t|seconds?|units?|scale", re.IGNORECASE)
_TIMES = r"time|timestamps?|t|seconds?|secs?|ms|msec|frames?|frame[_ ]?(?:no|nr|id|number|index)"
_UNIT = r"[_ ]?[(\[]\w{1,4}[)\]]|[_ ]\w{1,4}|s|ms|us|ns"  # a trial or a task is no t with a unit
_MISSED = re.compile(rf".*[_.\- ][xyz]|(?:{_TIMES})(?:{_UNIT})?", re.IGNORECASE)


def unread_columns(
    columns: Sequence[str], joints: Sequence[str], axes: Sequence[str], *, path: Path
) -> tuple[str, ...]:
    """``columns_not_read:n``, of what is nothing that a recording has.

    Raises:
        DataError: If one of them looks like a clock, a coordinate of a joint, or somebody's name.
    """
    used = {"time", "frame", "body", *(f"{joint}_{axis}" for joint in joints for axis in (*axes, "c"))}
    unread = [name for name in columns if name not in used]
    if risky := [name for name in unread if _MISSED.fullmatch(name) or looks_like_identity(name)]:
        raise DataError(
            "columns are not read that look like a clock, a coordinate or a person",
            path=path,
            field="columns",
            value=risky[:6],
            remedy="call them time (seconds) or frame, NAME_x, NAME_y, NAME_z, NAME_c; people are told by a table "
            "path,subject, or by --subject-from",
        )
    return (f"columns_not_read:{len(unread)}",) if unread else ()


def unread_arrays(held: Mapping[str, np.ndarray], *, path: Path) -> tuple[str, ...]:
    """``arrays_not_read:n``.

    Raises:
        DataError: If one of them looks like a clock, or like somebody's name.
    """
    unread = sorted(held.keys() - {"positions", "joints", "confidence", "bones", "rate", "unit", "axes"})
    if risky := [name for name in unread if _CLOCKS.fullmatch(name) or looks_like_identity(name)]:
        raise DataError(
            "arrays are not read that look like a clock or a person",
            path=path,
            field="arrays",
            value=risky,
            remedy="give frames of even times and their rate; who is who stands in a table path,subject",
        )
    return (f"arrays_not_read:{len(unread)}",) if unread else ()
