"""What is printed when a training is over."""

from __future__ import annotations

from pathlib import Path

from medmae.bundle.next_steps import next_commands
from medmae.bundle.shipped import read_yaml, shipped


class Done:
    """A training that is over; it knows of data for some uses."""

    def __init__(self, *, weights="pretraining.safetensors", axes=2, **data):
        self.axes = axes
        self.weights, self.model_dir, self.output_dir = weights, Path("out/models"), Path("out")
        self.data = data

    def data_for(self, wanted):
        return self.data.get(wanted)


def commands(bundle, training, *, elsewhere=False, **config):
    root = shipped()[bundle]
    return next_commands(training, bundle=bundle, root=root, config=config, elsewhere=elsewhere, read=read_yaml)


def test_every_use_of_the_weights_is_told_with_the_data_that_it_takes():
    told = commands("mr_edge_mae_pretraining", Done(held_out=Path("prepared"), volumes=Path("raw dir")))
    assert told == [
        "medmae run mr_edge_mae_pretraining evaluate --dataset_dir prepared --model_dir out/models",
        "medmae run mr_edge_mae_pretraining inference --dataset_dir 'raw dir' --model_dir out/models",
        "medmae export out/models/pretraining.safetensors out/models/encoder.safetensors --to encoder",
        "medmae report out",
    ]


def test_what_there_is_no_data_for_is_not_told():
    told = commands("image_mae_pretraining", Done(samples=Path("images")))
    assert [line.split()[3] for line in told if line.startswith("medmae run")] == ["inference"]
    told = commands("image_mae_pretraining", Done(samples=Path("i"), held_out=Path("i"), classes=Path("i")))
    assert [line.split()[3] for line in told if line.startswith("medmae run")] == [
        "evaluate",
        "inference",
        "downstream",
    ]


def test_weights_of_another_training_are_not_offered():
    told = commands("pathology_he_phenotyping", Done(weights="classifier.safetensors", held_out=Path("t")))
    assert [line.split()[3] for line in told if line.startswith("medmae run")] == ["evaluate"]


def test_options_that_differ_and_matter_are_carried_over():
    done = Done(held_out=Path("p"), samples=Path("p"))
    told = commands(
        "image_mae_pretraining", done, fractions=[0.5, 0.0, 0.5], seed=3, epochs=2, split="train", mask_ratio=0.75
    )
    assert told[0].endswith("--model_dir out/models --fractions '[0.5, 0.0, 0.5]'")
    assert told[1].endswith("--model_dir out/models")


def test_results_elsewhere_bring_those_of_the_uses_there():
    told = commands("image_mae_pretraining", Done(samples=Path("images")), elsewhere=True)
    assert told[0].endswith("--model_dir out/models --output_dir out/inference")


def test_weights_of_volumes_are_not_offered_to_what_reads_slices():
    view = {"_target_": "medmae.data.Crops"}
    done = Done(axes=3, held_out=Path("prepared"), volumes=Path("raw"))
    told = commands("mr_edge_mae_pretraining", done, view=view)
    assert [line.split()[1] for line in told] == ["export", "report"]
    done = Done(held_out=Path("prepared"), volumes=Path("raw"))
    told = commands("mr_edge_mae_pretraining", done, view={"_target_": "medmae.data.Slices"})
    assert [line.split()[1] for line in told] == ["run", "run", "export", "report"]
