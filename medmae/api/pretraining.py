"""Pre-training by a shipped recipe, called from Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import find_config, read_yaml, shipped
from medmae.errors import check_choice, mistake
from medmae.methods.registry import methods
from medmae.recipes.training import Training


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
        return self.folder / "models" / Training.weights

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
    check_choice(method, list(recipes), name="method")
    if preset is not None:
        presets = methods()[method].presets
        check_choice(preset, list(presets), name="preset")
        settings["method::_target_"] = f"{presets[preset].__module__}.{presets[preset].__qualname__}"
    places = {"dataset_dir": str(data), "bundle_root": str(out)}
    try:
        return Run(run_bundle(recipes[method], config, overrides={**places, **settings}))
    except RuntimeError as error:
        if (cause := mistake(error)) is None:
            raise
        raise cause from error


def _recipes() -> dict[str, Path]:
    """Bundles by the name of the method that their ``train`` builds."""
    by_module = {spec.cls.__module__: spec.name for spec in methods().values()}
    found: dict[str, Path] = {}
    for folder in shipped().values():
        content = read_yaml(find_config(folder, "train"))
        target = content["method"]["_target_"] if isinstance(content, dict) else ""
        if (module := target.rpartition(".")[0]) in by_module:
            found[by_module[module]] = folder
    return found
