"""Where the recipes lie: ``bundles/`` beside an editable install, ``medmae/_bundles`` inside a wheel.

What is the same for all of them (overlays for several GPUs, the logging of a run) lies beside them in ``shared``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import yaml

import medmae
from medmae.errors import DataError

_PACKAGE = Path(medmae.__file__).resolve().parent
_HOMES = (_PACKAGE / "_bundles", _PACKAGE.parent / "bundles")
_SHARED = "shared"
_SUFFIXES = (".yaml", ".yml", ".json")
BASE_KEY = "merged_over"  # optional id of an overlay: the recipe over which it is merged


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


def home_of(bundle: Path) -> Path:
    """Where results of a bundle go: an installed recipe is no place for them."""
    return Path("runs", bundle.name) if bundle in shipped().values() else bundle


def find_bundle(name_or_path: str | Path) -> Path:
    """The folder of a bundle, given as a path or by the name of a shipped one.

    Raises:
        FileNotFoundError: If it is neither, with the names that exist.
        DataError: If it is both, and not the same.
    """
    path, known, name = Path(name_or_path).expanduser(), shipped(), str(name_or_path)
    if (path / "configs").is_dir():
        if name in known and path.resolve() != known[name]:
            raise DataError(
                "a folder here has the name of a bundle that came with medmae",
                path=path.resolve(),
                remedy=f"write ./{name} for the folder, {known[name]} for the bundle",
            )
        return path.resolve()
    if name in known:
        return known[name]
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


def read_yaml(path: Path) -> object:
    """Content of a configuration of a bundle that is trusted; None if it is no YAML: who parses it then says so."""
    with contextlib.suppress(yaml.YAMLError):
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    return None


def find_configs(bundle: Path, names: str, *, read: Callable[[Path], object] = read_yaml) -> list[Path]:
    """Files of configurations that are merged from left to right, each after the one that it is merged over.

    Args:
        bundle: Its folder.
        names: With commas between them: ``train,demo``; ``evaluate`` alone brings ``inference``, if it names that in
            ``merged_over``.
        read: Gives what a configuration holds; of a bundle that was checked, what was checked of it.

    Raises:
        FileNotFoundError: If there is no such configuration.
    """
    files: list[Path] = []
    for name in names.split(","):
        files += [file for file in _layers(bundle, name.strip(), read=read) if file not in files]
    return files


def _layers(bundle: Path, name: str, *above: str, read: Callable[[Path], object]) -> list[Path]:
    """A configuration below those that are merged over it; what goes in a circle is told by the checks."""
    path = find_config(bundle, name)
    content = read(path)
    base = content.get(BASE_KEY) if isinstance(content, dict) else None
    below = [] if base is None or base in above else _layers(bundle, str(base), name, *above, read=read)
    return [*below, path]


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
