"""Each planted fault is found by its check and by no other, and nothing of the bundle runs."""

from __future__ import annotations

import io
import json
import pickle
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from medmae.bundle.check.documents import load
from medmae.bundle.check.finding import Problem
from medmae.bundle.check.source import Bundle
from medmae.bundle.check.static import Check, check_static
from medmae.bundle.check.whole import check_bundle
from medmae.bundle.check.zipped import member_problems
from medmae.bundle.shipped import shared_file, shipped

NAME = "mr_edge_mae_pretraining"
HOME = "/ho" + "me/somebody/data"  # in halves: a test of the project forbids such paths in its files
CANARY = "canary"
OVER = "merged_over: evaluate\n"
Plant = Callable[[Path], None]


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / NAME
    shutil.copytree(shipped()[NAME], folder, ignore=shutil.ignore_patterns("models", "eval"))
    shutil.copy(str(shared_file("logging.conf")), folder / "configs")  # a bundle may bring one of its own
    return folder


def edit(name: str, old: str, new: str) -> Plant:
    def plant(bundle: Path) -> None:
        file = bundle / name
        text = file.read_text()
        assert old in text, f"{old!r} is not in {name}"
        file.write_text(text.replace(old, new, 1))

    return plant


def append(name: str, text: str) -> Plant:
    def plant(bundle: Path) -> None:
        file = bundle / name
        file.write_text((file.read_text() if file.is_file() else "") + text)

    return plant


def train(text: str) -> Plant:
    return append("configs/train.yaml", f"\n{text}\n")


def expression(text: str) -> Plant:
    return train(f"planted: {json.dumps('$' + text)}")


def imports(line: str) -> Plant:
    return edit("configs/train.yaml", "imports: [", f"imports: [{json.dumps(line)}, ")


def target(name: str) -> Plant:
    return train(f"planted:\n  _target_: {json.dumps(name)}")


def both(recipe: str, overlay: str, *more: Plant) -> Plant:
    """A recipe, and an overlay that says it is for another one: whoever runs it may merge any over any."""

    def plant(bundle: Path) -> None:
        train(recipe)(bundle)
        append("configs/other.yaml", f"{OVER if 'merged_over' not in overlay else ''}{overlay}\n")(bundle)
        for another in more:
            another(bundle)

    return plant


def metadata(key: str, value: object) -> Plant:
    def plant(bundle: Path) -> None:
        file = bundle / "configs" / "metadata.json"
        content = json.loads(file.read_text())
        if value is None:
            del content[key]
        else:
            content[key] = value
        file.write_text(json.dumps(content))

    return plant


def tried(part: str, key: str, value: object) -> Plant:
    """An override by which the dynamic checks try the bundle out."""

    def plant(bundle: Path) -> None:
        settings = json.loads((bundle / "configs" / "metadata.json").read_text())["medmae_check"]
        metadata("medmae_check", {**settings, part: {**settings.get(part, {}), key: value}})(bundle)

    return plant


def binary(name: str, content: bytes) -> Plant:
    def plant(bundle: Path) -> None:
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_bytes(content)

    return plant


def sparse(name: str, size: int) -> Plant:
    def plant(bundle: Path) -> None:
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        with (bundle / name).open("wb") as file:
            file.truncate(size)

    return plant


def remove(name: str) -> Plant:
    return lambda bundle: (bundle / name).unlink()


def link(name: str, to: str) -> Plant:
    return lambda bundle: (bundle / name).symlink_to(to)


def large(**changes: str) -> Plant:
    entry = {"path": "models/big.safetensors", "url": "https://x.org/b", "hash_val": "a" * 64, "hash_type": "sha256"}
    return append("large_files.yml", json.dumps({"large_files": [{**entry, **changes}]}))


class Payload:
    def __reduce__(self):
        return open, (CANARY, "w")


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def archive(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, content)
    return buffer.getvalue()


PARTS = "made:\n  _target_: medmae.methods.mae.MAE\n  encoder: '@train::inferer'"
TWICE = "planted: $@parts::1 + @parts::1"
SYSTEM = """\
pipes:
  _target_: torch.utils.data.DataLoader
  dataset: [a]
  num_workers: 1
  multiprocessing_context: fork
found: $@pipes.multiprocessing_context.reducer.os.system"""
READER = "read: $@train::trainer.strategy.checkpoint_io.load_checkpoint"
CALLED = """\
called:
  _target_: torch.nn.GELU
  _mode_: callable
planted: $@called()"""
CALLED_PART = """\
made:
  called:
    _target_: torch.nn.GELU
    _mode_: callable
planted: $@made::called()"""
LOG = "configs/logging.conf"
CONSOLE = "class=StreamHandler\nlevel=WARNING\nformatter=plain\nargs=(sys.stderr,)\n"
FAULTS: dict[str, tuple[int, Plant]] = {
    # 1: tree
    "no metadata": (1, lambda bundle: (bundle / "configs" / "metadata.json").unlink()),
    "code beside the recipes": (1, append("torch_helpers.py", f"open({CANARY!r}, 'w')")),
    "a package that would shadow another": (1, binary("nibabel/__init__.py", b"")),
    "a link out of the bundle": (1, link("docs/data", "../../..")),
    "two files for one configuration": (1, append("configs/demo.json", '{"batch_size": 8}')),
    "a configuration in a deeper folder": (1, binary("configs/more/x.txt", b"x")),
    "code in a folder called .git": (1, binary("docs/.git/x.py", b"")),
    "a module called .DS_Store": (1, binary("docs/.DS_Store/x.so", b"")),
    # 2: parse
    "a key twice in YAML": (2, train("seed: 1")),
    "a key twice in JSON": (2, append("configs/twice.json", '{"a": 1, "a": 2}')),
    "a Python tag": (2, train(f"planted: !!python/object/apply:builtins.open [{CANARY}, w]")),
    "an alias": (2, train("planted: [&a 1, *a]")),
    "a number to the base of 60": (2, train("planted: 1" + ":1" * 90_000)),
    "70,000 keys": (2, append("configs/big.json", json.dumps(dict.fromkeys(map(str, range(70_000)))))),
    "no YAML": (2, train("planted: [1, 2")),
    "no mapping": (2, append("configs/list.yaml", "- 1")),
    "not a number of JSON": (2, append("configs/nan.json", '{"a": NaN}')),
    "nested too deep": (2, append("configs/deep.json", '{"a":' * 200 + "1" + "}" * 200)),
    # 3: schema
    "no task": (3, metadata("task", None)),
    "supported_apps as a list": (3, metadata("supported_apps", ["x"])),
    "a size that is a program": (3, edit("configs/metadata.json", "[256, 256]", '["__import__(1)", 256]')),
    "a size that is computed for ever": (3, edit("configs/metadata.json", "[256, 256]", '["9**9**9**9", 256]')),
    # 4: change log
    "a version without an entry": (4, metadata("version", "9.9.9")),
    "no semantic version": (4, edit("configs/metadata.json", '"0.1.0"', '"0.1"')),
    # 5: versions
    "a newer MONAI": (5, metadata("monai_version", "99.0.0")),
    "another major version of torch": (5, metadata("pytorch_version", "1.13.0")),
    "no version": (5, metadata("numpy_version", "the newest")),
    "a package that is not installed": (5, edit("configs/metadata.json", '"medmae": ', '"nix-da": "1", "medmae": ')),
    # 6: packages
    "Lightning is not declared": (6, metadata("required_packages_version", {"medmae": "0.1.0"})),
    "medmae is not declared": (6, metadata("required_packages_version", {"pytorch_lightning": "2.6.4"})),
    # 7: targets
    "os.system": (7, target("os.system")),
    "os.system through torch": (7, target("torch.os.system")),
    "os.system through medmae": (7, target("medmae.files.os.system")),
    "os.system through a room of medmae": (7, target("medmae.data.volumes.dicom.os.system")),
    "a builtin": (7, target("builtins.eval")),
    "torch.hub.load": (7, target("torch.hub.load")),
    "torch.load": (7, target("torch.load")),
    "compiling C++": (7, target("torch.utils.cpp_extension.load_inline")),
    "a bundle in a bundle": (7, target("monai.bundle.run")),
    "LoadImage, which looks its reader up by name": (7, target("monai.transforms.LoadImage")),
    "LoadImage by its short name": (7, target("LoadImage")),
    "PatchInferer, which looks its merger up by name": (7, target("monai.inferers.PatchInferer")),
    "PatchInferer by its short name": (7, target("PatchInferer")),
    "the command line": (7, target("medmae.cli.main")),
    "the runner": (7, target("medmae.bundle.run.run_bundle")),
    "writing any file": (7, target("medmae.files.write_text")),
    "a function that writes any table": (7, target("medmae.evaluate.tables.write_csv")),
    "a function that joins texts": (7, target("medmae.report.page.join")),
    "a function of the methods that is no method": (7, target("medmae.methods.registry.register")),
    "a private function": (7, target("medmae.data.volumes.folder._paths")),
    "data preparation": (7, target("data_prep.mr.prepare")),
    "a target that is a reference": (7, target("@method")),
    "a target that is an expression": (7, target("$torch.device")),
    "a target that is a macro": (7, target("%method::_target_")),
    "a target that is a module": (7, target("torch.nn")),
    "a target with a dunder": (7, target("torch.nn.Module.__init__")),
    "a target that is a mapping": (7, train("planted:\n  _target_: {a: 1}")),
    "a target by the key of an overlay": (7, append("configs/demo.yaml", "\nmodule::_target_: os.system\n")),
    "a target by the older separator": (7, append("configs/demo.yaml", "\n'module#_target_': os.system\n")),
    "a target added by plus": (7, append("configs/demo.yaml", "\n+planted:\n  _target_: os.system\n")),
    "a target in the metadata": (7, metadata("planted", {"_target_": "os.system"})),
    "the debugger as mode": (7, train("planted:\n  _target_: torch.nn.GELU\n  _mode_: debug")),
    "the debugger as argument": (7, train("planted:\n  _target_: torch.nn.GELU\n  _debug_: true")),
    "disabled by an expression": (7, train("planted:\n  _target_: torch.nn.GELU\n  _disabled_: $@seed")),
    "weights_only off": (7, train("planted:\n  _target_: torch.nn.GELU\n  weights_only: false")),
    "weights_only off while it is tried": (7, tried("train", "train::dataset::weights_only", False)),
    "allow_pickle while it is tried": (7, tried("overrides", "method::allow_pickle", True)),
    "the debugger while it is tried": (7, tried("evaluate", "method::_mode_", "debug")),
    "a target while it is tried": (7, tried("inference", "network_def", {"_target_": "os.system"})),
    "a target that the metadata hide": (7, tried("exports", "x", {"_target_": "torch.nn.GELU"})),
    # 8: expressions
    "a method that plus makes something else": (
        8,
        append("configs/demo.yaml", "\n+method: {_target_: medmae.training.ResumableLoader}\n"),
    ),
    "import in an expression": (8, expression(f"__import__('os').system('touch {CANARY}')")),
    "open": (8, expression(f"open('{CANARY}', 'w')")),
    "eval": (8, expression("eval('1')")),
    "a dunder walk": (8, expression("().__class__.__base__.__subclasses__()")),
    "a dunder walk in wide letters": (8, expression("@method.\uff3f_class__")),
    "torch.os": (8, expression(f"torch.os.system('touch {CANARY}')")),
    "numpy by its default name": (8, expression("np.load('x', None, True)")),
    "a bare module": (8, expression("torch")),
    "a module in a list": (8, expression("[torch][0].hub")),
    "the imports as values": (8, expression(f"@imports::0.os.system('touch {CANARY}')")),
    "the imports as a reference": (8, train("planted: '@imports'")),
    "the imports as a macro": (8, train("planted: '%imports::0'")),
    "the whole configuration": (8, expression("@['imports'][0].os")),
    "MONAI's own dictionary": (8, expression("__local_refs['imports::0'].os")),
    "a frame": (8, expression("@method.parameters().gi_frame")),
    "a frame without a call": (8, expression("@method.gi_frame.f_builtins")),
    "a method that is not run": (8, expression("@train::trainer.save_checkpoint('x')")),
    "a comprehension": (8, expression("[x for x in (1, 2)]")),
    "a lambda": (8, expression("(lambda: 1)()")),
    "a walrus": (8, expression("(a := 1)")),
    "an f-string": (8, expression("f'{@seed}'")),
    "a power": (8, expression("9 ** 9 ** 9")),
    "a list that is repeated": (8, expression("[1] * 1000000000")),
    "unpacked arguments": (8, expression("torch.device(**@method)")),
    "weights_only in a call": (8, expression("torch.device(weights_only=False)")),
    "a reference in a text": (8, expression("'@seed'")),
    "two statements": (8, expression("1; 2")),
    "too long an expression": (8, expression("1 + " * 2000 + "1")),
    "a method by another id": (8, train(f"{SYSTEM}\nplanted: $@found('touch {CANARY}')")),
    "a checkpoint reader by another id": (8, train(f"{READER}\nplanted: $@read('x', None, False)")),
    "a function as key of max": (8, train(f"{SYSTEM}\nplanted: \"$max(['touch {CANARY}'], key=@found)\"")),
    "the format of a text": (8, train("text: a\nfound: $@text.format\nplanted: $@found(@device)")),
    "a call of an alias": (8, train("alias: '@train::inferer'\nplanted: $@alias()")),
    "a call of what only an overlay makes no function": (8, both(CALLED, "called: $@method.encoder")),
    "a call of an object": (8, train(CALLED.replace("callable", "default"))),
    "a call of a part of a macro": (8, both(CALLED_PART, "made: '%method'")),
    "run of what is no part of medmae": (8, train("planted: $@train::inferer.run()")),
    "an attribute of an attribute": (8, expression("@method.encoder.patches.size")),
    "an attribute of a class that takes any parts": (8, train(f"{PARTS}\nplanted: $@made.patches.size * 2")),
    "an attribute of a call": (8, expression("torch.device(1).patches")),
    "a slice": (8, expression("@bundle_root[1:]")),
    "a part of a text": (8, expression("'x/y'[1]")),
    "a builtin with a keyword": (8, expression("int('1', base=2)")),
    "an import of os": (8, imports("$import os")),
    "an import of os through torch": (8, imports("$from torch import os")),
    "an import from builtins": (8, imports("$from builtins import eval")),
    "an import of two names": (8, imports("$from medmae.training import fit, os")),
    "an import under another name": (8, imports("$import torch as len")),
    "an import that goes on": (8, imports("$import torch; torch.os")),
    "an import elsewhere": (8, expression("import os")),
    "an import by the key of an overlay": (8, append("configs/demo.yaml", "\nimports::0: $import os\n")),
    "an import in the metadata": (8, metadata("intended_use", "$import os")),
    "a text of the metadata": (8, both("", "x: '@_meta_::away'", metadata("away", "/tmp/x"))),
    "a macro of the metadata": (8, both("", "x: '%_meta_::away'", metadata("away", "/tmp/x"))),
    "a relative id": (8, train("planted: '@##seed'")),
    "a macro of another file": (8, train("planted: '%../other.yaml::x'")),
    "a macro of a file of the working directory": (8, train("planted: '%configs/demo.yaml::epochs'")),
    "an expression while it is tried": (8, tried("overrides", "seed", "$@method")),
    "no function while it is tried": (8, tried("evaluate", "evaluator", "@method")),
    # 9: references
    "a reference to nothing": (9, train("planted: '@nothing'")),
    "a reference to nothing in an expression": (9, expression("@nothing + 1")),
    "a circle": (9, train("a: '@b'\nb: '@c'\nc: '@a'")),
    "a circle through a part": (9, train("a:\n  b: '@a'")),
    "a circle made by an overlay": (9, append("configs/demo.yaml", "\nmethod::mask_ratio: '@network_def'\n")),
    "an overlay of what is not there": (9, append("configs/demo.yaml", "\nmodul::seed: 1\n")),
    "an overlay over a list": (9, append("configs/other.yaml", "merged_over: [train]\nx: 1\n")),
    "an overlay over an unknown recipe": (9, append("configs/demo.yaml", "\nmerged_over: trian\n")),
    "a key that hides another": (9, train("planted:\n  a::b: 1")),
    "a macro of nothing": (9, train("planted: '%nothing'")),
    "a logging file while it is tried": (9, tried("overrides", "logging_file", "docs/x.conf")),
    "a place of export while it is tried": (9, both("filepath: x", "x: y", tried("overrides", "filepath", "x"))),
    "an override of nothing": (9, tried("train", "nothing::seed", 1)),
    # 10: required ids
    "no inferer": (10, edit("configs/train.yaml", "  inferer: {_target_: monai.inferers.SimpleInferer}\n", "")),
    "no run": (10, edit("configs/inference.yaml", "run: [$@evaluator.run()]\n", "")),
    "no max_epochs": (
        10,
        edit("configs/train.yaml", ", max_epochs: '@epochs'", ""),
    ),
    # 11: logging
    "code as class": (11, edit(LOG, "class=StreamHandler", f"class=open({CANARY!r}, 'w')")),
    "a class of another module": (11, edit(LOG, "class=StreamHandler", "class=subprocess.Popen")),
    "a handler that sends": (11, edit(LOG, "class=StreamHandler", "class=handlers.HTTPHandler")),
    "code as args": (11, edit(LOG, "args=(sys.stderr,)", f"args=(open({CANARY!r}, 'w'),)")),
    "code as kwargs": (11, edit(LOG, "args=(sys.stderr,)", "args=()\nkwargs=dict(a=__import__('os'))")),
    "args put together": (11, edit(LOG, "args=(sys.stderr,)", "args=(%(level)s,)")),
    "defaults of a formatter": (11, append(LOG, "defaults=__import__('os').environ\n")),
    "a section for all": (11, append(LOG, "\n[DEFAULT]\nargs=(open('x'),)\n")),
    "a log that empties a file": (11, edit(LOG, CONSOLE, "class=FileHandler\nargs=('thesis.docx','w')\n")),
    "a log that renames files": (11, edit(LOG, "class=StreamHandler", "class=handlers.RotatingFileHandler")),
    "a log as keyword": (11, edit(LOG, "args=(sys.stderr,)", "args=()\nkwargs={'stream': sys.stdin}")),
    "a log at an absolute path": (11, edit(LOG, "args=(sys.stderr,)", "args=('/etc/x',)")),
    # 12: paths
    "a home": (12, edit("configs/train.yaml", "dataset_dir: ./prepared", f"dataset_dir: {HOME}")),
    "an absolute path": (12, edit("configs/train.yaml", "dataset_dir: ./prepared", "dataset_dir: /srv/data")),
    "an absolute path in an expression": (12, expression("'/srv' + @seed")),
    "an absolute path behind nothing": (12, expression("'' + '/tmp/x'")),
    "an absolute path behind an id that is empty": (12, train("empty: ''\nplanted: $@empty + '/tmp/x'")),
    "an absolute path behind an id that an overlay empties": (12, both("part: a\nplanted: $@part + '/x'", "part: ''")),
    "an absolute path behind a choice": (12, expression("(@bundle_root if @seed else '') + '/x'")),
    "an absolute path in brackets": (12, expression("@bundle_root + ('/x' + '/y')")),
    "an address in two parts": (12, expression("'http:' + '//127.0.0.1:9/x.ckpt'")),
    "an address behind an id": (12, train("scheme: 'http:'\nplanted: $@scheme + '//x.org/x'")),
    "an address of fsspec": (12, train("planted: 'file:/tmp/x'")),
    "a path upwards in parts": (12, expression("@bundle_root + '/.' + './.' + './escaped'")),
    "a path upwards out of ids": (12, train("dot: '.'\nplanted: $@dot + @dot + '/escaped'")),
    "a path upwards out of a macro": (12, train("dot: '.'\nsame: '%dot'\nplanted: $@same + @dot")),
    "a path upwards by way of an expression": (12, train("dot: '.'\nsame: $@dot\nplanted: $@same + @dot")),
    "a path upwards out of a longer list": (12, both("parts: [a]", "merged_over: train\n+parts: ['.']\n" + TWICE)),
    "a path upwards by way of str": (12, train("dot: '.'\nplanted: $str(@dot) + str(@dot)")),
    "a text that is repeated": (12, expression("'x' * 1000000000")),
    "a format that makes a character of a number": (12, train("planted: '{step:c}{step:c}/x'")),
    "a format that reads an attribute": (12, train("planted: '{step.real}'")),
    "a variable of the environment": (12, train("planted: 'a${HOME}'")),
    "a chain of file systems": (12, train("planted: 'simplecache::file'")),
    "a list of an id that is repeated": (12, train("one: [1]\nplanted: $@one * 1000000000")),
    "a text times a number": (12, train("dot: '.'\nplanted: $@dot * 2")),
    "a part of a list times a number": (12, train("dots: ['.']\nplanted: $@dots[0] * 2")),
    "a text of an object": (12, expression("@train::inferer + '/x'")),
    "git's own folder": (12, expression("@bundle_root + '/.git/x'")),
    "a text that doubles": (12, train("\n".join(["a0: xxxx", *(f"a{n + 1}: $@a{n} + @a{n}" for n in range(40))]))),
    "a path upwards": (12, expression("@bundle_root + '/../../x'")),
    "a home on the page": (12, append("docs/README.md", f"\nOurs lie in {HOME}.\n")),
    "an address": (12, edit("configs/train.yaml", "checkpoint: null", "checkpoint: https://x.org/last.ckpt")),
    "a token": (12, append("docs/README.md", "\nhf_" + "a1B2" * 8 + "\n")),
    "a password": (12, train("password: hunter2")),
    "an absolute path while it is tried": (12, tried("evaluate", "dataset_dir", "/srv/x")),
    "a part of a path while it is tried": (12, tried("overrides", "dataset_dir", "")),
    # 13: large files
    "a large file": (13, sparse("models/model.safetensors", 26_000_000)),
    "http": (13, large(url="http://x.org/b")),
    "a path out of the bundle": (13, large(path="../../.ssh/authorized_keys")),
    "an absolute path of a large file": (13, large(path="/etc/passwd")),
    "a large file over the recipe": (13, large(path="configs/train.yaml")),
    "no sha256": (13, large(hash_type="md5", hash_val="a" * 32)),
    "another sha256": (13, lambda bundle: [large()(bundle), binary("models/big.safetensors", b"x")(bundle)]),
    # 14: licence and page
    "no licence": (14, remove("LICENSE")),
    "an empty licence": (14, lambda bundle: (bundle / "LICENSE").write_text("")),
    "no page": (14, remove("docs/README.md")),
    "no intended use": (14, edit("docs/README.md", "## Intended use", "## What for")),
    "for clinical decisions": (14, edit("docs/README.md", "**Not for clinical decisions.**", "")),
    # 15: pickles
    "a pickle": (1, binary("docs/table.pkl", pickle.dumps(Payload()))),
    "a pickle by another name": (15, binary("eval/table.txt", pickle.dumps(Payload()))),
    "a pickle that is text": (15, binary("docs/notes.md", b"cos\nsystem\n(S'touch canary'\ntR.")),
    "a pickle that calls and does not end": (15, binary("docs/notes.txt", b"(S'touch canary'\nios\nsystem\n")),
    "a pickle without a header": (15, binary("eval/a.txt", b"\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.")),
    "a pickle behind a long text": (15, binary("docs/b.txt", b"V" + b"x" * 100_000 + b"\n0cos\nsystem\n(tR.")),
    "a million opcodes": (15, binary("docs/b.txt", b"N" * 1_000_001)),
    "a pickle in an archive": (15, binary("eval/c.npz", archive("c", b"cos\nsystem\n(tR."))),
    "a pickle in a folder called .git": (1, binary("docs/.git/table.bin", pickle.dumps(Payload()))),
    "a checkpoint": (15, binary("checkpoints/last.ckpt", saved({"a": torch.zeros(1)}))),
    "a model that is a program": (15, binary("models/model.pt", saved({"a": Payload()}))),
    "a model that is a bare pickle": (15, binary("models/model.pt", pickle.dumps(Payload()))),
    "a model that is a page of the web": (15, binary("models/model.pt", b"<html>404</html>")),
    "an array of objects": (15, binary("eval/a.npy", b"\x93NUMPY\x01\x00\x3c\x00{'descr': '|O', }")),
}  # fmt: skip


def errors_of(path: Path) -> set[int]:
    return {finding.number for finding in check_static(path) if finding.severity == "error"}


def test_our_bundle_passes_every_static_check(bundle: Path) -> None:
    assert check_static(bundle) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_by_its_check_alone_and_nothing_runs(bundle: Path, fault: str) -> None:
    number, plant = FAULTS[fault]
    plant(bundle)
    before = set(sys.modules)
    found = errors_of(bundle)
    assert found == {number}, check_static(bundle)
    assert not list(bundle.parent.glob(CANARY))
    assert not {name for name in set(sys.modules) - before if name.partition(".")[0] in {"monai", "data_prep"}}


@pytest.mark.parametrize(
    "text", ["", "in the\nbeginning\n", "cat\ndog\n", "(c) by\nus\n", "changes\nlist.\n\nRest", "i"]
)
def test_a_text_that_begins_like_a_pickle_is_none(bundle: Path, text: str) -> None:
    (bundle / "docs" / "notes.txt").write_text(text)
    assert errors_of(bundle) == set()


CALCULATIONS = [
    "@batch_size * @epochs // 2",
    "0.5 * @base_lr / @batch_size + 1",
    "@method.patches.size[0] // 2 + @method.patches.patch[0] * 2",
    "@method.frame.size[0] if @method.frame.resize else 2",
    "@output_dir + '/fold-' + str(@seed) + '/checkpoints'",
    "torch.cuda.device_count() * @batch_size",
    "max(1, @epochs // 10) * 2",
    "len(@contrasts) + 1",
]


@pytest.mark.parametrize("text", CALCULATIONS)
def test_numbers_are_calculated_and_folders_joined(bundle: Path, text: str) -> None:
    expression(text)(bundle)
    assert check_static(bundle) == []


def test_what_git_and_file_managers_leave_is_no_fault(bundle: Path) -> None:
    for name in (".git/config", ".gitignore", ".DS_Store", "configs/.DS_Store"):
        binary(name, b"x")(bundle)
    assert check_static(bundle) == []


def test_a_check_that_fails_is_a_finding_of_its_own(bundle: Path) -> None:
    def fails(bundle: Bundle) -> Iterator[Problem]:
        raise TypeError(bundle.name)

    (finding,) = Check(3, "fails", fails)(Bundle.open(bundle))
    assert (finding.number, finding.severity) == (3, "error")
    assert f"TypeError: {NAME}" in finding.message


def test_every_finding_says_where_what_and_what_to_do(bundle: Path) -> None:
    target("os.system")(bundle)
    (finding,) = check_static(bundle)
    assert (finding.name, finding.severity) == ("targets are allowed", "error")
    assert finding.path == "configs/train.yaml: planted::_target_"
    assert "'os.system'" in finding.message
    assert finding.remedy


@pytest.mark.parametrize("number", range(1, 16))
def test_every_static_check_has_at_least_two_planted_faults(number: int) -> None:
    assert sum(planted == number for planted, _ in FAULTS.values()) >= 2


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def members_of(bundle: Path) -> dict[str, bytes]:
    files = [path for path in bundle.rglob("*") if path.is_file()]
    return {f"{NAME}/{path.relative_to(bundle).as_posix()}": path.read_bytes() for path in files}


def failed_of_zip(path: Path) -> dict[int, str]:
    return {outcome.number: outcome.state for outcome in check_bundle(path, make_data=None) if outcome.state != "ok"}


def test_a_zip_file_is_checked_like_its_folder(bundle: Path, tmp_path: Path) -> None:
    assert failed_of_zip(zipped(tmp_path / "good.zip", members_of(bundle))) == {}
    target("os.system")(bundle)
    assert failed_of_zip(zipped(tmp_path / "bad.zip", members_of(bundle))) == {7: "failed"}


LINK = zipfile.ZipInfo(f"{NAME}/docs/link")
LINK.external_attr = 0o120777 << 16
ZIPS: dict[str, dict[str | zipfile.ZipInfo, bytes]] = {
    "a member above": {f"{NAME}/../../x": b"x"},
    "an absolute member": {"/etc/x": b"x"},
    "a member with a drive": {"C:/x": b"x"},
    "a member with backslashes": {"..\\x": b"x"},
    "a link": {LINK: b"/etc"},
    "a bomb": {f"{NAME}/docs/bomb.txt": b" " * 5_000_000},
}


@pytest.mark.parametrize("fault", ZIPS)
def test_a_hostile_member_of_a_zip_file_is_found_and_never_unpacked(bundle: Path, tmp_path: Path, fault: str) -> None:
    from medmae.bundle.check.zipped import unpack

    path = zipped(tmp_path / "hostile.zip", members_of(bundle) | ZIPS[fault])
    assert failed_of_zip(path) == {1: "failed", **dict.fromkeys(range(2, 16), "not run")}
    with pytest.raises(ValueError, match=re.escape(str(path))):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_seventy_thousand_keys_and_twelve_thousand_members_take_no_time(bundle: Path, tmp_path: Path) -> None:
    names = [f"{NAME}/docs/{number}" for number in range(70_000)]
    text = json.dumps(dict.fromkeys(names))
    path = zipped(tmp_path / "many.zip", members_of(bundle) | dict.fromkeys(names[:12_000], b""))
    start = time.process_time()
    assert len(load(text, json_format=True)) == len(names)
    with zipfile.ZipFile(path) as archive:
        (problem,) = member_problems(archive)
    assert problem.message.endswith("a bomb")
    assert time.process_time() - start < 2


def test_two_folders_in_a_zip_file_are_refused(bundle: Path, tmp_path: Path) -> None:
    assert failed_of_zip(zipped(tmp_path / "two.zip", members_of(bundle) | {"other/x": b"x"}))[1] == "failed"


def test_a_bundle_in_which_one_has_trained_still_runs(bundle: Path) -> None:
    for name in ("run.json", "logs/metrics.csv", "report.html"):
        binary(name, b"{}")(bundle)
    binary("models/model.pt", saved({"a": torch.zeros(2)}))(bundle)
    binary("checkpoints/last.ckpt", saved({"a": 1}))(bundle)
    sparse("models/pretraining.safetensors", 26_000_000)(bundle)
    assert errors_of(bundle) == set()
    assert {finding.number for finding in check_static(bundle)} == {13, 15}  # to be left out when it is given away
