"""Skeletons as they are stored: ``(T, M, V, C + 1)`` float32, the last of which says how sure a joint is; 0 unseen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medmae.data.rows import Row
from medmae.data.skeletons.layouts import LAYOUTS, Layout
from medmae.errors import DataError, check_choice


def read_body(shard: np.ndarray, row: Row, body: int) -> tuple[np.ndarray, np.ndarray]:
    """One body of a row: positions ``(T, V, C)`` float32, and how sure each is ``(T, V)``.

    Raises:
        DataError: If the shard is not what the row says.
    """
    wanted = (row["bodies"], len(row["joints"]), len(row["coordinates"]) + 1)
    if shard.ndim != 4 or shard.shape[1:] != wanted or row["first"] + row["count"] > len(shard):
        raise DataError(
            "the shard has other frames than its row says",
            path=row["shard"],
            field="shape",
            value=shard.shape,
            remedy="prepare the data again",
        )
    own = np.asarray(shard[row["first"] : row["first"] + row["count"], body], dtype=np.float32)
    return own[..., :-1], own[..., -1]


def layout_of_row(row: Row) -> Layout:
    """The joints of a row."""
    bones = tuple((child, parent) for child, parent in row["bones"])
    return Layout(name=str(row.get("layout")), joints=tuple(row["joints"]), bones=bones, root=row["root"])


def common_layout(rows: Sequence[Row], wanted: str | None, *, path: object) -> Layout:
    """The layout that all rows are brought into.

    Args:
        rows: Of a manifest.
        wanted: Name of a known layout, of whose joints all rows have their own; None takes that of the rows.
        path: The manifest, for messages.

    Raises:
        DataError: If rows have several and none is named, or one lacks a joint of it.
    """
    if wanted is not None:
        check_choice(wanted, tuple(LAYOUTS), name="layout")
        for joints in {tuple(row["joints"]) for row in rows}:
            LAYOUTS[wanted].order_of(joints)
        return LAYOUTS[wanted]
    layouts = {tuple(row["joints"]): layout_of_row(row) for row in rows}
    if len(layouts) != 1:
        sizes = sorted(f"{layout.name} ({len(layout.joints)})" for layout in layouts.values())
        raise DataError(
            "recordings have different joints, or in another order",
            path=str(path),
            field="joints",
            value=sizes,
            remedy="name one layout whose joints all of them have: layout='kinect20'",
        )
    return next(iter(layouts.values()))
