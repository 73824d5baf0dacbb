"""A second reader's hostile bundles: what else MONAI, YAML, logging, torch and file systems would read in them."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import socket
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medmae.bundle.check.refuse import BundleRefusedError
from medmae.bundle.run import run_bundle
from medmae.weights.read import load_state
from tests.bundle.check.test_hostile_bundles import (
    BAD,
    CODE,
    META,
    TRAIN,
    Plant,
    linked,
    log,
    saved,
    train,
    write,
)

QUOTED = json.dumps(f"${CODE}")


def instead(of: str, text: str) -> Plant:
    """Another line in place of one of the recipe's."""

    def plant(folder: Path) -> None:
        before = (folder / TRAIN).read_text()
        assert re.search(of, before, re.MULTILINE)
        write(TRAIN, re.sub(of, lambda _: text, before, count=1, flags=re.MULTILINE))(folder)

    return plant


def made(target: str, **options: object) -> Plant:
    """A part of some target that the run asks for."""
    return instead(r"^run: \[\]$", "run: ['@evil']\nevil: " + json.dumps({"_target_": target, **options}))


def imported(text: str) -> Plant:
    return instead("^imports: .*$", f"imports: {json.dumps([text])}")


def archive(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def deep(folder: Path) -> None:
    place = folder / "docs"
    for _ in range(60):
        place /= "a"
    place.mkdir(parents=True)
    (place / "x.md").write_text("x")


def listening(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        os.chdir(folder / "docs")  # a name of a socket has at most 107 bytes
        one.bind("x.txt")
        os.chdir(folder.parent)


def laughs(folder: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    train("\n".join(lines))(folder)


def described(folder: Path) -> None:
    (folder / "models").mkdir()
    said = {"networks": pickle.dumps(BAD, protocol=0).decode("latin-1"), "__metadata__": f"${CODE}"}
    save_file({"a": torch.zeros(1)}, folder / "models" / "model.safetensors", metadata=said)


def two_headed(folder: Path) -> None:
    described(folder)
    with (folder / "models" / "model.safetensors").open("ab") as file:
        file.write(archive(("__main__.py", CODE.encode())))


class Inner:
    """A pickle in a pickle, which torch's own function would load without any check."""

    def __reduce__(self):
        return torch.storage._load_from_bytes, (BAD,)


REFUSED: dict[str, Plant] = {
    # what MONAI's parser knows besides
    "a debugger": made("torch.nn.GELU", _mode_="debug"),
    "a mode that is computed": made("torch.nn.GELU", _mode_="$'deb' + 'ug'"),
    "a description that is computed": made("torch.nn.GELU", _desc_=f"${CODE}"),
    "a relative reference": train("planted: '@##run'"),
    "a relative macro": train("planted: '%##run'"),
    "a target that is a reference": made("@word"),
    "a target that is computed": made("$'os.' + 'system'"),
    "a target that is a macro": made("%configs/train.yaml::word"),
    "a list that plus extends": train(f"'+initialize': [{QUOTED}]"),
    "a place of a list that plus sets": train(f"'+initialize::0': {QUOTED}"),
    "a key that takes another away": train("'~initialize': null"),
    "a key that begins as a reference": train("'@seed': 1"),
    "a key that is a number": train("1: x"),
    "a key with a sign that nobody sees": train('"_target_\\u200b": os.system'),
    "a root elsewhere": instead("^bundle_root: .*$", "bundle_root: /etc"),
    "a folder of results above": instead("^output_dir: .*$", "output_dir: ../../x"),
    "a folder of results at home": instead("^output_dir: .*$", "output_dir: ~/x"),
    # what our own modules, and others' of those that are allowed, have in their reach
    "a child of ours": made("medmae.child.run_in_child", work="os:system", task={}, path="x", limit_s=1),
    "a module that ours imports": made("medmae.child.subprocess.Popen", args=["touch", "ran"]),
    "a builder of ours": made("medmae.nn.config.build", config={"_target_": "os.system"}),
    "a compiler": made("torch.utils.cpp_extension.load_inline", name="x", cpp_sources="int f(){return 1;}"),
    "a package of torch": made("torch.package.PackageImporter", file_or_buffer="models/model.pt"),
    "a wider list of what is safe": made("torch.serialization.add_safe_globals", safe_globals=["@seed"]),
    "another name of an import": imported("$import os as torch"),
    "two imports": imported("$import torch, os"),
    "a name of an import": imported("$from os import system"),
    # expressions
    "a width": train("planted: \"$f'{@seed:999999999}'\""),
    "a remainder of a text": train("planted: \"$'%999999999d' % @seed\""),
    "a name in passing": train("planted: $(torch := @seed)"),
    "a list without end": train("planted: '$[i for i in @seed]'"),
    "a shift": train("planted: $1 << 10 ** 12"),
    # YAML and JSON
    "a mark of byte order": lambda folder: write(TRAIN, b"\xef\xbb\xbf" + (folder / TRAIN).read_bytes())(folder),
    "UTF-16 without a mark": lambda folder: write(TRAIN, (folder / TRAIN).read_text().encode("utf-16-le"))(folder),
    "a billion laughs": laughs,
    "a set": train("planted: !!set {a, b}"),
    "a pair in order": train("planted: !!omap [a: 1]"),
    "a tag in full": train("planted: !<tag:yaml.org,2002:python/object/apply:os.system> [touch ran]"),
    "a key that is a list": train("? [a, b]\n: 1"),
    "a key that is a value": train("planted: {=: 1}"),
    "a block of 400 levels": train("planted:\n" + "".join(" " * (n + 1) + "a:\n" for n in range(400))),
    "objects of 900 levels": write("configs/x.json", '{"a":' * 900 + "1" + "}" * 900),
    "a number of 5,000 digits in JSON": write(META, '{"version": ' + "9" * 5000 + "}"),
    "another form of the same configuration": write("configs/train.json", '{"seed": 1}'),
    # files
    "a history in a folder": write("docs/.git/config", "[core]\nfsmonitor = touch ran\n"),
    "modules of git": write(".gitmodules", "[submodule]\n"),
    "sixty folders in one another": deep,
    "a socket": listening,
    "a folder that leads to itself": lambda folder: (folder / "docs" / "again").symlink_to(".."),
    "a page in other case": write("docs/readme.MD"),
    "logging elsewhere": linked("configs/logging.conf", "../../logging.conf"),
    # logging
    "a message as wide as the memory": log("format=", "format=%(message)999999999s "),
    "a number as wide as the memory": log("format=", "format=%(lineno)-#.999999999d "),
    "a handler of the network": log("class=StreamHandler", "class=logging.handlers.SocketHandler"),
    # weights
    "a pickle in a pickle": write("models/model.pt", saved({"a": Inner()})),
    "weights in two folders": write(
        "models/model.pt", archive(("archive/data.pkl", pickle.dumps({})), ("other/data.pkl", BAD))
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_it_is_refused_and_nothing_of_it_runs(bundle: Path, fault: str) -> None:
    REFUSED[fault](bundle)
    with pytest.raises(BundleRefusedError) as refused:
        run_bundle(bundle, "train")
    assert "cannot be checked" not in str(refused.value)
    assert not list(bundle.parent.glob("**/ran"))


# Nobody reads these as what they would be elsewhere.
HARMLESS: dict[str, Plant] = {
    "a target in letters of another script": train("planted: {_t\u0430rget_: os.system, command: touch ran}"),
    "an expression behind a wide sign": train(f"planted: {json.dumps(chr(0xFF04) + CODE, ensure_ascii=False)}"),
    "a history that watches files": write(".git/config", "[core]\nfsmonitor = touch ran\n"),
    "a header that holds a pickle": described,
    "weights that are a zip file, too": two_headed,
    "a bomb called weights": write(
        "models/model.pt", archive(("a/data.pkl", pickle.dumps({})), ("a/data/0", bytes(50_000_000)))
    ),
    "a package called weights": write(
        "models/model.pt", archive(("a/data.pkl", pickle.dumps({})), ("a/.data/version", b"6"), ("a/ran.py", b"1/0"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", HARMLESS)
def test_it_comes_to_nothing(bundle: Path, fault: str) -> None:
    HARMLESS[fault](bundle)
    run_bundle(bundle, "train")
    assert not list(bundle.parent.glob("**/ran"))
    for path in (bundle / "models").glob("*.pt"):
        with pytest.raises(ValueError, match=r"model\.pt"):
            load_state(path)
