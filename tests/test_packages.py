"""``data_prep`` is the one that came with medmae, whatever else has this name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medmae.packages import DATA_PREP, own_data_prep


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(DATA_PREP.parent)])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def foreign(tmp_path):
    """A folder with a user's own ``data_prep.py``, in the working directory and first on PYTHONPATH."""
    (tmp_path / "data_prep.py").write_text("raise SystemExit('the one of the user was imported')\n")
    return tmp_path


def test_a_foreign_module_of_the_name_is_not_imported(foreign):
    code = (
        "from medmae.packages import own_data_prep; own_data_prep(); own_data_prep()\n"
        "import data_prep.outcome; print(data_prep.outcome.__file__)"
    )
    done = python("-c", code, folder=foreign)
    assert done.stdout.strip() == str(DATA_PREP / "outcome.py"), done.stderr


def test_a_child_process_takes_ours_too(foreign):
    code = (
        "from medmae.child import run_in_child\nprint(run_in_child('data_prep.mr:no_such', {}, path='x', limit_s=60))"
    )
    assert "has no attribute 'no_such'" in python("-c", code, folder=foreign).stderr


@pytest.mark.slow
def test_the_command_line_prepares_beside_a_foreign_module_on_a_cluster(foreign, tmp_path):
    from data_prep.tiny import make

    raw = make("mr", tmp_path / "made")[1]
    done = python("-m", "medmae", "prep", "mr", str(raw), "prepared", "--workers", "1", folder=foreign)
    assert done.returncode == 0, done.stderr
    assert (foreign / "prepared" / "manifest.jsonl").is_file()


def test_a_foreign_module_that_is_there_already_is_named(foreign):
    (foreign / "data_prep.py").write_text("mine = 1\n")
    code = "import data_prep\nfrom medmae.packages import own_data_prep\nown_data_prep()"
    assert "is also a package of medmae: rename it" in python("-c", code, folder=foreign).stderr


def test_here_it_is_ours():
    own_data_prep()
    assert (DATA_PREP / "py.typed").is_file()
