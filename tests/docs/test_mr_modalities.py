"""docs/methods/he_mmae.md: MR contrasts as modalities, line by line on real volumes, at a size that takes seconds."""

import csv
import re
from pathlib import Path

import pytest

from data_prep.mr import prepare

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "he_mmae.md"
# Smaller and shorter than the page; every other word is the page's.
QUICKER = {
    "size = 96": "size = 32",
    "], 96": "], 32",
    "patch_size=12, embed_dim=192, depth=6": "patch_size=8, embed_dim=32, depth=2",
    "num_visible=32": "num_visible=12",
    "max_epochs=10": "max_epochs=1, limit_train_batches=4",
}


@pytest.mark.slow
def test_contrasts_of_real_patients_train_one_encoder_and_each_is_judged(shared, tmp_path, monkeypatch):
    (text,) = re.findall(r"^## MR contrasts.*?^```python\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    for page, quick in QUICKER.items():
        text = text.replace(page, quick)
    monkeypatch.chdir(tmp_path)
    prepare(
        source=shared / "data" / "mri" / "open_ms_cross", out=tmp_path / "prepared", fractions=(0.5, 0, 0.5), workers=0
    )
    exec(compile(text, str(PAGE), "exec"), {})
    rows = list(csv.DictReader((tmp_path / "runs" / "mri" / "evaluation" / "reconstruction.csv").open()))
    assert {row["contrast"] for row in rows} == {"t1", "t2", "flair"}
    assert all(float(row["psnr_neighbour"]) > 5 for row in rows)
