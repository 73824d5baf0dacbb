"""Where the recipes lie: ``bundles/`` beside an editable install, ``medmae/_bundles`` inside a wheel.

What is the same for all of them (overlays for several GPUs, the logging of a run) lies beside them in ``shared``.
"""

from __future__ import annotations

from pathlib import Path

import medmae

_PACKAGE = Path(medmae.__file__).resolve().parent
_HOMES = (_PACKAGE / "_bundles", _PACKAGE.parent / "bundles")
_SHARED = "shared"
_SUFFIXES = (".yaml", ".yml", ".json")


def shipped() -> dict[str, Path]:
    """The bundles that came with this installation: name -> folder."""
    found = {
        folder.name: folder
        for home in _HOMES
        if home.is_dir()
        for folder in home.iterdir()
        if (folder / "configs" / "metadata.json").is_file()
    }
    return dict(sorted(found.items()))


def find_bundle(name_or_path: str | Path) -> Path:
    """The folder of a bundle, given as a path or by the name of a shipped one.

    Raises:
        FileNotFoundError: If it is neither, with the names that exist.
    """
    path = Path(name_or_path).expanduser()
    if (path / "configs").is_dir():
        return path.resolve()
    known = shipped()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    names = ", ".join(known) or "(none)"
    raise FileNotFoundError(f"no bundle {str(name_or_path)!r}: give a folder that holds configs/, or {names}")


def configs(bundle: Path) -> list[str]:
    """Names of a bundle's configurations, without suffix and without ``metadata``."""
    files = (bundle / "configs").iterdir()
    return sorted(file.stem for file in files if file.suffix in _SUFFIXES and file.stem != "metadata")


def shared_file(name: str) -> Path | None:
    """A file that all bundles share, by its name; None if there is none."""
    paths = (home / _SHARED / name for home in _HOMES)
    return next((path for path in paths if path.is_file()), None)


def shared_configs() -> list[str]:
    """Names of the overlays that suit any bundle's ``train``."""
    return sorted({path.stem for home in _HOMES for path in (home / _SHARED).glob("*.yaml")})


def find_config(bundle: Path, name: str) -> Path:
    """One configuration by its name, with or without suffix: the bundle's own, or one that all share.

    Raises:
        FileNotFoundError: If there is none, with the names that exist.
    """
    stem = Path(name).stem if Path(name).suffix in _SUFFIXES else name
    for suffix in _SUFFIXES:
        if stem in configs(bundle) and (path := bundle / "configs" / f"{stem}{suffix}").is_file():
            return path
    shared = shared_file(f"{stem}.yaml")
    if shared is not None and stem in shared_configs():
        return shared
    names = ", ".join(dict.fromkeys([*configs(bundle), *shared_configs()]))
    raise FileNotFoundError(f"bundle {bundle.name} has no configuration {name!r}: it has {names}")
