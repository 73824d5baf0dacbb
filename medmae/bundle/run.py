"""Runs one configuration of a bundle in this process: what was checked of it, or, if it is trusted, as MONAI does."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from medmae.bundle.check.ids import walk
from medmae.bundle.check.logging_conf import NAME, set_up_logging
from medmae.bundle.check.refuse import refuse_targets, require_safe
from medmae.bundle.checked import Ids, checked_config, content_of, merged
from medmae.bundle.device import require_device
from medmae.bundle.execution import Execution, Told
from medmae.bundle.first_look import first_look
from medmae.bundle.handed import as_data
from medmae.bundle.overrides import check_value, read_value
from medmae.bundle.places import check_ids, is_expression, place_of, refuse_fractions, require_places, value_at
from medmae.bundle.renamed import renamed_in
from medmae.bundle.shipped import find_bundle, find_config, find_configs, home_of, read_yaml, shared_file


def run_bundle(
    bundle: str | Path,
    config: str,
    *,
    overrides: Mapping[str, object] | None = None,
    options: Mapping[str, str] | None = None,
    trust: bool = False,
    dry_run: bool = False,
    told: Told | None = None,
) -> Path:
    """Initialises, runs and finalises a bundle that passes the static checks.

    Args:
        bundle: Folder of a bundle, or the name of a shipped one.
        config: Name of a configuration; several, separated by commas, are merged from left to right
            (``train,multi_gpu_train``); one that is ``merged_over`` another brings that.
        overrides: Configuration ids and their new values (``train::trainer::max_epochs``). Relative paths are relative
            to the working directory.
        options: The same as a user typed them, see :func:`medmae.bundle.overrides.read_value`.
        trust: Run it whatever the static checks say, and take values that begin with ``$``, ``@`` or ``%`` as MONAI's
            expressions, references and files; they are texts otherwise.
        dry_run: Builds a training and tells what it would do; nothing is trained or written.
        told: Called at the end with the folder of results and commands that can follow, also if cases were left out.

    Returns:
        The folder of results. ``bundle_root``, under which the recipes write, is ``runs/<name>`` in the working
        directory for a bundle that came with medmae (an installed recipe is no place for results), and the
        bundle itself for any other, as MONAI has it. Overrides of ``bundle_root`` and ``output_dir`` go before.

    Raises:
        FileNotFoundError: If the bundle or the configuration does not exist.
        BundleRefusedError: If a static check finds an error; nothing was run then.
        ValueError: If an override names nothing in the configuration (MONAI would take it in silence), or is of another
            kind than what it replaces, or nothing that is run depends on it; or if a name of medmae is an old one.
    """
    root = find_bundle(bundle)
    for name in config.split(","):
        find_config(root, name.strip())
    checked = None if trust else require_safe(root)

    read: Callable[[Path], Any] = partial(content_of, checked) if checked else read_yaml
    files = find_configs(root, config, read=read)
    content = checked_config(checked, files) if checked else _trusted(files)
    home = home_of(root)
    read_first: dict[str, Any] = {}

    def look(values: Mapping[str, object]) -> None:
        if checked:  # of others the values are whatever MONAI makes of them
            read_first.update(first_look(content, {"bundle_root": str(home), **values}))

    given = given_values(Ids(content), overrides=overrides or {}, options=options or {}, trust=trust, look=look)
    _refuse_renamed({**content, **given})
    if "device" in given:
        require_device(str(given["device"]))
    settings = _settings({"bundle_root": home, **given}, read_first, trust=trust)

    from medmae.bundle.from_weights import with_weights
    from medmae.bundle.workflow import Workflow  # MONAI, which takes seconds: only who runs a bundle pays

    first = find_configs(root, config.split(",")[0], read=read)
    over = {re.sub("^[+~]", "", key).replace("#", "::") for file in files if file not in first for key in read(file)}
    settings = with_weights(content, settings, given={*given, *over})
    if checked:
        refuse_targets(given)
        set_up_logging(checked.text(NAME) if NAME in checked.files else _shared_logging().read_text(encoding="utf-8"))
        workflow: Any = Workflow(content, settings)
    else:
        from monai.bundle import ConfigWorkflow

        # Overlays that all bundles share lie elsewhere than the recipe, which MONAI would warn of.
        logging.getLogger("monai.bundle.workflows").setLevel(logging.ERROR)
        log = root / NAME if (root / NAME).is_file() else _shared_logging()
        workflow = ConfigWorkflow(list(map(str, files)), logging_file=str(log), workflow_type=None, **settings)
    execution = Execution(
        workflow=workflow,
        bundle=str(bundle),
        root=root,
        config=config,
        options=dict(options or {}) or {key: str(value) for key, value in (overrides or {}).items()},
        elsewhere=home != root and bool({"bundle_root", "output_dir", "model_dir"} & given.keys()),
        read=read,
        told=told,
    )
    return execution.tell_plan() if dry_run else execution.execute()


def _settings(given: Mapping[str, object], read_first: Mapping[str, Any], *, trust: bool) -> dict[str, Any]:
    """Values that go before those of a recipe: as given, or, where that was read already, as read."""
    parts = tuple(f"{id_}::" for id_ in read_first)
    data = {
        key: value if trust and is_expression(value) else as_data(value)
        for key, value in given.items()
        if not key.startswith(parts)
    }
    return {**data, **read_first}


def _trusted(files: Sequence[Path]) -> dict[str, Any]:
    from monai.bundle import ConfigParser

    return merged({file: ConfigParser.load_config_file(file) for file in files})


def given_values(
    recipe: Ids,
    *,
    overrides: Mapping[str, object],
    options: Mapping[str, str],
    trust: bool,
    look: Callable[[Mapping[str, object]], None] = lambda _: None,
) -> dict[str, object]:
    """Values that replace those of a recipe, by their real ids; each of the kind that the recipe has there.

    Args:
        recipe: Its ids.
        overrides: Values by ids.
        options: The same as typed.
        trust: Whether what looks like an expression is one.
        look: Called with the values whose kind the recipe shows, before that of others is asked of classes: they are
            imported then, which takes seconds.
    """
    check_ids([*overrides, *options], recipe.get())
    given = {place_of(recipe, key): value for key, value in overrides.items()}
    typed = {place_of(recipe, name): text for name, text in options.items()}
    asked = {**given, **typed}
    targets = {key: value for key, value in asked.items() if key.endswith("::_target_")}
    if not trust:
        refuse_targets(targets)  # before they are imported to ask what they take
    require_places(recipe, asked, targets)

    def read(key: str) -> object:
        text, now = asked[key], value_at(recipe, key, targets)
        own = trust and is_expression(text)
        value = read_value(key, str(text), now) if key in typed and not own else text
        if not own:
            check_value(key, value, now)
        return value

    shown = {key: read(key) for key in asked if key in recipe or "::" not in key}
    look(shown)
    found = {key: shown[key] if key in shown else read(key) for key in asked}
    refuse_fractions(recipe, found)
    return found


def _shared_logging() -> Path:
    path = shared_file(Path(NAME).name)
    assert path is not None
    return path


def _refuse_renamed(content: Mapping[str, Any]) -> None:
    """Refuses old names of medmae, which MONAI would look for in vain; the checks say the same of a bundle's files."""
    for at, value in walk(content):
        is_name = isinstance(value, str) and (value.startswith("$") or at.rpartition("::")[2] == "_target_")
        if is_name and (reason := renamed_in(value)):
            raise ValueError(f"{at}: {reason}: docs/bundles.md says what recipes name")
