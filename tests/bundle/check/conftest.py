"""A bundle that passes and does nothing, for what is planted in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from medmae.bundle.shipped import shared_file, shipped

NAME, TRAIN, LOG = "mr_edge_mae_pretraining", "configs/train.yaml", "configs/logging.conf"


@pytest.fixture(scope="module")
def texts() -> dict[str, bytes]:
    """Files of a bundle that passes and does nothing."""
    home = shipped()[NAME]
    files = {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    files = {name: content for name, content in files.items() if name.split("/")[0] in {"LICENSE", "configs", "docs"}}
    train = files[TRAIN].decode()
    start = train.index("initialize:")
    files[TRAIN] = f"{train[:start]}initialize: []\nrun: []\n".encode()
    return {**files, LOG: shared_file("logging.conf").read_bytes()}


@pytest.fixture
def bundle(texts: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its folder; the working directory is the one above."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / NAME
    for name, content in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
