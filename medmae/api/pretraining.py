"""Pre-training by a shipped recipe, called from Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medmae.arguments import nearest
from medmae.bundle.check.ids import overlaid
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import configs, find_config, find_configs, read_yaml, shared_configs, shipped
from medmae.errors import mistake
from medmae.weights.names import PRETRAINING


@dataclass(frozen=True)
class Run:
    """What a training left.

    Attributes:
        folder: Weights, checkpoints, logs and the report lie here.
    """

    folder: Path

    @property
    def weights(self) -> Path:
        """Of the whole method, for :func:`medmae.load_encoder`."""
        return self.folder / "models" / PRETRAINING

    @property
    def report(self) -> Path:
        """A page to look at."""
        return self.folder / "report.html"


def pretrain(
    method: str,
    data: str | Path,
    *,
    out: str | Path,
    preset: str | None = None,
    config: str = "train",
    **settings: object,
) -> Run:
    """Trains a method by its recipe, as ``medmae run BUNDLE CONFIG`` does, and reports.

    Args:
        method: A name of :func:`medmae.methods` that has a recipe.
        data: Its ``dataset_dir``: a folder of images, or what ``medmae prep`` wrote.
        out: The run directory.
        preset: Sizes of the network, one of the method's presets; None takes those of the recipe.
        config: Configuration of the recipe: ``train`` at the size of the paper, ``train,demo`` in minutes on a CPU.
        settings: Of the recipe: ``epochs=5``, ``image_size=64``, ``**{"method::embed_dim": 96}``.

    Raises:
        ValueError: If a name or a setting does not exist, or no recipe trains the method, with those that do.
        DataError: If the data cannot be used.
    """
    recipes = _recipes()
    if method not in recipes:
        raise ValueError(f"method: no recipe trains {method!r}; {nearest(method, recipes)}")
    _require_training(recipes[method], config)
    if preset is not None:
        from medmae.methods.registry import methods  # seconds, for torch

        presets = methods()[method].presets
        if preset not in presets:
            raise ValueError(f"preset: {method} has no {preset!r}; {nearest(preset, presets)}")
        settings["method::_target_"] = f"{presets[preset].__module__}.{presets[preset].__qualname__}"
    places = {"dataset_dir": str(data), "bundle_root": str(out)}
    try:
        return Run(run_bundle(recipes[method], config, overrides={**places, **settings}))
    except RuntimeError as error:
        if (cause := mistake(error)) is None:
            raise
        raise cause from error


def _require_training(bundle: Path, config: str) -> None:
    """Refuses what is no training, before anything heavy is imported."""
    known = [*configs(bundle), *shared_configs()]
    for name in map(str.strip, config.split(",")):
        if name not in known:
            raise ValueError(f"config: {bundle.name} has no configuration {name!r}; {nearest(name, known)}")
    tree, _ = overlaid(content for path in find_configs(bundle, config) if isinstance(content := read_yaml(path), dict))
    if "training" not in tree:
        raise ValueError(f"config: {config!r} trains nothing; write 'train', or 'train,demo' for a small one")


def _recipes() -> dict[str, Path]:
    """Bundles by the name of the method that their ``train`` builds: that of its module. None is imported for it."""
    found: dict[str, Path] = {}
    for folder in shipped().values():
        content = read_yaml(find_config(folder, "train"))
        module, _, preset = str(content["method"]["_target_"] if isinstance(content, dict) else "").rpartition(".")
        package, _, name = module.rpartition(".")
        if package == "medmae.methods" and preset.startswith(f"{name}_"):  # a preset of the method; tasks name a class
            found[name] = folder
    return found
