"""Runs one configuration of a bundle in this process, as ``python -m monai.bundle run`` does in its own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from medmae.bundle.check.refuse import require_safe
from medmae.bundle.recipes import find_bundle, find_config, shipped


def run_bundle(
    bundle: str | Path, config: str, *, overrides: Mapping[str, object] | None = None, trust: bool = False
) -> Path:
    """Initialises, runs and finalises a bundle that passes the static checks.

    Args:
        bundle: Folder of a bundle, or the name of a shipped one.
        config: Name of a configuration; several, separated by commas, are merged from left to right
            (``train,multi_gpu_train``).
        overrides: Configuration ids and their new values, as MONAI takes them
            (``train::trainer::max_epochs``). Relative paths are relative to the working directory.
        trust: Run it whatever the static checks say.

    Returns:
        The folder of results. ``bundle_root``, under which the recipes write, is ``runs/<name>`` in the working
        directory for a bundle that came with medmae (an installed recipe is no place for results), and the
        bundle itself for any other, as MONAI has it. Overrides of ``bundle_root`` and ``output_dir`` go before.

    Raises:
        FileNotFoundError: If the bundle or the configuration does not exist.
        BundleRefusedError: If a static check finds an error; nothing was run then.
        ValueError: If an override names nothing in the configuration; MONAI would take it in silence.
    """
    root = find_bundle(bundle)
    files = [str(find_config(root, name.strip())) for name in config.split(",")]
    if not trust:
        require_safe(root)

    from monai.bundle import ConfigWorkflow  # seconds to import: only who runs a bundle pays

    home = Path("runs", root.name) if root in shipped().values() else root
    _check_overrides(files, overrides or {})
    settings = {"bundle_root": str(home), **(overrides or {})}
    workflow = ConfigWorkflow(config_file=files, workflow_type=None, **settings)
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    place = "output_dir" if "output_dir" in workflow.parser else "bundle_root"
    return Path(workflow.parser.get_parsed_content(place))


def _check_overrides(files: Sequence[str], overrides: Mapping[str, object]) -> None:
    """Refuses a misspelt id: its first part must stand in the configuration, or be one that MONAI's tools know."""
    from monai.bundle import ConfigParser

    known = set(ConfigParser.load_config_files(list(files))) | {"bundle_root", "output_dir"}
    tops = {key.split("::")[0] for key in known}
    for name in overrides:
        top = name.replace("#", "::").split("::")[0]
        if top not in tops:
            near = difflib.get_close_matches(top, tops, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(tops))}"
            raise ValueError(f"--{name}: the configuration has no {top!r}; {hint}")


def parse_overrides(arguments: Sequence[str]) -> dict[str, object]:
    """``--key value`` and ``--key=value`` pairs, read as MONAI's own command line reads them.

    Raises:
        ValueError: If an argument is not of that form.
    """
    from fire.parser import DefaultParseValue

    overrides: dict[str, object] = {}
    rest = list(arguments)
    while rest:
        key, separator, value = rest.pop(0).partition("=")
        if not key.startswith("--") or len(key) < 3:
            raise ValueError(f"expected --key value, got {key!r}")
        if not separator:
            if not rest:
                raise ValueError(f"{key} has no value: write {key} VALUE")
            value = rest.pop(0)
        overrides[key[2:].replace("-", "_")] = DefaultParseValue(value)
    return overrides
