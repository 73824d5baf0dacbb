"""The promises that the project's own files make."""

from __future__ import annotations

import graphlib
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement

import medmae
from medmae.bundle.shipped import shipped
from medmae.cli import app, sources

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

# Spelt in halves, so that this file does not hold what it forbids.
INDEX_HOSTS = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org"]
MACHINE_PATH = re.compile(r"(?<![\w.<])/(?:root|home|Users|work)/[\w.]")


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def lines_that_match(files: list[Path], pattern: re.Pattern[str]) -> list[str]:
    found = []
    for file in files:
        content = file.read_bytes()
        if b"\0" in content:
            continue
        lines = enumerate(content.decode("utf-8").splitlines(), start=1)
        found += [f"{file.relative_to(ROOT)}:{number}" for number, line in lines if pattern.search(line)]
    return found


def test_imports_only_go_down(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from importlinter.cli import lint_imports

    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Nor would they if what only types need were imported, too."""
    graph = grimp.build_graph("medmae", "data_prep", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert set(graphlib.TopologicalSorter(imports).static_order()) == graph.modules


def test_no_tracked_file_names_an_index_host(tracked: list[Path]) -> None:
    assert lines_that_match(tracked, re.compile("|".join(map(re.escape, INDEX_HOSTS)))) == []


def test_no_tracked_file_holds_a_path_of_one_machine(tracked: list[Path]) -> None:
    assert lines_that_match(tracked, MACHINE_PATH) == []


def test_nothing_advises_to_install_medmae_from_the_public_index(tracked: list[Path]) -> None:
    """The name there is not ours."""
    advice = re.compile(r"(pip|uv) install [^`]*\bmed" + r"mae(\[|[\"'`\s]|$)")
    assert lines_that_match(tracked, advice) == []


def test_no_lock_file_of_an_index_is_tracked(tracked: list[Path]) -> None:
    assert [file for file in tracked if file.name in {"uv.lock", "package-lock.json", "poetry.lock"}] == []


def test_no_tracked_file_is_large(tracked: list[Path]) -> None:
    assert [file for file in tracked if file.stat().st_size > 5_000_000] == []


@pytest.mark.parametrize("name", ["requirements.txt", ".ci/uv.txt"])
def test_every_pin_is_exact_and_has_a_hash(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    pins = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert pins
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_the_pins_satisfy_what_the_project_declares() -> None:
    pins = {
        match[1].lower(): match[2]
        for match in re.finditer(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
    }
    optional = PROJECT["project"]["optional-dependencies"]
    waiting = [*PROJECT["project"]["dependencies"], "medmae[dev]"]
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name == "medmae":
            waiting += [text for extra in requirement.extras for text in optional[extra]]
        else:
            assert requirement.specifier.contains(pins[requirement.name.lower()]), requirement


def test_the_security_floors_stand() -> None:
    declared = {requirement.name: requirement for requirement in map(Requirement, PROJECT["project"]["dependencies"])}
    for name, refused in {
        "torch": ["2.9.1", "2.10"],
        "monai": ["1.6.0"],
        "pytorch-lightning": ["2.6.2", "2.6.3"],
    }.items():
        assert not any(declared[name].specifier.contains(version) for version in refused), name


def test_the_security_rules_of_the_linter_are_on() -> None:
    rules = PROJECT["tool"]["ruff"]["lint"]
    assert {"S", "ANN", "D", "B", "PT", "RUF"} <= set(rules["select"])
    assert not [rule for rule in rules["ignore"] if rule in {"S102", "S301", "S307", "S602", "S614"}]


def test_the_version_has_a_section_in_the_changelog() -> None:
    assert re.search(
        rf"^## \[{re.escape(medmae.__version__)}\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE
    )


def test_continuous_integration_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()


def test_the_sdist_carries_all_that_is_tracked(
    tracked: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that its tests find what those of a clone do."""
    from hatchling.build import build_sdist

    monkeypatch.chdir(ROOT)
    with tarfile.open(tmp_path / build_sdist(str(tmp_path))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {str(file.relative_to(ROOT)) for file in tracked} - names == set()


@pytest.mark.parametrize("url", ["", "https://code.example/medmae/"])
def test_the_description_has_no_link_that_leads_nowhere(tmp_path, monkeypatch, url: str) -> None:
    from hatchling.build import build_wheel

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MEDMAE_URL", url)
    with zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))) as wheel:
        (metadata,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        text = wheel.read(metadata).decode()
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert "make demo" in text
    assert [link for link in links if not link.startswith("https://")] == []
    assert ("https://code.example/medmae/docs/images/report.png" in links) == bool(url)
    assert ("Project-URL: Source, https://code.example/medmae\n" in text) == bool(url)


def test_what_the_dockerfile_copies_exists_and_is_not_ignored() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [name for line in lines if re.match(r"COPY (?!--from)", line) for name in line.split()[1:-1]]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert "requirements.txt" in copied
    assert set(copied) == kept
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_wheel_carries_both_packages_and_the_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hatchling.build import build_wheel

    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))) as wheel:
        names = wheel.namelist()
    assert "medmae/py.typed" in names
    assert any(name.startswith("data_prep/") for name in names)
    assert "medmae/_bundles/shared/logging.conf" in names
    for bundle in shipped():
        assert f"medmae/_bundles/{bundle}/configs/metadata.json" in names
    assert not [name for name in names if name.startswith(("tests/", "bundles/", "benchmarks/"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)  # expressions look like links
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("script", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda script: script.stem)
def test_figures_of_a_benchmark_have_a_place_on_a_page(script: Path) -> None:
    pages = [page.read_text() for page in PAGES]
    for name in re.findall(r"write_section\(\s*\"(\w+)\"", script.read_text()):
        assert any(f"<!-- {name} -->" in page and f"<!-- /{name} -->" in page for page in pages), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_that_pages_show_exist(page: Path) -> None:
    known = {*sources(), *(info.name or info.callback.__name__ for info in app.registered_commands)}
    known |= {info.name for info in app.registered_groups}
    shown = re.findall(r"^(?:\$ )?medmae +(?:prep +)?([a-z]+)", page.read_text(), flags=re.MULTILINE)
    assert set(shown) <= known
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"^make +([a-z]+)", page.read_text(), flags=re.MULTILINE)) <= targets
