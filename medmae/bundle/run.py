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
from medmae.bundle.execution import Execution, Told
from medmae.bundle.overrides import check_value, read_value
from medmae.bundle.places import check_ids, is_expression, place_of, refuse_fractions, value_at
from medmae.bundle.renamed import renamed_in
from medmae.bundle.shipped import find_bundle, find_config, find_configs, read_yaml, shared_file, shipped

_SPECIAL = frozenset("#$@%")  # what MONAI's parser does not leave as it is


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
    home = Path("runs", root.name) if root in shipped().values() else root
    given = given_values(Ids(content), overrides=overrides or {}, options=options or {}, trust=trust)
    _refuse_renamed({**content, **given})
    settings = {
        "bundle_root": as_data(home),
        **{key: value if trust and is_expression(value) else as_data(value) for key, value in given.items()},
    }
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


def _trusted(files: Sequence[Path]) -> dict[str, Any]:
    from monai.bundle import ConfigParser

    return merged({file: ConfigParser.load_config_file(file) for file in files})


def given_values(
    recipe: Ids,
    *,
    overrides: Mapping[str, object],
    options: Mapping[str, str],
    trust: bool,
) -> dict[str, object]:
    """Values that replace those of a recipe, by their real ids; each of the kind that the recipe has there."""
    check_ids([*overrides, *options], recipe.get())
    given = {place_of(recipe, key): value for key, value in overrides.items()}
    typed = {place_of(recipe, name): text for name, text in options.items()}
    targets = {key: value for key, value in {**given, **typed}.items() if key.endswith("::_target_")}
    if not trust:
        refuse_targets(targets)  # before they are imported to ask what they take
    now = {key: value_at(recipe, key, targets) for key in {**given, **typed}}
    for key, text in typed.items():
        given[key] = text if trust and is_expression(text) else read_value(key, text, now[key])
    refuse_fractions(recipe, given)
    for key, value in given.items():
        if not (trust and is_expression(value)):
            check_value(key, value, now[key])
    return given


def _shared_logging() -> Path:
    path = shared_file(Path(NAME).name)
    assert path is not None
    return path


def as_data(value: object) -> Any:  # noqa: ANN401
    """A value that MONAI's parser gives back as it is: a text that it would read otherwise is made by a call."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str):
        return {"_target_": partial(str, value)} if _SPECIAL & set(value) else value
    if isinstance(value, list):
        return [as_data(item) for item in value]
    if isinstance(value, dict):
        return {key: as_data(item) for key, item in value.items()}
    return value


def _refuse_renamed(content: Mapping[str, Any]) -> None:
    """Refuses old names of medmae, which MONAI would look for in vain; the checks say the same of a bundle's files."""
    for at, value in walk(content):
        is_name = isinstance(value, str) and (value.startswith("$") or at.rpartition("::")[2] == "_target_")
        if is_name and (reason := renamed_in(value)):
            raise ValueError(f"{at}: {reason}: docs/bundles.md says what recipes name")
