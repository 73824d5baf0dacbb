"""Bundles written to run code of their own, by way of whatever reads a file in another way than the checks do.

Each is run as a user would run it. It is refused before anything of it runs, or what it hides never comes to anything.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medmae.bundle.check.refuse import BundleRefusedError
from medmae.bundle.check.source import Bundle
from medmae.bundle.check.whole import check_bundle
from medmae.bundle.check.zipped import UnsafeZipError, unpack
from medmae.bundle.run import run_bundle
from medmae.errors import DataError
from medmae.weights.trained import network_of

NAME = "mr_edge_mae_pretraining"
CODE = "__import__('pathlib').Path('ran').touch()"
TRAIN, LOG, META = "configs/train.yaml", "configs/logging.conf", "configs/metadata.json"
Plant = Callable[[Path], None]


def write(name: str, content: bytes | str = b"x") -> Plant:
    def plant(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return plant


def train(text: str | bytes) -> Plant:
    added = text if isinstance(text, bytes) else text.encode()
    return lambda folder: write(TRAIN, (folder / TRAIN).read_bytes() + b"\n" + added + b"\n")(folder)


def log(old: str, new: str) -> Plant:
    def plant(folder: Path) -> None:
        text = (folder / LOG).read_bytes().decode()
        assert old in text
        write(LOG, text.replace(old, new, 1))(folder)

    return plant


def metadata(**fields: object) -> Plant:
    def plant(folder: Path) -> None:
        write(META, json.dumps({**json.loads((folder / META).read_bytes()), **fields}))(folder)

    return plant


class Payload:
    def __reduce__(self):
        return open, ("ran", "w")


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def script() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), buffer)
    return buffer.getvalue()


def saved_as_once(content: object) -> bytes:
    """Pickles one behind another, of torch before 1.6."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def tarred(content: bytes) -> bytes:
    """An archive of torch before 0.1.10."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def with_member(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO(saved(SOUND))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def sparse(name: str, size: int) -> Plant:
    def plant(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.truncate(size)

    return plant


def linked(name: str, to: str) -> Plant:
    def plant(folder: Path) -> None:
        (folder / name).rename(folder.parent / Path(name).name)
        (folder / name).symlink_to(to)

    return plant


def linked_folder(folder: Path) -> None:
    (folder / "docs").rename(folder.parent / "elsewhere")
    (folder / "docs").symlink_to("../elsewhere")


BAD, SOUND = pickle.dumps(Payload()), {"a": torch.ones(1)}
ENTRY = "[pytorch_lightning.callbacks_factory]\nx = cProfile:main\n"
CR_HANDLER = "# x\rkeys=console,file\r#\n"
CR_CODE = f"[formatter_plain]\n#\rdefaults={CODE}\r#\n"
REFUSED: dict[str, Plant] = {
    # code that Python or a tool finds by its name, in the folder or in the working directory
    "entry points": write("x-1.0.dist-info/entry_points.txt", ENTRY),
    "entry points of an egg": write("x.egg-info/entry_points.txt", ENTRY),
    "entry points among results": write("eval/x-1.0.dist-info/entry_points.txt", ENTRY),
    "a file that a profiler runs": write("run", f"{CODE}\n"),
    "compiled code": write("__main__.pyo", b"\x00"),
    "a cache of compiled code": write("__pycache__/torch.cpython-311.pyc", b"\x00"),
    "sitecustomize": write("sitecustomize.py", CODE),
    "a path file": write("a.pth", f"import os; {CODE}"),
    "a module beside the configurations": write("configs/helpers.py", CODE),
    "a compiled module in docs": write("docs/torch.abi3.so", b"\x7fELF"),
    "a zipped package": write("eggs.zip", b"PK\x05\x06" + bytes(18)),
    "settings of matplotlib": write("matplotlibrc", "backend: module://evil"),
    "settings of a debugger": write(".pdbrc", CODE),
    "settings of a test runner": write("conftest.py", CODE),
    "settings of an editor": write(".vscode/settings.json", "{}"),
    "settings of a shell": write(".envrc", "touch ran"),
    "variables": write(".env", "PYTHONSTARTUP=x.py"),
    "a notebook": write("docs/start.ipynb", "{}"),
    "a page with scripts": write("docs/start.html", "<script>1</script>"),
    "a file of no kind": write("docs/Makefile", "all:\n\ttouch ran\n"),
    "a name that turns around": write("docs/\u202efdp.md"),
    "a suffix in capitals": write("configs/evil.YAML", f"initialize: [${CODE}]"),
    "a configuration in wide letters": write("configs/\uff54rain.yaml", "seed: 1"),
    "two configurations that differ in case": write("configs/Train.yaml", "seed: 1"),
    "a hidden configuration": write("configs/.train.yaml", "seed: 1"),
    # links
    "a configuration that is a link": linked(TRAIN, "../../train.yaml"),
    "a licence that is a link": linked("LICENSE", "/etc/passwd"),
    "a folder that is a link": linked_folder,
    "a pipe": lambda folder: os.mkfifo(folder / "docs" / "pipe.txt"),
    # logging: lines that one reader sees and another does not
    "a handler between carriage returns": log("keys=console\n", CR_HANDLER),
    "code between carriage returns": log("[formatter_plain]\n", CR_CODE),
    "code behind a next-line character": log("[formatter_plain]\n", f"[formatter_plain]\n#\x85defaults={CODE}\n"),
    "code behind a line separator": log("[formatter_plain]\n", f"[formatter_plain]\n#\u2028defaults={CODE}\n"),
    "a format that reads attributes": log("[formatter_plain]\n", "[formatter_plain]\nstyle={\n"),
    "a level that is a call": log("level=WARNING", f"level={CODE}"),
    "logging in Latin-1": log("[loggers]", "# \udcff".encode("utf-8", "surrogateescape").decode("latin-1") + "\x85"),
    # YAML and JSON
    "a merge key": train("planted:\n  <<: {_target_: os.system}"),
    "an anchor that is used": train("planted: &x {a: 1}\nagain: *x"),
    "a name of Python": train("planted: !!python/name:os.system"),
    "a module of Python": train("planted: !!python/module:antigravity"),
    "a tag under another handle": write(
        "configs/x.yaml", "%TAG ! tag:yaml.org,2002:python/\n---\nx: !name:os.system\n"
    ),
    "bytes": train("planted: !!binary aGk="),
    "a second document": write("configs/x.yaml", f"seed: 1\n---\ninitialize: [${CODE}]\n"),
    "a null byte": train(b"planted: a\x00b"),
    "a mark of byte order in the middle": train("planted: \ufeff1"),
    "a line that only Unicode ends": train(f"# x\u2028initialize: [${CODE}]"),
    "UTF-16": lambda folder: write(TRAIN, (folder / TRAIN).read_text().encode("utf-16"))(folder),
    "UTF-7": train(b"planted: +ACQ-\xff"),
    "an expression by an escape": train(f'planted: "\\x24{CODE}"'),
    "an expression by an escape of JSON": write("configs/x.json", '{"planted": "\\u0024' + CODE + '"}'),
    "a target by an escape": train('planted: {"_t\\x61rget_": os.system}'),
    "an expression with a next line": train('planted: "$1\\N+ __import__(\'os\').system(\'touch ran\')"'),
    "an expression that is folded": train(f"planted: >-\n  $\n  {CODE}"),
    "brackets without end": train("planted: " + "[" * 100_000),
    "brackets of JSON without end": write("configs/x.json", '{"a": ' + "[" * 90_000),
    "a number of 100,000 digits": train("planted: " + "9" * 100_000),
    "a key that is nothing": train("planted: {null: 1}"),
    "a key that is an id": train("planted: {a#_target_: os.system}"),
    # what else MONAI evaluates
    "a requirement": train(f"planted: {{_target_: torch.nn.GELU, _requires_: [${CODE}]}}"),
    "a requirement of a requirement": train(f"x: {{_target_: torch.nn.GELU, _requires_: {{_requires_: ${CODE}}}}}"),
    "a list of targets": train("planted: {_target_: [os.system]}"),
    "a target of a part that plus adds": train("'+train': {x: {_target_: os.system}}"),
    "a macro of a file with a line end": train('planted: "%evil.json\\n::x"'),
    "a macro of a file in capitals": train("planted: '%EVIL.YML'"),
    "a macro of the whole": train("planted: '%'"),
    "a condition": train(f"planted: {{_target_: torch.nn.GELU, _disabled_: ${CODE}}}"),
    "a comment of an expression": train(f"planted: '$1 # + @seed + {CODE}'".replace("('", "(''").replace("')", "'')")),
    "an import of many lines": train("imports::9: \"$import torch\\nimport os\""),
    "an expression in the change log": metadata(changelog={"0.1.0": f"${CODE}"}),
    "a size that is code": metadata(
        network_data_format={"inputs": {"x": {"spatial_shape": [CODE]}}, "outputs": {"x": {"spatial_shape": CODE}}}
    ),
    "a source of data by a path": metadata(medmae_check={"data": "$x", "outputs": {}, "exports": {}}),
    "an overlay that all share, of its own": write("configs/multi_gpu_train.yaml", f"initialize: [${CODE}]"),
    # pickles
    "weights that are a program": write("models/model.pt", saved({"a": Payload()})),
    "weights that are a script": write("models/model.pt", script()),
    "a script": write("models/model.ts", script()),
    "a pickle called safetensors": write("models/model.safetensors", pickle.dumps(Payload())),
    "a pickle called a picture": write("docs/a.png", pickle.dumps(Payload(), protocol=0)),
    "a checkpoint to go on from": write("checkpoints/step-00000001.ckpt", pickle.dumps(Payload())),
    "a pickle in front of sound weights": write("models/model.pt", BAD + saved(SOUND)),
    "sound weights before a pickle": write("models/model.pt", saved_as_once(SOUND) + BAD),
    "weights as torch wrote them once": write("models/model.pt", saved_as_once({"a": Payload()})),
    "weights as torch wrote them before": write("models/model.pt", tarred(BAD)),
    "weights with a second pickle": write("models/model.pt", with_member("archive/more.pkl", BAD)),
    # what else a reader of the same bytes may see
    "half a character": write("configs/x.json", '{"planted": "\\ud800"}'),
    "half a character of YAML": train('planted: "\\udcff"'),
    "a key twice by an escape": write("configs/x.json", '{"run": [], "r\\u0075n": ["$' + CODE + '"]}'),
    "a part of a list that is empty": train(f"'initialize::0': ${CODE}"),
    "an overlay of a file elsewhere": train("merged_over: ../../x"),
    "an overlay of itself": train("merged_over: train"),
    "defaults of all sections": log("[loggers]", f"[DEFAULT]\nargs=({CODE},)\n[loggers]"),
    "a formatter of another class": log("[formatter_plain]\n", "[formatter_plain]\nclass=cProfile.Profile\n"),
    "a configuration in a folder of its own": write("configs/sub/train.yaml", f"initialize: [${CODE}]"),
    "a configuration called as an option": write("configs/--trust.yaml", "seed: 1"),
    "a file of holes": sparse("docs/x.md", 30_000_000_000),
    "a configuration of holes": sparse("configs/x.yaml", 30_000_000_000),
    "a text that formats itself": train("planted: \"$'{0.seed}'.format(@seed)\""),
    "a name that letters of mathematics spell": train("planted: '$\uff45\uff58\uff45\uff43(1)'"),
    "a function of its own": train("planted: '$lambda: 1'"),
    "a text that fills the memory": train("planted: $str(@seed) * 9999999999"),
    "a power that takes for ever": train("planted: $9 ** 9 ** 9"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_a_hostile_bundle_is_refused_and_nothing_of_it_runs(bundle: Path, fault: str) -> None:
    REFUSED[fault](bundle)
    path = list(sys.path)
    with pytest.raises(BundleRefusedError):
        run_bundle(bundle, "train")
    assert not list(bundle.parent.rglob("ran"))
    assert sys.path == path


def test_names_that_are_commands_to_a_terminal_are_written_out(bundle: Path) -> None:
    write("\x1b]0;owned\x07\u202e.py")(bundle)
    (bundle / os.fsdecode(b"docs/\xff.md")).write_text("x")
    train('planted: "$\\e[2J"')(bundle)
    with pytest.raises(BundleRefusedError) as refused:
        run_bundle(bundle, "train")
    assert str(refused.value).replace("\n", "").isprintable()
    assert r"\x1b]0;owned\x07\u202e.py" in str(refused.value)
    assert r"docs/\udcff.md" in str(refused.value)


def test_at_least_sixty_hostile_bundles_are_tried() -> None:
    assert len(REFUSED) + len(ZIPS) + len(HIDDEN) >= 60


def test_weights_whose_header_names_another_class_build_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for target in (
        "os.system",
        "pathlib.Path.touch",
        "medmae.files.write_text",
        "medmae.nn.config.importlib.import_module",
    ):
        said = {"networks": json.dumps({"": {"_target_": target, "command": "touch ran"}})}
        save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata=said)
        with pytest.raises(DataError, match=r"cannot build the network|does not say"):
            network_of(tmp_path / "a.safetensors")
    assert not list(tmp_path.rglob("ran"))


# ------------------------------------------------------------------- what passes, because nobody reads it another way
LATIN = f"# \u00c5initialize: [${CODE}]\n".encode()  # in Latin-1 its second byte ends the line
HIDDEN: dict[str, Plant] = {
    "a line that Latin-1 sees": train(LATIN),
    "a line that Latin-1 sees in JSON": write("configs/x.json", '{"seed": "\u00c5"}'),
    "carriage returns before line ends": lambda folder: write(
        TRAIN, (folder / TRAIN).read_bytes().replace(b"\n", b"\r\n")
    )(folder),
    "a format that names an object": log("format=", "format=ext://os.system "),
}  # fmt: skip


@pytest.mark.parametrize("fault", HIDDEN)
def test_what_other_readers_would_see_is_not_there(bundle: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    HIDDEN[fault](bundle)
    monkeypatch.setattr("monai.bundle.config_parser.open", partial(open, encoding="latin-1"), raising=False)
    path = list(sys.path)
    run_bundle(bundle, "train")
    assert not list(bundle.parent.rglob("ran"))
    assert sys.path == path


def test_the_line_that_latin_1_sees_would_have_run(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from monai.bundle import ConfigParser

    train(LATIN)(bundle)
    monkeypatch.setattr("monai.bundle.config_parser.open", partial(open, encoding="latin-1"), raising=False)
    assert "\u00c3" not in str(ConfigParser.load_config_file(bundle / TRAIN)["initialize"])
    assert ConfigParser.load_config_file(bundle / TRAIN)["initialize"] == [f"${CODE}"]


def test_a_bundle_that_changes_after_the_check_runs_as_it_was(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medmae.bundle import run

    def changed(checked: Bundle, files: list[Path]) -> dict[str, object]:
        train(f"initialize: [${CODE}]")(bundle)
        log("[formatter_plain]\n", CR_CODE)(bundle)
        return checked_config(checked, files)

    checked_config = run.checked_config
    monkeypatch.setattr(run, "checked_config", changed)
    run_bundle(bundle, "train")
    assert not list(bundle.parent.rglob("ran"))


# ------------------------------------------------------------------------------------------------------ values typed
@pytest.mark.parametrize(
    "options",
    [
        {"method::_target_": "os.system"},
        {"seed": "{_target_: os.system, command: touch ran}"},
        {"method": "{_target_: torch.nn.GELU, _mode_: debug}"},
        {"method::_target_": "torch.os.system"},
    ],
)
def test_a_value_that_is_typed_makes_nothing_that_no_recipe_may_make(bundle: Path, options: dict[str, str]) -> None:
    text = (bundle / TRAIN).read_text()
    write(TRAIN, text.replace("run: []", "run: ['@method', '@seed']"))(bundle)
    with pytest.raises(DataError):
        run_bundle(bundle, "train", options=options)
    assert not list(bundle.parent.rglob("ran"))


@pytest.mark.parametrize("text", [f"${CODE}", "@method", "%configs/evil.yaml::x", f"[${CODE}]"])
def test_a_name_that_begins_like_an_expression_is_a_name(bundle: Path, text: str) -> None:
    home = run_bundle(bundle, "train", options={"output_dir": text})
    assert home == Path(text)
    assert not list(bundle.parent.rglob("ran"))


def test_a_folder_with_the_name_of_a_shipped_bundle_does_not_take_its_place(bundle: Path) -> None:
    with pytest.raises(DataError, match=rf"write \./{NAME} for the folder"):
        run_bundle(NAME, "train")
    run_bundle(f"./{NAME}", "train")


# --------------------------------------------------------------------------------------------------------- zip files
def member(name: str, mode: int = 0, *, flags: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.filename = name  # ZipInfo cuts a name at NUL
    info.external_attr, info.flag_bits = mode << 16, flags
    return info


EVIL = f"initialize: [${CODE}]\nrun: []\n".encode()
ZIPS: dict[str, list[tuple[zipfile.ZipInfo, bytes]]] = {
    "a member in the folder itself": [(member(f"{NAME}/./configs/train.yaml"), EVIL)],
    "a member behind two slashes": [(member(f"{NAME}//configs/train.yaml"), EVIL)],
    "a member twice": [(member(f"{NAME}/configs/train.yaml"), EVIL)],
    "a member in capitals": [(member(f"{NAME}/CONFIGS/train.yaml"), EVIL)],
    "a member in wide letters": [(member(f"{NAME}/configs/\uff54rain.yaml"), EVIL)],
    "a member above": [(member(f"{NAME}/configs/../configs/train.yaml"), EVIL)],
    "an absolute member": [(member("/tmp/train.yaml"), EVIL)],
    "a member on a drive": [(member("C:/train.yaml"), EVIL)],
    "a member with backslashes": [(member(f"{NAME}\\configs\\train.yaml"), EVIL)],
    "a member with a line end": [(member(f"{NAME}/configs/train.yaml\n"), EVIL)],
    "a member that is a link": [(member(f"{NAME}/docs/x.md", 0o120777), b"/etc/passwd")],
    "a member that is a pipe": [(member(f"{NAME}/docs/x.md", 0o010644), b"")],
    "a member that is a folder, too": [(member(f"{NAME}/LICENSE/x"), b"x")],
    "a second folder": [(member("other/configs/train.yaml"), EVIL)],
    "a bomb": [(member(f"{NAME}/docs/x.txt"), b" " * 5_000_000)],
    "a name too long for a disk": [(member(f"{NAME}/docs/{'x' * 300}.md"), b"x")],
}


def packed(path: Path, texts: dict[str, bytes], more: list[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in texts.items():
            archive.writestr(f"{NAME}/{name}", content)
        for info, content in more:
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("fault", ZIPS)
def test_a_hostile_zip_file_is_not_unpacked(texts, tmp_path: Path, fault: str) -> None:
    path = packed(tmp_path / "x.zip", texts, ZIPS[fault])
    states = {outcome.number: outcome.state for outcome in check_bundle(path, make_data=None)}
    assert states == {1: "failed", **dict.fromkeys(range(2, 16), "not run")}
    with pytest.raises(UnsafeZipError, match=r"x\.zip"):
        unpack(path, tmp_path / "out")


def test_a_zip_file_whose_tables_disagree_is_not_unpacked(texts, tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", texts, [])
    content = path.read_bytes()
    name = f"{NAME}/{TRAIN}".encode()
    path.write_bytes(content.replace(name, name.replace(b"train", b"treen"), 1))  # the first is the local header
    with pytest.raises(UnsafeZipError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize("damage", ["a bit of its table", "no end"])
def test_a_damaged_zip_file_is_told_and_not_unpacked(texts, tmp_path: Path, damage: str) -> None:
    path = packed(tmp_path / "x.zip", texts, [])
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2")] ^= 1
    path.write_bytes(content if damage == "a bit of its table" else content[:500])
    first = next(iter(check_bundle(path, make_data=None)))
    assert first.state == "failed"
    with pytest.raises(UnsafeZipError, match=r"x\.zip.*cannot be unpacked \(BadZipFile"):
        unpack(path, tmp_path / "out")


def test_what_is_checked_of_a_zip_file_is_what_is_unpacked(texts, tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", texts, [])
    assert {outcome.state for outcome in check_bundle(path, make_data=None)} == {"ok"}
    assert Bundle.open(unpack(path, tmp_path / "out")).documents.keys() == {n for n in texts if "configs/" in n} - {LOG}
    assert not zipfile.is_zipfile(tmp_path / "out" / NAME / TRAIN)
