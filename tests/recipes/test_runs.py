"""What every training and every evaluation does, on classes that do nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch

import medmae
from data_prep.tiny.images import make
from medmae.data import Pictures, Samples
from medmae.data.augment.image import ImageAugment
from medmae.errors import DataError, SomeFailedError
from medmae.methods.mae import mae_tiny
from medmae.nn.heads import FeatureMap
from medmae.recipes import Images, Trainer
from medmae.recipes.circumstances import code, command
from medmae.recipes.evaluation import Evaluation
from medmae.recipes.settings import settings_of
from medmae.recipes.training import Training
from medmae.training import MaskedModule, OptimizerSpec, ResumableLoader, WarmupCosine
from medmae.weights.io import load_weights


class PlainTraining(Training):
    def evaluate(self, out: Path, hashes: Any) -> None:
        assert json.loads((self.output_dir / "run.json").read_text())["hashes"] == hashes
        assert not (out / "summary.json").exists()  # of an earlier run
        self.report()


class PlainEvaluation(Evaluation):
    fails = False

    def load(self, path: Path) -> None:
        load_weights(self.method, path)

    def evaluate(self, out: Path) -> None:
        out.mkdir(parents=True)
        if self.fails:
            raise SomeFailedError("one case was left out")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Images:
    source, _ = make(tmp_path_factory.mktemp("images"))
    return Images(source=source, subject_from="^(p[0-9])_")


@pytest.fixture(scope="module")
def training(images, tmp_path_factory) -> Training:
    out = tmp_path_factory.mktemp("run")
    (out / "evaluation").mkdir()
    (out / "evaluation" / "summary.json").write_text("{}")
    torch.manual_seed(0)
    method = mae_tiny(image_size=16, patch_size=8, in_channels=1)
    view = Pictures(size=16, channels=1)
    module = MaskedModule(
        method=method,
        seed=3,
        optimizer=OptimizerSpec(base_lr=0.01),
        schedule=WarmupCosine(warmup_epochs=0),
        augment={"image": ImageAugment(size=16, flip=0.25)},
    )
    run = PlainTraining(
        module=module,
        trainer=Trainer(default_root_dir=out, max_epochs=1, accumulate_grad_batches=2),
        train_loader=ResumableLoader(dataset=Samples(source=images, view=view), batch_size=8),
        network=FeatureMap(encoder=method.encoder),
        model_dir=out / "models",
        title="A run",
        bundle="none",
        record={"told": "besides"},
    )
    run.initialize()
    run.run()
    run.finalize()
    return run


def evaluation(training: Training, images: Images, out: Path, kind: type = PlainEvaluation, **more: Any) -> Evaluation:
    method = mae_tiny(image_size=16, patch_size=8, in_channels=1)
    where = {"output_dir": out, "model_dir": training.model_dir, "data": images}
    return kind(method=method, **where, title="Looked at", bundle="none", **more)


def test_a_training_leaves_weights_a_record_of_what_was_built_and_a_report(training) -> None:
    record = json.loads((training.output_dir / "run.json").read_text())
    told = record["config"]
    assert (told["seed"], told["batch_size"], told["batches_a_step"], told["epochs"]) == (3, 8, 2, 1)
    assert (told["learning_rate_per_256"], told["schedule"], told["told"]) == (0.01, "WarmupCosine", "besides")
    assert (told["image_size"], told["patch_size"], told["mask_ratio"]) == ([16, 16], [8, 8], 0.75)
    assert told["augment.image.flip"] == 0.25
    assert set(record["hashes"]) == {"model.pt", "model.safetensors", "pretraining.safetensors"}
    assert (training.output_dir / "report.html").is_file()


def test_the_record_says_when_where_and_by_which_command_and_code_and_what_was_learnt_from(training) -> None:
    record = json.loads((training.output_dir / "run.json").read_text())
    assert datetime.fromisoformat(record["finished"]).tzinfo is not None
    assert record["command"] == command(sys.argv)
    assert record["code"].startswith(f"medmae {medmae.__version__}")
    assert " core" in record["hardware"]
    samples = training.samples
    assert record["trained_on"] == {
        "samples": len(samples), "noun": "image", "subjects": sorted(set(samples.subjects.tolist()))
    }  # fmt: skip
    encoder = medmae.load_encoder(record["paths"]["weights"])
    name, weights = next(iter(training.method.encoder.state_dict().items()))
    assert torch.equal(encoder.state_dict()[name], weights)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["/venv/bin/medmae", "run", "x", "train", "--title", "two words"], "medmae run x train --title 'two words'"),
        (["/site/medmae/__main__.py", "demo"], "medmae demo"),
        (["study.py", "3"], "python study.py 3"),
        ([""], "an interactive Python session"),
        (["/site/ipykernel_launcher.py", "-f", "x.json"], "an interactive Python session"),
    ],
)
def test_a_command_is_told_as_it_would_be_typed(words, told) -> None:
    assert command(words) == told


def test_of_a_checkout_the_commit_is_told_and_of_a_package_the_version_alone(tmp_path) -> None:
    assert code(tmp_path) == f"medmae {medmae.__version__}"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "a.py").write_text("1")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    short = code(tmp_path).rpartition(" ")[2]
    assert len(short) >= 7
    assert commit.startswith(short)
    (tmp_path / "a.py").write_text("2")
    assert code(tmp_path).endswith(f"{short}-dirty")


def test_a_rate_that_is_not_scaled_is_called_so(training) -> None:
    spec = training.module.optimizer_spec
    training.module.optimizer_spec = OptimizerSpec(base_lr=0.5, scale_by_batch=False)
    told = settings_of(training.module, trainer=training.trainer, loader=training.train_loader)
    training.module.optimizer_spec = spec
    assert told["learning_rate"] == 0.5
    assert "learning_rate_per_256" not in told


def test_an_evaluation_loads_weights_and_records_whom_it_looked_at(training, images, tmp_path) -> None:
    run = evaluation(training, images, tmp_path)
    run.initialize()
    weights = training.method.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in run.method.state_dict().items())
    run.run()
    run.finalize()
    told = json.loads((tmp_path / "run.json").read_text())
    assert (told["config"]["split"], told["config"]["transductive"]) == ("test", False)
    assert told["paths"]["model_dir"] == str(training.model_dir)


def test_where_those_came_from_whom_weights_have_seen_is_told_further(training, images, tmp_path) -> None:
    record = training.output_dir / "run.json"
    before = record.read_text()
    known = json.loads(before)
    known["data"]["origins"] = {
        "simulated": known["data"]["subjects"]["train"],
        "real": known["data"]["subjects"]["val"],
    }
    record.write_text(json.dumps(known))
    run = evaluation(training, images, tmp_path)
    run.initialize()
    run.run()
    run.finalize()
    record.write_text(before)
    assert json.loads((tmp_path / "run.json").read_text())["weights_origins"] == ["simulated"]


def test_an_evaluation_on_those_who_were_trained_on_is_refused_before_anything_goes(training, images, tmp_path) -> None:
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "summary.json").write_text("{}")
    with pytest.raises(DataError, match="seen"):
        evaluation(training, images, tmp_path, split="train").initialize()
    assert (tmp_path / "evaluation" / "summary.json").exists()
    with pytest.warns(UserWarning, match="transductive"):
        evaluation(training, images, tmp_path, split="train", transductive=True).initialize()
    assert not (tmp_path / "evaluation" / "summary.json").exists()


def test_an_evaluation_does_not_begin_over_the_record_of_a_training(training, images) -> None:
    with pytest.raises(DataError, match="record of a training"):
        evaluation(training, images, training.output_dir).initialize()


def test_what_was_left_out_is_told_when_all_is_recorded(training, images, tmp_path) -> None:
    run = evaluation(training, images, tmp_path)
    run.initialize()
    run.fails = True  # type: ignore[attr-defined]
    run.run()
    with pytest.raises(SomeFailedError, match="one case was left out"):
        run.finalize()
    assert (tmp_path / "report.html").is_file()
