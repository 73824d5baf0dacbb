"""Workers that are started anew (spawn, forkserver: the default of Python 3.14) import no more than reading needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Each takes seconds of processor time, in every worker; torch alone takes two, and is needed.
HEAVY = {"pytorch_lightning", "torchmetrics", "torchvision", "transformers", "monai", "kornia", "timm", "matplotlib"}
HEAVY |= {"sklearn", "skimage", "sympy", "SimpleITK", "onnx"}
VIEWS = ["images.pictures", "slides.tiles", "slides.stain_tiles", "video.clips"]
VIEWS += ["volumes.crops", "volumes.pairs", "volumes.slices", "volumes.stacks"]
# A script, as `spawn` and `forkserver` import the main module again.
SCRIPT = """
import sys

class Imported:
    def __init__(self, samples): self.samples = samples
    def __len__(self): return len(self.samples)
    def __getitem__(self, index): return {"count": len(self.samples[index]), "seen": " ".join(heavy())}

def heavy():
    return sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[3].split(",")))

if __name__ == "__main__":
    import torch
    from medmae.data import Pictures, Samples
    from medmae.data.images.source import read_images
    from medmae.training import ResumableLoader

    torch.multiprocessing.set_start_method(sys.argv[1])
    source = read_images(sys.argv[2], subject_from=r"^(p\\d+)_")
    samples = Samples(source=source, view=Pictures(size=32, channels=1), split="train")
    loader = ResumableLoader(dataset=Imported(samples), batch_size=2, num_workers=1)
    print(sorted(set(next(iter(loader))["seen"])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_a_worker_that_is_started_anew_imports_no_training(tmp_path: Path, start: str) -> None:
    from data_prep.tiny import make

    images = make("images", tmp_path)[1]
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), start, str(images), ",".join(HEAVY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['']", done.stderr


@pytest.mark.parametrize("view", VIEWS)
def test_views_and_their_reader_import_nothing_heavy(view: str) -> None:
    code = f"import sys, medmae.training.reading, medmae.data.samples, medmae.data.{view}; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in seen} & HEAVY == set()
