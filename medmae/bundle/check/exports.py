"""Check 24: TorchScript and ONNX give what the network gives, where the bundle declares them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ckpt_export, onnx_export

from medmae.bundle.check.finding import Problem
from medmae.bundle.check.trial import Trial

_TOLERANCE = {"torchscript": 1e-5, "onnx": 1e-4}


def exports(trial: Trial) -> Iterator[Problem]:
    """Each declared format is written by MONAI's own command, loaded, and compared on one random image."""
    declared = trial.settings["exports"]
    network = trial.network()
    image = torch.rand(*declared.get("input_shape", (1, 1, 64, 64)), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network(image).numpy()
    for kind, export in (("torchscript", _torchscript), ("onnx", _onnx)):
        wanted = declared.get(kind)
        if wanted is not True:
            if not isinstance(wanted, str):
                at = f"medmae_check::exports::{kind}"
                yield Problem(f"configs/metadata.json: {at}", "is not declared", "say true, or why it is not possible")
            continue
        if kind == "onnx" and importlib.util.find_spec("onnxruntime") is None:
            yield Problem("exports", "onnxruntime is not here", "pip install onnx onnxscript onnxruntime", "warning")
            continue
        difference = float(np.abs(export(trial, image) - expected).max())
        if not difference <= _TOLERANCE[kind]:
            yield Problem("configs/inference", f"as {kind} it differs by {difference:.2g}", "look at network_def")


def _common(trial: Trial, kind: str) -> tuple[Path, dict[str, Any]]:
    folder, overrides = trial.models
    path = trial.work / f"model.{kind}"
    where = {"meta_file": trial.metadata(), "config_file": trial.config("inference")}
    return path, {
        "net_id": "network_def",
        "filepath": str(path),
        "ckpt_file": str(folder / "model.pt"),
        **where,
        **overrides,
    }


def _torchscript(trial: Trial, image: torch.Tensor) -> np.ndarray:
    path, arguments = _common(trial, "ts")
    ckpt_export(**arguments)
    with torch.no_grad():
        result: np.ndarray = torch.jit.load(str(path))(image).numpy()
    return result


def _onnx(trial: Trial, image: torch.Tensor) -> np.ndarray:
    import onnxruntime

    path, arguments = _common(trial, "onnx")
    onnx_export(**arguments, input_shape=list(image.shape))
    session = onnxruntime.InferenceSession(str(path))
    result: np.ndarray = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    return result
