"""What can be set in a configuration, as ``medmae run BUNDLE CONFIG --help`` lists it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from medmae.bundle.check.ids import RUN_KEY
from medmae.bundle.meanings import meaning
from medmae.bundle.settings import comments, settings_of, summary_of
from medmae.bundle.shipped import BASE_KEY, configs, find_config, read_yaml, shipped
from medmae.cli import main

TRAIN = """
# Trains a toy.
# Twice.
bundle_root: .
rate: 0.5  # of learning, in #1 units
size: [1,
  2]  # of both axes
words: 'a # b'
batch_size: 4
unused: 3
device: $torch.device('cpu')
loader: {_target_: medmae.training.ResumableLoader, batch_size: '@batch_size'}
parts: '@loader'
run: ['$print(@rate, @size, @words, @parts, @device)']
"""
SMALL = """
# A small toy.
rate: 2  # of a small one
loader::seed: 5
+loader: {num_workers: 1}
"""


def runnable(name: str, folder, config: str) -> str:
    content = read_yaml(find_config(folder, config))
    return config if {RUN_KEY, BASE_KEY} & content.keys() else f"train,{config}"


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "train.yaml").write_text(TRAIN.lstrip())
    (tmp_path / "configs" / "small.yaml").write_text(SMALL.lstrip())
    return tmp_path


@pytest.mark.parametrize(("name", "folder"), shipped().items(), ids=list(shipped()))
def test_every_setting_of_a_shipped_bundle_has_a_meaning(name, folder):
    for config in [*configs(folder), "multi_gpu_train"]:
        found = settings_of(folder, runnable(name, folder, config))
        assert [setting.name for setting in found if not setting.meaning] == [], config
        assert {"dataset_dir", "output_dir", "model_dir"} <= {setting.name for setting in found}, config


def test_comments_and_documentation_say_what_a_setting_means(toy):
    found = {setting.name: setting for setting in settings_of(toy, "train")}
    assert list(found) == ["rate", "size", "words", "batch_size", "device"]  # what is unused cannot be set
    assert (found["rate"].value, found["rate"].meaning) == ("0.5", "of learning, in #1 units")
    assert (found["size"].value, found["size"].meaning) == ("[1, 2]", "of both axes")
    assert (found["words"].value, found["words"].meaning) == ("a # b", "")
    assert found["batch_size"].meaning == "Samples a step, of each process"


def test_an_overlay_changes_values_and_says_its_own(toy):
    found = {setting.name: setting for setting in settings_of(toy, "train,small")}
    assert (found["rate"].value, found["rate"].meaning) == ("2", "of a small one")
    assert found["loader::seed"].value == "5"
    assert found["loader::num_workers"].meaning == "Processes that read ahead; any number gives the same batches"


def test_what_cannot_be_run_alone_is_told_with_what_can(toy):
    with pytest.raises(ValueError, match=r"small sets a part of what is not there \(loader::seed\).*train,small"):
        settings_of(toy, "small")


def test_meanings_are_found_through_bases_unpacked_types_and_what_a_function_returns():
    assert meaning("medmae.recipes.FineTuning", "checkpoint").startswith("Resume from this file")
    assert meaning("medmae.methods.mae.mae_base", "num_heads") == "Attention heads; 12"
    assert meaning("medmae.recipes.Trainer", "precision") == "See Lightning"
    assert meaning("medmae.recipes.Trainer", "nothing") is None
    assert meaning("torch.optim.AdamW", "lr") is None
    assert meaning("medmae.no_room.Thing", "lr") is None


def test_comments_of_a_file_and_what_it_begins_with(toy):
    path = toy / "configs" / "train.yaml"
    assert comments(path) == {"rate": "of learning, in #1 units", "size": "of both axes"}
    assert summary_of(path) == "Trains a toy. Twice."


def told(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["run", *arguments])
    assert not ended.value.code
    return " ".join(capsys.readouterr().out.split())


def test_the_command_lists_settings_configurations_or_its_own_options(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("medmae.cli.run_help.console.width", 200)
    settings = told(capsys, "mr_edge_mae_pretraining", "train,demo", "--epochs", "3", "--help")
    assert "--steps_per_epoch 100 of samples that are drawn with replacement" in settings
    assert "--method::_target_ medmae.methods.edge_mae.edge_mae_demo" in settings
    assert "inference NIfTI in" in told(capsys, "mr_edge_mae_pretraining", "-h")
    assert "--dry-run" in told(capsys, "--help")


def test_a_misspelt_configuration_is_named(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", "mr_edge_mae_pretraining", "trian", "--help"])
    assert ended.value.code == 2
    assert "has no configuration 'trian': it has demo" in capsys.readouterr().err


def test_help_imports_no_torch():
    code = "import sys; from medmae.cli import main\ntry: main(['run', 'image_mae_pretraining', 'train', '--help'])"
    code += "\nexcept SystemExit: pass\nassert 'torch' not in sys.modules and 'monai' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(("name", "folder"), shipped().items(), ids=list(shipped()))
def test_no_value_is_an_expression_of_monai(name, folder):
    for config in configs(folder):
        found = {setting.name: setting.value for setting in settings_of(folder, runnable(name, folder, config))}
        assert [value for value in found.values() if value.startswith(("$", "@", "%"))] == []
        assert found["bundle_root"] == f"runs/{name}"
        assert found["device"] == "chosen at start: the GPU, if there is one"
        assert found["model_dir"] == f"runs/{name}/models"


def test_values_are_those_that_a_run_would_have(toy):
    (toy / "configs" / "train.yaml").write_text(
        "pretrained: null\nblocks: $6 if @pretrained else 0\nwords: [a, b]\nnumber: $len(@words)\n"
        "sum: $@number * 2\nrun: ['$print(@blocks, @number, @sum)']\n"
    )
    found = {setting.name: setting.value for setting in settings_of(toy, "train")}
    assert (found["blocks"], found["number"], found["sum"]) == ("0", "2", "computed at start, from number")
