"""Runs one configuration of a bundle in this process: what was checked of it, or, if it is trusted, as MONAI does."""

from __future__ import annotations

import difflib
import inspect
import logging
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from medmae.bundle.check.ids import references, walk
from medmae.bundle.check.logging_conf import NAME, set_up_logging
from medmae.bundle.check.refuse import require_safe
from medmae.bundle.overrides import UNKNOWN, check_value, read_value
from medmae.bundle.renamed import ARGUMENTS, renamed_in
from medmae.bundle.shipped import find_bundle, find_config, find_configs, read_yaml, shared_file, shipped

_SPECIAL = frozenset("#$@%")  # what MONAI's parser does not leave as it is


def run_bundle(
    bundle: str | Path,
    config: str,
    *,
    overrides: Mapping[str, object] | None = None,
    options: Mapping[str, str] | None = None,
    trust: bool = False,
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

    from monai.bundle import ConfigParser, ConfigWorkflow  # seconds to import: only who runs a bundle pays

    from medmae.bundle.workflow import Workflow, checked_config, content_of, refuse_targets

    files = find_configs(root, config, read=partial(content_of, checked) if checked else read_yaml)
    content = checked_config(checked, files) if checked else ConfigParser.load_config_files(list(map(str, files)))
    home = Path("runs", root.name) if root in shipped().values() else root
    given = _given(ConfigParser(content), overrides=overrides or {}, options=options or {}, trust=trust)
    _refuse_renamed({**content, **given})
    settings = {
        "bundle_root": as_data(home),
        **{key: value if trust and _is_expression(value) else as_data(value) for key, value in given.items()},
    }
    if checked:
        refuse_targets(given)
        set_up_logging(checked.text(NAME) if NAME in checked.files else _shared_logging().read_text(encoding="utf-8"))
        workflow: Any = Workflow(content, settings)
    else:
        # Overlays that all bundles share lie elsewhere than the recipe, which MONAI would warn of.
        logging.getLogger("monai.bundle.workflows").setLevel(logging.ERROR)
        log = root / NAME if (root / NAME).is_file() else _shared_logging()
        workflow = ConfigWorkflow(list(map(str, files)), logging_file=str(log), workflow_type=None, **settings)
    try:
        workflow.initialize()
    except RuntimeError as error:
        _refuse_arguments(error)
        raise
    workflow.run()
    workflow.finalize()
    place = "output_dir" if "output_dir" in workflow.parser else "bundle_root"
    return Path(workflow.parser.get_parsed_content(place))


def _given(
    recipe: Any,  # noqa: ANN401 (MONAI's parser, imported when it is needed)
    *,
    overrides: Mapping[str, object],
    options: Mapping[str, str],
    trust: bool,
) -> dict[str, object]:
    """Values that replace those of a recipe, by their real ids; each of the kind that the recipe has there."""
    _check_ids([*overrides, *options], recipe.get())
    given = {_real_id(recipe, key): value for key, value in overrides.items()}
    for name, text in options.items():
        key = _real_id(recipe, name)
        given[key] = text if trust and _is_expression(text) else read_value(key, text, _value(recipe, key))
    for key, value in given.items():
        if not (trust and _is_expression(value)):
            check_value(key, value, _value(recipe, key))
    return given


def _is_expression(value: object) -> bool:
    return isinstance(value, str) and value[:1] in ("$", "@", "%")


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


def _real_id(recipe: Any, name: str) -> str:  # noqa: ANN401 (as below)
    """Where an id leads: parts of a reference are parts of what it refers to, and sizes of samples are their view's."""
    from medmae.data import Samples

    parts = name.replace("#", "::").split("::")
    for count in range(1, len(parts)):
        parent, rest = "::".join(parts[:count]), parts[count:]
        value = recipe.get(parent)
        if isinstance(value, str) and value.startswith("@"):
            return _real_id(recipe, "::".join([value[1:], *rest]))
        if isinstance(value, str) and value.startswith("$"):
            raise ValueError(f"--{name}: {parent} is {value}, of which no part can be set; set what it is made of")
        of_samples = isinstance(value, dict) and value.get("_target_") == "medmae.data.Samples"
        if of_samples and rest[0] not in {"_target_", *inspect.signature(Samples).parameters}:
            return _real_id(recipe, "::".join([parent, "view", *rest]))
    return "::".join(parts)


def _value(recipe: Any, key: str) -> object:  # noqa: ANN401 (MONAI's parser, imported when it is needed)
    """What a recipe has under an id, or where that refers to."""
    value = recipe.get(key, UNKNOWN)
    for _ in range(10):
        if not isinstance(value, str) or not value.startswith("@"):
            break
        value = recipe.get(value[1:], UNKNOWN)
    return UNKNOWN if _is_expression(value) else value


def _refuse_renamed(content: Mapping[str, Any]) -> None:
    """Refuses old names of medmae, which MONAI would look for in vain; the checks say the same of a bundle's files."""
    for at, value in walk(content):
        is_name = isinstance(value, str) and (value.startswith("$") or at.rpartition("::")[2] == "_target_")
        if is_name and (reason := renamed_in(value)):
            raise ValueError(f"{at}: {reason}: docs/bundles.md says what recipes name")


def _refuse_arguments(error: RuntimeError) -> None:
    """Says in a line which argument a class does not take, or misses, where MONAI says that it was not made."""
    text = str(error.__cause__)
    found = re.match(r"(\w+)\.__init__\(\) (?:got an unexpected|missing) .*?'(\w+)'", text)
    if isinstance(error.__cause__, TypeError) and found:
        hint = ARGUMENTS.get(found[2], "see its documentation for those that it takes")
        raise ValueError(f"{text.replace('.__init__()', '')}: {hint}") from error


def _check_ids(names: Iterable[str], recipe: Mapping[str, Any]) -> None:
    """Refuses a misspelt id, and one that nothing which is run depends on: its value would be lost in silence.

    The first part of an id must stand in the configuration, or be one that MONAI's tools know.
    """
    own = {"bundle_root", "output_dir"}
    tops, used = recipe.keys() | own, _used(recipe) | own
    for name in names:
        top = name.replace("#", "::").split("::")[0]
        if top not in tops:
            near = difflib.get_close_matches(top, tops, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(tops))}"
            raise ValueError(f"--{name}: the configuration has no {top!r}; {hint}")
        if top not in used:
            raise ValueError(f"--{name}: nothing that this configuration runs depends on {top!r}: leave it out")


def _used(recipe: Mapping[str, Any]) -> set[str]:
    """Ids of the top that what is run refers to, and these refer to, and so on."""
    used: set[str] = set()
    wanted = {"imports", "initialize", "run", "finalize"} & recipe.keys()
    while wanted:
        top = wanted.pop()
        used.add(top)
        texts = [value for _, value in walk(recipe[top]) if isinstance(value, str)]
        found = {id_.partition("::")[0] for text in texts for id_ in references(text.replace("%", "@", 1))}
        wanted |= (found & recipe.keys()) - used
    return used
