"""Where the figures of a training go while it runs: always a table, and beside it what one word names."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medmae.errors import DataError

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger


def require_logger(name: str) -> None:
    """Refuses a logger that is none, or is not installed; nothing is imported.

    Raises:
        DataError: With those that there are.
        ModuleNotFoundError: If its package is not installed.
    """
    if name not in LOGGERS:
        raise DataError(
            "there is no such logger", field="logger", value=name, remedy=f"choose one of {', '.join(LOGGERS)}"
        )
    if name != "csv" and find_spec(name) is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def loggers(name: str | None, *, root: str | Path) -> list[Logger]:
    """The table ``logs/metrics.csv``, which reports read, and one further logger.

    Args:
        name: ``csv`` (the table alone), ``tensorboard``, ``wandb`` or ``mlflow``; None: TensorBoard's, where it is
            installed.
        root: Run directory; receives ``logs/`` and ``tensorboard/`` or ``wandb/``.

    Raises:
        DataError: If there is no such logger, or MLflow is not told of its server.
        ModuleNotFoundError: If its package is not installed.
    """
    if name is None:
        name = "tensorboard" if find_spec("tensorboard") else "csv"
    require_logger(name)
    from pytorch_lightning.loggers import CSVLogger

    table = CSVLogger(root, name="", version="logs")
    if name == "csv":
        return [table]
    return [table, LOGGERS[name](Path(root))]


def _tensorboard(root: Path) -> Logger:
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(root, name="", version="tensorboard")


def _wandb(root: Path) -> Logger:
    """Figures alone: what is printed, the command, the code and the machine name files and patients, and stay here."""
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    private: Any = wandb.Settings(console="off", disable_git=True, save_code=False, x_disable_meta=True)
    root.mkdir(parents=True, exist_ok=True)
    project = os.environ.get("WANDB_PROJECT", "medmae")
    return WandbLogger(project=project, save_dir=root, settings=private, log_model=False)


def _mlflow(root: Path) -> Logger:
    """Where ``MLFLOW_TRACKING_URI`` says; MLflow also notes the user and the program."""
    where = os.environ.get("MLFLOW_TRACKING_URI")
    if not where:
        raise DataError(
            "MLflow is not told where its server is",
            field="MLFLOW_TRACKING_URI",
            value=where,
            remedy="export MLFLOW_TRACKING_URI=http://... (or sqlite:///mlflow.db, with the whole package mlflow)",
        )
    from pytorch_lightning.loggers import MLFlowLogger

    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", "medmae")
    return MLFlowLogger(experiment_name=experiment, tracking_uri=where, save_dir=str(root), log_model=False)


LOGGERS: dict[str, Callable[[Path], Any]] = {
    "csv": lambda _: None,
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
