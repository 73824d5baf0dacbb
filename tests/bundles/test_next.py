"""What a training prints at its end works as it is printed, and so does what it keeps of its settings."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from monai.bundle import ConfigWorkflow

from data_prep.tiny import make
from medmae.bundle.kept import as_yaml
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import shipped
from medmae.cli import main

# What a command is given besides what is printed, so that it ends in seconds.
QUICK = {"downstream": ["--epochs", "1", "--seeds", "[0]", "--few", "2"]}


def trained(name: str, folder: Path) -> tuple[Path, list[str]]:
    """Results of a tiny training of a shipped bundle, with what it said could follow."""
    about = json.loads((shipped()[name] / "configs" / "metadata.json").read_text(encoding="utf-8"))["medmae_check"]
    data, _ = make(about["data"], folder / "data")
    told: list[str] = []
    options = {**about.get("overrides", {}), **about.get("train", {}), "epochs": 1, "dataset_dir": str(data)}
    options.pop("train::dataset::view::dtype", None)
    typed = {key: as_yaml(value) for key, value in options.items()}
    out = run_bundle(name, "train", options=typed, told=lambda _, commands: told.extend(commands))
    return out, told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "uses"),
    [
        ("mr_edge_mae_pretraining", ["evaluate", "inference"]),
        ("mr_mt_unet_synthesis", ["evaluate", "inference"]),
        ("image_mae_pretraining", ["evaluate", "inference", "downstream"]),
        ("image_classification", ["evaluate", "inference"]),
        ("pathology_he_mmae_pretraining", ["evaluate", "inference"]),
        ("video_mae_pretraining", ["evaluate", "inference", "downstream"]),
    ],
)
def test_every_command_that_can_follow_does(name, uses, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    out, told = trained(name, tmp_path)
    assert [line.split()[3] for line in told if line.startswith("medmae run")] == uses
    assert [line.split()[1] for line in told[-2:]] == ["export", "report"]
    known = {"image_size", "patch_size", "channels", "frames", "stride", "classes", "subject_from", "fractions"}
    assert not {f"--{name}" for name in known} & set(shlex.split(" ".join(told)))
    for line in told:
        words = shlex.split(line)
        with pytest.raises(SystemExit) as ended:
            main([*words[1:], *QUICK.get(words[-1] if words[1] == "report" else words[3], [])])
        assert not ended.value.code, f"{line}\n{capfd.readouterr().err[-1500:]}"
    kept = {path.name.partition("-20")[0]: path for path in Path().rglob("settings/*.yaml")}
    assert set(kept) == {"train", *uses}
    if name == "mr_edge_mae_pretraining":
        again = ConfigWorkflow(str(kept["evaluate"]), workflow_type=None, logging_file=False)
        again.initialize()
        again.run()
        again.finalize()
        assert (out / "eval" / "report.html").is_file()
