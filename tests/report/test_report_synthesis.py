"""The page of a synthesis."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medmae.errors import DataError
from medmae.evaluate.synthesis.verdict import verdict
from medmae.report import build_report, write_report

SUBJECTS = ("sub-04", "sub-05", "sub-06", "sub-07", "sub-08")
VERDICT = "Not better than a table of grey values."
REGIONS = ("foreground", "lesion", "whole", "reference")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.skip, self.text = False, []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.skip = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self.skip:
            self.text.append(data)


def visible_text(page: Path) -> str:
    parser = _Text()
    parser.feed(page.read_text())
    return re.sub(r"\s+", " ", " ".join(parser.text))


def over_subjects(values):
    mean, std = float(np.mean(values)), float(np.std(values, ddof=1))
    ends = {"ci_low": mean - std, "ci_high": mean + std}
    return {"mean": mean, "std": std, "median": float(np.median(values)), **ends, "n_subjects": len(values)}


def scores(rng, *, table=0.5):
    """Columns of a good model and of a table that is ``table`` times as good."""
    columns = {}
    for region in REGIONS:
        quality = 1 + 0.1 * rng.random(len(SUBJECTS))
        for name, good in (("model", 1.0), ("table", table)):
            columns[f"psnr_{name}_{region}"] = 25 * good * quality
            columns[f"ssim_{name}_{region}"] = 0.9 * good * quality
            columns[f"nmse_{name}_{region}"] = 0.01 / good / quality
            columns[f"mae_{name}_{region}"] = 0.05 / good / quality
    columns["stripe_model_foreground"], columns["stripe_table_foreground"] = 1.31 * quality, quality
    return columns


def write_synthesis(run, *, table=0.5, uncertainty=True, rows=3, targets=("T2",), size=(140, 105)):
    """Replace the evaluation of a run with that of a synthesis."""
    out, rng = run / "evaluation", np.random.default_rng(0)
    shutil.rmtree(out)
    (out / "montage").mkdir(parents=True)
    columns = scores(rng, table=table)
    lines = [
        [s, s, "T1", target, *(f"{values[i]:.5f}" for values in columns.values())]
        for i, s in enumerate(SUBJECTS) for target in targets
    ]  # fmt: skip
    head = ["case", "subject", "source", "target", *columns]
    (out / "metrics.csv").write_text("\n".join(",".join(map(str, line)) for line in [head, *lines]) + "\n")
    summary = {name: over_subjects(values) for name, values in columns.items()}
    summary["psnr_model_foreground"] |= {"label": "PSNR, foreground", "unit": "dB", "better": "higher"}
    gain = columns["psnr_model_foreground"] - columns["psnr_table_foreground"]
    summary["gain_over_table_psnr_foreground"] = over_subjects(gain)
    (out / "summary.json").write_text(json.dumps(summary))
    montages = [{"case": s, "target": t, "file": f"{s}.png"} for s in SUBJECTS for t in targets]
    for drawn in montages:
        noise = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).resize(size).save(out / "montage" / drawn["file"])
    definitions = {region: {"data_range": 1.0, "mask": f"mask of {region}"} for region in REGIONS}
    about = {"split": "test", "baselines": {"table": "mean target"}, "verdict": VERDICT}
    (out / "metrics.json").write_text(json.dumps({**about, "definitions": definitions, "montages": montages}))
    write_worst(out, rng, rows)
    if uncertainty:
        (out / "calibration.json").write_text(json.dumps(calibration()))
    return run


def write_worst(out, rng, rows):
    arrays, info = {}, []
    for i in range(rows):
        image = rng.random((40, 32)).astype(np.float32)
        pictures = {"source": image, "synthetic": 0.9 * image, "real": image, "error": 0.1 * image}
        arrays |= {f"{i}/{name}": picture for name, picture in pictures.items()}
        info.append({"case": SUBJECTS[i % 5], "contrast": "T1 → T2", "slice": 50 + i, "mae_model": 0.2 - 0.01 * i})
    np.savez(out / "panels.npz", **arrays)
    (out / "panels.json").write_text(json.dumps(info))


def calibration():
    def scored(level, covered):
        curve = {"expected": [0.01, 0.02, 0.03], "observed": [level, 2 * level, 3 * level], "share": [0.3, 0.3, 0.4]}
        by_case = {f"{s} T2": covered for s in SUBJECTS}
        error = {**over_subjects([level, level]), "by_case": dict.fromkeys(by_case, level)}
        return {"curve": curve, "calibration_error": error, "coverage": {**over_subjects([covered] * 5),
                                                                        "by_case": by_case}}  # fmt: skip

    how = {"spread": "standard deviation over views", "error": "|mean - real|", "nominal_coverage": 0.9545}
    return {"definition": how, "fitted_on": ["sub-09"], "before": scored(0.04, 0.61), "after": scored(0.011, 0.94)}


@pytest.fixture
def make_synthesis(make_run):
    """Return a function that writes a run of a synthesis; its arguments are those of :func:`write_synthesis`."""
    return lambda **options: write_synthesis(make_run(test=SUBJECTS), **options)


def test_the_page_says_before_any_figure_that_images_are_synthetic_and_not_for_diagnosis(make_synthesis):
    text = visible_text(write_report(make_synthesis()))
    assert text.index("Synthetic images, not for diagnosis") < text.index("25.")
    assert "Research software, not for diagnosis" in text


def test_the_headline_is_the_foreground_with_its_interval_beside_the_table(make_synthesis):
    run = make_synthesis()
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    ours, rival = summary["psnr_model_foreground"], summary["psnr_table_foreground"]
    html = write_report(run).read_text()
    text = visible_text(run / "report.html")
    assert f'<p class="value">{ours["mean"]:.1f}<span class="unit"> dB' in html
    assert f"{ours['ci_low']:.1f} to {ours['ci_high']:.1f} over 5 held-out subjects" in text
    assert f'<p class="label">Table of grey values</p>\n    <p class="value">{rival["mean"]:.1f}' in html
    assert "better on 5 of 5" in text
    assert "Stripe ratio (1 is natural)" in text


def test_the_summary_says_what_is_made_from_what(make_synthesis):
    assert "was trained to make T2 from T1 on 3 subjects" in visible_text(write_report(make_synthesis()))


def test_every_metric_and_region_stands_in_the_table_beside_the_table(make_synthesis):
    run = make_synthesis()
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    text = visible_text(write_report(run))
    for region in REGIONS:
        for metric, digits in (("psnr", 2), ("ssim", 4), ("nmse", 4), ("mae", 4)):
            for name in ("model", "table"):
                assert f"{summary[f'{metric}_{name}_{region}']['mean']:.{digits}f}" in text
    gain = summary["gain_over_table_psnr_foreground"]
    assert f"+{gain['mean']:.2f} ({gain['ci_low']:.2f} to {gain['ci_high']:.2f})" in text


def test_a_subject_is_a_dot_for_psnr_and_for_ssim(make_synthesis):
    html = write_report(make_synthesis(uncertainty=False)).read_text()
    for title in ("PSNR, foreground", "SSIM, foreground"):
        drawing = re.search(rf'aria-label="{title}[^"]*">(.*?)</svg>', html, re.DOTALL)
        assert drawing is not None
        assert drawing[1].count("<circle") == 2 * 5


def test_montages_go_from_the_best_to_the_worst_and_are_made_smaller(make_synthesis):
    run = make_synthesis(size=(1040, 780))
    html = write_report(run).read_text()
    shown = re.findall(r'alt="Montage of (sub-\d+), T2"', html)
    rows = [line.split(",") for line in (run / "evaluation" / "metrics.csv").read_text().splitlines()]
    score = rows[0].index("psnr_model_foreground")
    ranked = [row[0] for row in sorted(rows[1:], key=lambda row: -float(row[score]))]
    assert len(shown) == 4
    assert [shown[0], shown[-1]] == [ranked[0], ranked[-1]]
    assert shown == [case for case in ranked if case in shown]
    assert 'width=1000 height=750 alt="Montage' in html
    assert "4 of 5 montages" in visible_text(run / "report.html")


def test_the_worst_slices_share_the_error_scale_of_the_montages(make_synthesis):
    text = visible_text(write_report(make_synthesis()))
    assert text.index("Worst slices The slices of") < text.index("slice 50") < text.index("slice 52")
    assert "real| 0 0.3" in text
    assert "Mean absolute error 0.200" in text


def test_the_spread_is_shown_before_and_after_calibration(make_synthesis):
    text = visible_text(write_report(make_synthesis()))
    assert "fitted on 1 validation subject" in text
    assert "61.0 %" in text
    assert "94.0 %" in text
    assert "nominal 95.5 %" in text
    assert "0.0400" in text


def test_without_uncertainty_there_is_no_such_section(make_synthesis):
    assert "Uncertainty" not in visible_text(write_report(make_synthesis(uncertainty=False)))


def test_definitions_and_baseline_are_on_the_page(make_synthesis):
    text = visible_text(write_report(make_synthesis()))
    assert all(f"mask of {region}" in text for region in REGIONS)
    assert "table: mean target" in text


def test_the_sections_are_those_of_a_synthesis_and_nothing_of_a_reconstruction_is_said_to_be_missing(make_synthesis):
    run = make_synthesis()
    assert [section.title for section in build_report(run).sections] == [
        "Montages",
        "Scores",
        "Worst slices",
        "Uncertainty",
        "Training",
        "Data",
        "Definitions",
        "Configuration",
    ]
    text = visible_text(write_report(run))
    for absent in ("hidden patch", "Reconstructions", "No panels", "No scores", "not been evaluated"):
        assert absent not in text


def test_nothing_of_a_synthesis_is_on_the_page_of_a_reconstruction(make_run):
    sections = [section.title for section in build_report(make_run()).sections]
    assert sections == ["Reconstructions", "Baselines", "Training", "Data", "Configuration"]


def test_the_verdict_is_the_first_thing_below_the_title(make_synthesis):
    text = visible_text(write_report(make_synthesis()))
    assert text.index(VERDICT) < text.index("was trained to make T2 from T1")


def test_several_targets_get_a_row_each(make_synthesis):
    run = make_synthesis(targets=("T2", "FLAIR"))
    text = visible_text(write_report(run))
    assert "to make FLAIR and T2 from T1" in text
    assert "Made PSNR (dB), model" in text


def test_each_contrast_that_is_made_has_its_interval(make_synthesis):
    run = make_synthesis(targets=("FLAIR", "T2"))
    path = run / "evaluation" / "summary.json"
    entry = {"mean": 21.5, "ci_low": 20.25, "ci_high": 22.75, "n_subjects": 5}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"by_target": {"T2": {"psnr_model_foreground": entry}}}))
    assert "T2 21.500 (20.250 to 22.750)" in visible_text(write_report(run))


def test_the_page_needs_no_file_and_stays_below_six_megabytes(make_synthesis):
    page = write_report(make_synthesis(rows=10))
    html = page.read_text()
    sources = re.findall(r'src="([^"]*)', html)
    assert len(sources) == 4 + 10 * 4
    assert all(source.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) for source in sources)
    assert page.stat().st_size < 6_000_000


def test_a_montage_that_cannot_be_read_is_named(make_synthesis):
    run = make_synthesis()
    (run / "evaluation" / "montage" / "sub-04.png").write_bytes(b"no picture")
    for subject in SUBJECTS[1:]:
        shutil.copy(run / "evaluation" / "montage" / "sub-04.png", run / "evaluation" / "montage" / f"{subject}.png")
    with pytest.raises(DataError, match=r"picture cannot be read.*") as caught:
        write_report(run)
    assert str(caught.value.path).endswith(".png")


def test_a_montage_s_name_cannot_leave_the_folder(make_synthesis):
    run = make_synthesis()
    path = run / "evaluation" / "metrics.json"
    path.write_text(path.read_text().replace('"sub-04.png"', '"../../../secret/sub-04.png"'))
    write_report(run)


def test_tables_are_narrow_enough_for_a_page_and_have_a_region_each(make_synthesis):
    html = write_report(make_synthesis()).read_text()
    section = html.split('id="scores"')[1].split("</section>")[0]
    tables = re.findall(r"<table>.*?</table>", section, re.DOTALL)[: len(REGIONS)]
    assert [table.count("<th ") for table in tables] == [6] * len(REGIONS)
    assert html.count("<details open><summary>Foreground") == 1
    assert "<details><summary>Whole volume" in html


def test_the_verdict_is_in_words_first_and_its_figures_stand_with_the_scores(make_synthesis):
    run = make_synthesis()
    path = run / "evaluation" / "metrics.json"
    figures = "In the foreground, against a table of grey values, the best there: PSNR -1.0 dB (-2.0 to -0.5)."
    path.write_text(json.dumps({**json.loads(path.read_text()), "verdict": f"{VERDICT} {figures}"}))
    html = write_report(run).read_text()
    first = re.search(r'<p class="verdict">(.*?)</p>', html, re.DOTALL)[1]
    assert first.startswith(
        f"{VERDICT} Grey values of the synthetic T2, from 0 (black) to 100 % (white), are off within"
    )
    assert "dB" not in first
    assert figures in html.split('id="scores"')[1]


def test_the_first_line_of_the_page_says_what_is_lost_inside_lesions_with_its_figures(make_synthesis):
    gain = {"mean": 1.5, "ci_low": 1.0, "ci_high": 2.0}
    loss = {"mean": -1.5, "ci_low": -2.0, "ci_high": -1.0}
    figures = {"psnr_table_foreground": {"mean": 20.0}, "psnr_table_lesion": {"mean": 20.0}}
    for metric in ("psnr", "ssim"):
        figures |= {f"gain_over_table_{metric}_foreground": gain, f"gain_over_table_{metric}_lesion": loss}
    run = make_synthesis()
    path = run / "evaluation" / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "verdict": verdict(figures)}))
    first = re.search(r'<p class="verdict">(.*?)</p>', write_report(run).read_text(), re.DOTALL)[1]
    assert first.startswith(
        "Better than every baseline over all tissue (against a table of grey values: PSNR +1.5 dB, 1.0 to 2.0), worse "
        "inside lesions (against a table of grey values: PSNR \u22121.5 dB, \u22122.0 to \u22121.0). Grey values"
    )


def test_the_outline_of_lesions_is_explained_where_there_are_lesions(make_synthesis):
    run = make_synthesis()
    assert "outline of the lesion label" not in write_report(run).read_text()
    path = run / "evaluation" / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "labels": {"lesion": ["lesion_mask"]}}))
    assert "outline of the lesion label" in write_report(run).read_text()
