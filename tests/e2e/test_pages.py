"""The commands of the pages, typed as they are printed, from an empty folder with small data of the names they use.

It takes long: ``MEDMAE_PAGES=all pytest tests/e2e/test_pages.py``, or with names of pages or parts of
them, such as ``MEDMAE_PAGES=README.md,pathology``. Commands that train get options appended so that they end on a CPU
(:func:`shrunk`); what wants several GPUs is to be refused where there are none. ``MEDMAE_PAGES_TIMES`` names a
CSV that receives what was appended and how many CPU seconds each took: those of medmae without the start-up of Python,
those of MONAI's own commands, which are processes of their own, with it.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from medmae.bundle.kept import as_yaml
from medmae.bundle.shipped import find_bundle, find_configs
from medmae.cli import main
from tests.e2e.page_data import BEFORE, STAND_INS, make_data
from tests.e2e.page_files import FILES
from tests.pages import PAGES, ROOT, Command, commands

WANTED = os.environ.get("MEDMAE_PAGES", "")
TIMES = os.environ.get("MEDMAE_PAGES_TIMES", "")
ALONE = ("docs/check.md", "docs/data.md")  # whose commands are alternatives of each other
_OWN_TRAIN = {"train::dataset::view::dtype", "subject_from"}  # of checks alone
_RATE, _FRONT = "front::rate", "front"  # likewise, where their sounds are of another rate
_FEW = {"epochs": 1, "warmup_epochs": 0, "batch_size": 2, "steps_per_epoch": 3, "num_samples": 8}
_SMALL_VOLUMES = {"method::image_size": [32, 32, 32], "method::depth": 2}

pytestmark = pytest.mark.skipif(not WANTED, reason="takes long: MEDMAE_PAGES=all, or parts of names of pages")


def wanted(page: Path) -> bool:
    name, asked = str(page.relative_to(ROOT)), WANTED.split(",")
    parts = [part for part in asked if not (ROOT / part).is_file()]
    return bool(commands(page)) and (WANTED == "all" or name in asked or any(part in name for part in parts))


def shrunk(words: list[str]) -> list[str]:
    """What is appended to a command so that it ends in seconds; nothing to one that trains nothing.

    A training at the size of a paper gets the network with which ``medmae check`` trains its bundle (``medmae_check``
    of its metadata.json), one on volumes a few blocks and small crops, ``,demo`` and ``,rgb`` keep theirs; each of
    them gets one epoch and few samples. MONAI's commands do not ask weights which network they are of: all get its
    sizes.
    """
    if words[:2] == ["medmae", "run"]:
        bundle, config = find_bundle(words[2]), words[3].split(",")
        known = {key for file in find_configs(bundle, words[3]) for key in yaml.safe_load(file.read_text())}
    elif words[3:4] != ["verify_net_in_out"] and "--config_file" in words:  # which is of the size that the metadata say
        files = [Path(file) for file in re.findall(r"[\w./]+\.yaml", " ".join(words))]
        bundle, config = Path("bundle"), [file.stem for file in files] or ["none"]
        known = {key for file in files for key in yaml.safe_load(file.read_text())}
    else:
        return []
    about = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))["medmae_check"]
    options: dict[str, object] = {}
    if "volumes" in config:
        options = {**_SMALL_VOLUMES, **_FEW}
    elif {"demo", "rgb"} & set(config):
        options = _FEW
    elif "train" in config:
        options = {**about["overrides"], **about["train"], **_FEW, "freeze_blocks": 0}  # a tiny encoder has few blocks
    elif config[0] in ("downstream", "few_labels"):
        options = {"epochs": 1, "seeds": [0], "few": 2, "labels": [2], "folds": 2}
    elif words[0] != "medmae":
        options = about["overrides"]
    given = {word[2:] for word in words if word.startswith("--")}
    known -= {_FRONT} if _RATE in options else set()
    known -= {"scale"} if "pretrained" in given else set()  # that of the weights, as a page's reader has it
    kept = {key: options[key] for key in options if key.split("::")[0] in known and key not in given | _OWN_TRAIN}
    if words[3:4] == ["onnx_export"]:
        kept["input_shape"] = about["exports"]["input_shape"]
    return [word for key, value in kept.items() for word in (f"--{key}", as_yaml(value))]


def typed(command: Command, variables: dict[str, str]) -> list[str]:
    """The words of a command, stand-ins in the places of what a page leaves to the reader."""
    text = re.sub(r"\$([A-Z]+)", lambda found: variables[found[1]], command.text)
    return [STAND_INS.get(word, word) for word in shlex.split(text)]


def run(words: list[str]) -> int:
    if words[0] != "medmae":
        return subprocess.run([sys.executable, *words[1:]], check=False).returncode
    try:
        main(words[1:])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for: what else runs on the machine does not count."""
    return sum(os.times()[:4])


def small_data(page: str, folder: Path) -> Path:
    make_data(folder, breakhis=page == "docs/pathology.md")
    for make in FILES.get(page, ()):
        make(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if wanted(page)], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_works_as_printed(page, tmp_path, monkeypatch, capfd):
    name = str(page.relative_to(ROOT))
    variables: dict[str, str] = {}
    data, folder, failed = small_data(name, tmp_path / "data"), tmp_path / "here", []
    shutil.copytree(data, folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for text in BEFORE.get(name, ()):
        monkeypatch.chdir(folder)
        assert run([*text.split(), *shrunk(text.split())]) == 0, text
    for command in commands(page):
        if "=" in command.words[0]:
            key, value = command.text.split("=", 1)
            variables[key] = STAND_INS.get(value, value)
            continue
        if name in ALONE:
            folder = tmp_path / str(command.line)
            shutil.copytree(data, folder)
        monkeypatch.chdir(folder)
        words = typed(command, variables)
        more = shrunk(words)
        several = "multi_gpu_train" in command.text and torch.cuda.device_count() < 2
        capfd.readouterr()
        began = cpu_seconds()
        code = run([*words, *more])
        seconds, said = cpu_seconds() - began, capfd.readouterr()
        with capfd.disabled():
            print(f"{seconds:6.1f} CPU s, exit {code}: {shlex.join([*words, *more])}", flush=True)
        if TIMES:
            with Path(TIMES).open("a", newline="") as file:
                csv.writer(file).writerow([name, command.line, command.text, shlex.join(more), f"{seconds:.1f}", code])
        if code != (2 if several else 0):
            failed.append(f"{command} (exit {code}): {shlex.join([*words, *more])}\n{said.err[-800:]}")
    assert not failed, "\n\n".join(failed)
