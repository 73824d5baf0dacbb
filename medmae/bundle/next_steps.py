"""What can be done after a training: commands that work as they are printed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from pydoc import locate
from typing import Any, Protocol

from medmae.bundle.check.ids import overlaid, walk
from medmae.bundle.kept import as_yaml
from medmae.bundle.places import is_expression, used_ids
from medmae.bundle.shipped import configs, find_configs

_USES = ("evaluate", "inference", "downstream")
# Of a training, and not of what is done with its weights.
_OWN = frozenset(
    {"accumulate", "allow_changes", "batch_size", "bundle_root", "checkpoint", "compiled", "dataset_dir", "device"}
    | {"epochs", "manifest", "model_dir", "num_workers", "output_dir", "pretrained", "recompute", "seed", "split"}
)


class Trained(Protocol):
    """What a training tells when it is over; see :class:`medmae.recipes.training.Training`."""

    weights: str
    model_dir: Path

    @property
    def axes(self) -> int:
        """How many axes its data have."""

    @property
    def output_dir(self) -> Path:
        """The run directory."""

    def data_for(self, wanted: str) -> Path | None:
        """Data that its weights can be used on; None if it knows of none."""


def next_commands(
    training: Trained,
    *,
    bundle: str,
    root: Path,
    config: Mapping[str, Any],
    elsewhere: bool,
    read: Callable[[Path], Any],
) -> list[str]:
    """Commands that evaluate, use, export and report what was trained.

    Args:
        training: That is over.
        bundle: As it was typed.
        root: Its folder.
        config: Ids and values of the training.
        elsewhere: Whether results go to another folder than by default: theirs go below it then.
        read: Gives what a configuration holds.
    """
    from medmae.bundle.from_weights import with_weights  # MONAI, which has been needed by now
    from medmae.weights.about import read_about

    splits = read_about(training.model_dir / training.weights).get("splits") or {}
    commands = []
    for name in (one for one in _USES if one in configs(root)):
        tree, _ = overlaid([read(path) for path in find_configs(root, name, read=read)])
        recipe: Any = locate(str(tree.get("evaluator", {}).get("_target_")))
        ours = recipe is not None and getattr(recipe, "weights", training.weights) == training.weights
        ours = ours and getattr(recipe, "axes", training.axes) == training.axes and _same_view(config, tree)
        data = training.data_for(getattr(recipe, "wants", "samples")) if ours else None
        if data is not None:
            words = ["medmae", "run", bundle, name, "--dataset_dir", str(data), "--model_dir", str(training.model_dir)]
            words += ["--output_dir", str(training.output_dir / name)] if elsewhere else []
            known = {*with_weights(tree, {"model_dir": str(training.model_dir)}, given=()), *splits}
            commands.append([*words, *_carried(config, tree, known=known)])
    weights, encoder = training.model_dir / training.weights, training.model_dir / "encoder.safetensors"
    commands.append(["medmae", "export", str(weights), str(encoder), "--to", "encoder"])
    commands.append(["medmae", "report", str(training.output_dir)])
    return [shlex.join(words) for words in commands]


def _same_view(config: Mapping[str, Any], tree: Mapping[str, Any]) -> bool:
    """Whether samples are cut as in training: weights of crops of volumes are not evaluated on slices."""
    views = [config.get("view"), tree.get("dataset", {}).get("view")]
    targets = {view["_target_"] for view in views if isinstance(view, dict) and "_target_" in view}
    return len(targets) < 2


def _carried(config: Mapping[str, Any], tree: Mapping[str, Any], *, known: Collection[str]) -> Iterator[str]:
    """Options in which a training differed from what the use of its weights takes by itself, or from them."""
    for name in sorted((tree.keys() & config.keys() & used_ids(tree)) - _OWN - set(known)):
        if config[name] != tree[name] and _is_plain(config[name]) and _is_plain(tree[name]):
            yield f"--{name}"
            yield as_yaml(config[name])


def _is_plain(value: Any) -> bool:  # noqa: ANN401
    return not any(is_expression(one) or (isinstance(one, dict) and "_target_" in one) for _, one in walk(value))
