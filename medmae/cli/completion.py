"""What a shell completes: names of bundles and configurations. Light, for it runs at each press of the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def bundle_names(incomplete: str) -> list[str]:
    """Shipped bundles whose name begins so."""
    from medmae.bundle.shipped import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


def bundles(ctx: Any, incomplete: str) -> list[str]:  # noqa: ANN401 (typer's Context, whose module varies)
    """Shipped bundles, and folders here that are bundles."""
    parent = Path(incomplete).parent if "/" in incomplete else Path()
    here = [path.as_posix() for path in sorted(parent.glob("*")) if (path / "configs").is_dir()]
    return [*bundle_names(incomplete), *(name for name in here if name.startswith(incomplete))]


def configurations(ctx: Any, incomplete: str) -> list[str]:  # noqa: ANN401
    """Configurations of the bundle that is named before; after a comma those that may be merged over."""
    from medmae.bundle.shipped import configs, find_bundle, shared_configs

    try:
        own = configs(find_bundle(ctx.params.get("bundle") or ""))
    except (OSError, ValueError):
        return []
    before, comma, last = incomplete.rpartition(",")
    names = own if not comma else [*own, *shared_configs()]
    return [f"{before}{comma}{name}" for name in names if name.startswith(last)]
