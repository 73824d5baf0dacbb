"""``python -m medmae`` is the command."""

from __future__ import annotations

import subprocess
import sys

import pytest

import medmae


@pytest.mark.parametrize("module", ["medmae", "medmae.cli"])
def test_the_module_is_the_command(module: str) -> None:
    said = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == f"medmae {medmae.__version__}"
