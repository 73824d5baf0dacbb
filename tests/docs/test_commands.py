"""Every command on a page is one that medmae takes: its bundle, configuration, options and their values exist."""

from __future__ import annotations

import pytest
import typer
from monai.bundle import ConfigParser

from medmae.bundle.checked import Ids, merged
from medmae.bundle.overrides import parse_options
from medmae.bundle.run import given_values
from medmae.bundle.shipped import find_bundle, find_configs, shipped
from medmae.cli import app
from medmae.methods.registry import methods
from tests.pages import PAGES, Command, commands, commands_of

COMMANDS = [command for page in PAGES for command in commands(page) if command.words[:1] == ["medmae"]]


def parsed(words: list[str]) -> tuple[str, dict[str, object], list[str]]:
    """Name, parameters and further words of a command, as typer understands them; nothing is called."""
    command, name, above = typer.main.get_command(app), "medmae", None
    while True:
        context = command.make_context(name, list(words), parent=above)
        if not hasattr(command, "resolve_command"):
            return context.command_path, context.params, context.args
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        above = context


def check(command: Command) -> None:
    """Raises what medmae would say of it before it reads any data."""
    path, options, rest = parsed(command.words[1:])
    if path.endswith(" run") and options["bundle"] in shipped():
        files = find_configs(find_bundle(options["bundle"]), options["config"])
        recipe = Ids(merged({file: ConfigParser.load_config_file(file) for file in files}))
        given_values(recipe, overrides={}, options=parse_options(rest), trust=False)
    if "method" in options and options["method"] is not None:
        spec = methods()[options["method"]]
        assert options["preset"] is None or options["preset"] in spec.presets


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_of_a_page_is_one_that_medmae_takes(command):
    check(command)


def test_the_pages_have_commands_of_every_bundle():
    named = {command.words[2] for command in COMMANDS if command.words[1] == "run"}
    assert set(shipped()) <= named


@pytest.mark.parametrize(
    "text",
    [
        "medmae run mr_edge_mae_pretraining trian --dataset_dir prepared",
        "medmae run mr_edge_mae_pretraining train --epoch 3",
        "medmae run mr_edge_mae_pretraining train --epochs three",
        "medmae run mr_edge_mae_pretraining inference,volumes --dataset_dir raw --crop 3",
        "medmae prep mir raw prepared",
        "medmae prep mr raw prepared --resample T1",
        "medmae export a.safetensors b.safetensors --to timm --preset bases --method mae",
        "medmae lits",
    ],
)
def test_a_stale_command_is_noticed(text):
    (command,) = commands_of(f"```\n{text}\n```\n", page="a.md")
    with pytest.raises(Exception):  # noqa: B017, PT011 (of typer, which has its own in each version, or ours)
        check(command)


PAGE = """text

```
medmae list   # what there is
P=runs/x
make test
```
```python
medmae no
```
```
medmae run a train --d '# e' \\
    --pretrained $P  # f
```
"""


def test_blocks_are_read_as_a_shell_would():
    found = commands_of(PAGE, page="a.md")
    assert [(one.line, one.text) for one in found] == [
        (4, "medmae list"),
        (5, "P=runs/x"),
        (12, "medmae run a train --d '# e' --pretrained $P"),
    ]
    assert found[2].words[4:] == ["--d", "# e", "--pretrained", "$P"]
