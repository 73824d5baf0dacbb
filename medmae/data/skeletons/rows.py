"""What rows of skeletons hold."""

from __future__ import annotations

from collections.abc import Mapping

from medmae.data.rows import Row, RowKind

_NEEDS: Mapping[str, type] = {
    "first": int,
    "count": int,
    "bodies": int,
    "joints": list,
    "bones": list,
    "root": str,
    "coordinates": list,
    "unit": str,
    "axes": str,
    "unseen": int,
    "content_sha256": str,
}


def _fault(row: Row) -> str | None:
    joints, bones = row["joints"], row["bones"]
    if min(row["count"], row["bodies"], len(joints)) < 1 or row["first"] < 0 or len(row["coordinates"]) not in (2, 3):
        return f"no skeleton is like this: {row['count']} frames, {row['bodies']} bodies, {len(joints)} joints"
    if (
        not all(isinstance(name, str) for name in joints)
        or len(set(joints)) != len(joints)
        or row["root"] not in joints
    ):
        return "'joints' must be different names, and 'root' one of them"
    if not all(
        isinstance(bone, list)
        and len(bone) == 2
        and all(isinstance(end, int) and 0 <= end < len(joints) for end in bone)
        for bone in bones
    ):
        return "'bones' must be a list of two numbers of joints each"
    rate = row.get("rate")
    return None if rate is None or (isinstance(rate, float) and rate > 0) else f"'rate' is {rate!r}"


KINDS = (RowKind(name="skeleton", needs=_NEEDS, made_by="medmae prep skeleton", fault=_fault),)
