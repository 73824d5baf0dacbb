"""The commands of the pages, typed as they are printed, from an empty folder with small data of the names they use.

It takes long: ``MEDMAE_PAGES=all pytest tests/e2e/test_pages.py``, or with parts of the names of pages, such as
``MEDMAE_PAGES=README,pathology``. Commands that train at a paper's size get the sizes appended with which
``medmae check`` trains their bundle (``medmae_check`` of its metadata.json), so that they end on a CPU; those of
``,demo`` size get fewer steps. What wants several GPUs is to be refused in a line where there are none.
``MEDMAE_PAGES_TIMES`` names a CSV that receives how long each took, start-up of Python left out.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import time
from pathlib import Path

import pytest
import torch
import yaml

from medmae.bundle.kept import as_yaml
from medmae.bundle.shipped import find_bundle, find_configs
from medmae.cli import main
from tests.e2e.page_data import BEFORE, STAND_INS, make_data
from tests.pages import PAGES, ROOT, Command, commands

WANTED = os.environ.get("MEDMAE_PAGES", "")
TIMES = os.environ.get("MEDMAE_PAGES_TIMES", "")
# Pages about published weights and data sets, which are not here; tests/docs/test_transfer.py runs one with stand-ins.
LEFT_OUT = ("transfer.md", "weights.md", "methods/", "tools/", "data.md")
ALONE = ("docs/check.md",)  # whose commands are alternatives of each other
_OWN_TRAIN = {"train::dataset::view::dtype", "subject_from"}  # of checks alone

pytestmark = pytest.mark.skipif(not WANTED, reason="takes long: MEDMAE_PAGES=all, or parts of names of pages")


def wanted(page: Path) -> bool:
    name = str(page.relative_to(ROOT))
    asked = WANTED == "all" or any(part in name for part in WANTED.split(","))
    return asked and not any(part in name for part in LEFT_OUT) and bool(commands(page))


def shrunk(words: list[str], *, sizes: bool) -> list[str]:
    """What is appended to a command so that it ends in seconds; nothing to one that trains nothing.

    Args:
        words: Of the command.
        sizes: Whether ``,demo`` is made smaller still: not on a page whose later commands say ``,demo``, too.
    """
    if words[:2] != ["medmae", "run"]:
        return []
    bundle, config = find_bundle(words[2]), words[3].split(",")
    about = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))["medmae_check"]
    known = {key for file in find_configs(bundle, words[3]) for key in yaml.safe_load(file.read_text())}
    few = {"epochs": 1, "warmup_epochs": 0, "batch_size": 2, "steps_per_epoch": 3}
    options: dict[str, object] = {}
    if {"volumes", "rgb"} & set(config) or ("demo" in config and not sizes):
        options = few if "train" in config else {}
    elif "train" in config:
        options = {**about["overrides"], **about["train"], **few, "freeze_blocks": 0}  # a tiny encoder has few blocks
    elif config[0] in ("downstream", "few_labels"):
        options = {"epochs": 1, "seeds": [0], "few": 2, "folds": 2}
    typed = {word[2:] for word in words if word.startswith("--")}
    kept = {key: options[key] for key in options if key.split("::")[0] in known and key not in typed | _OWN_TRAIN}
    return [word for key, value in kept.items() for word in (f"--{key}", as_yaml(value))]


def typed(command: Command, variables: dict[str, str]) -> list[str]:
    """The words of a command, stand-ins in the places of what a page leaves to the reader."""
    text = re.sub(r"\$([A-Z]+)", lambda found: variables[found[1]], command.text)
    return [STAND_INS.get(word, word) for word in shlex.split(text)]


def run(words: list[str]) -> int:
    try:
        main(words[1:])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if wanted(page)], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_works_as_printed(page, tmp_path, monkeypatch, capfd):
    name = str(page.relative_to(ROOT))
    variables: dict[str, str] = {}
    make_data(tmp_path / "data", breakhis=name == "docs/pathology.md")
    folder, failed = tmp_path / "here", []
    shutil.copytree(tmp_path / "data", folder)
    printed = commands(page)
    sizes = not any(re.search(r"run \w+ (?!train)\w+,demo", command.text) for command in printed)
    for text in BEFORE.get(name, ()):
        monkeypatch.chdir(folder)
        assert run([*text.split(), *shrunk(text.split(), sizes=sizes)]) == 0, text
    for command in printed:
        if "=" in command.words[0]:
            variables |= dict([command.text.split("=", 1)])
            continue
        if name in ALONE:
            folder = tmp_path / str(command.line)
            shutil.copytree(tmp_path / "data", folder)
        monkeypatch.chdir(folder)
        words = typed(command, variables)
        more = shrunk(words, sizes=sizes)
        began = time.monotonic()
        several = "multi_gpu_train" in command.text and torch.cuda.device_count() < 2
        code = run([*words, *more])
        seconds, said = time.monotonic() - began, capfd.readouterr()
        with capfd.disabled():
            print(f"{seconds:6.1f} s, exit {code}: {shlex.join([*words, *more])}", flush=True)
        if TIMES:
            with Path(TIMES).open("a", newline="") as file:
                csv.writer(file).writerow([name, command.line, command.text, shlex.join(more), f"{seconds:.1f}", code])
        if code != (2 if several else 0):
            failed.append(f"{command} (exit {code}): {shlex.join([*words, *more])}\n{said.err[-800:]}")
    assert not failed, "\n\n".join(failed)
