"""What the page says, and what it must never do."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from medmae.errors import DataError
from medmae.evaluate.reconstruct.panels import TRUE_STATISTICS
from medmae.report import Section, build_report, write_report

VOID = {"meta", "input", "img", "br", "link"}


class _Balance(HTMLParser):
    """Fails on a tag closed out of turn; keeps the text of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes out of turn"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def visible_text(page: Path) -> str:
    parser = _Balance()
    parser.feed(page.read_text())
    assert not parser.open, f"left open: {parser.open}"
    return re.sub(r"\s+", " ", "".join(parser.text))


def edit_json(path: Path, **entries: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_the_page_holds_every_case_contrast_and_configuration_value(make_run):
    text = visible_text(write_report(make_run()))
    for expected in ("sub-01", "sub-05", "FLAIR", "network.ratio", "0.7", "torch", "2.15.0", "71ab" * 16):
        assert expected in text


def test_the_page_names_the_result_and_both_baselines_with_interval(make_run):
    run = make_run()
    model = json.loads((run / "evaluation" / "summary.json").read_text())["psnr_model"]
    text = visible_text(write_report(run))
    assert f"{model['mean']:.1f} dB" in text
    assert f"{model['ci_low']:.1f} to {model['ci_high']:.1f} over 2 held-out subjects" in text
    assert "Neighbour interpolation" in text
    assert "Mean fill" in text
    assert "better on 2 of 2" in text


def test_the_summary_says_what_was_trained_on_what(make_run):
    text = visible_text(write_report(make_run()))
    assert "EdgeMAE was trained on 1,278 slices of 3 subjects (T1, T2 and FLAIR); 2 subjects were held out" in text


def test_the_page_needs_no_file_network_or_script(make_run):
    html = write_report(make_run()).read_text()
    assert "http://" not in html
    assert "https://" not in html
    assert "<script" not in html.lower()
    assert "@import" not in html
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)', html))
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)', html))
    assert "default-src 'none'" in html


def test_a_hostile_name_stays_text_and_inside_the_folder(make_run):
    nasty = '../../<script>alert("x")</script><img src=x onerror=y>'
    run = make_run(test=(nasty,), title=nasty, method=nasty)
    html = write_report(run).read_text()
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;" in html
    written = set(run.parent.rglob("*.png"))
    assert written
    assert all(path.parent == run / "figures" for path in written)


def test_a_run_without_a_held_out_subject_says_so(make_run):
    text = visible_text(write_report(make_run(test=(), evaluated=("sub-01",))))
    assert "no subject was held out" in text
    assert "trained on (sub-01)" in text
    assert "held-out subject" not in text


def test_a_run_without_a_held_out_subject_and_evaluation_says_so(make_run):
    text = visible_text(write_report(make_run(test=(), evaluation=False)))
    assert "No held-out subject: nothing here shows" in text


def test_few_held_out_subjects_are_called_rough(make_run):
    assert "Only 2 held-out subjects" in visible_text(write_report(make_run()))


def test_enough_held_out_subjects_give_no_warning(make_run):
    text = visible_text(write_report(make_run(test=[f"t{i}" for i in range(5)])))
    assert "rough" not in text


def test_a_subject_in_two_splits_is_shouted(make_run):
    text = visible_text(write_report(make_run(train=("sub-01", "sub-04"))))
    assert "The splits overlap: sub-04" in text
    assert "No subject is in two splits" not in text


def test_a_model_that_loses_to_a_baseline_is_not_dressed_up(make_run):
    run = make_run()
    path = run / "evaluation" / "reconstruction.csv"
    assert "does not beat" not in visible_text(write_report(run))
    path.write_text(path.read_text().replace("psnr_model,psnr_mean_fill,", "psnr_mean_fill,psnr_model,", 1))
    text = visible_text(write_report(run))
    assert "does not beat neighbour interpolation and mean fill" in text
    assert "decoder was not loaded" in text


def test_a_picture_that_was_given_true_statistics_says_so(make_run):
    run = make_run()
    assert "for the eye alone" not in visible_text(write_report(run))
    path = run / "evaluation" / "panels.npz"
    with np.load(path) as arrays:
        panels = dict(arrays)
    np.savez(path, **panels, **{f"0/{TRUE_STATISTICS}": panels["0/reconstruction"]})
    text = visible_text(write_report(run))
    assert text.count("true mean and deviation") == 2  # the caption, and the lead that explains it
    assert "for the eye alone" in text


def test_a_run_without_evaluation_is_reported_all_the_same(make_run):
    text = visible_text(write_report(make_run(evaluation=False)))
    assert "No panels: this run has not been evaluated yet." in text
    assert "No scores: this run has not been evaluated yet." in text
    assert "Learning rate" in text


def test_a_run_with_nothing_but_its_record_is_reported(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    text = visible_text(write_report(tmp_path))
    for missing in ("No panels", "No scores", "No training log", "No data summary", "holds no configuration"):
        assert missing in text


def test_a_run_that_trained_nothing_is_not_said_to_miss_a_log(make_run):
    run = make_run(seconds=None)
    (run / "logs" / "metrics.csv").unlink()
    assert "No training log" not in visible_text(write_report(run))


def test_a_missing_validation_loss_is_stated(make_run):
    assert "No validation loss" in visible_text(write_report(make_run(validation=False)))


def test_steps_of_a_log_that_counts_from_zero_are_counted_from_one(make_run):
    run = make_run()
    (run / "logs" / "metrics.csv").write_text("step,train/loss\n9,0.9\n179,0.8\n")
    assert "180 steps" in visible_text(write_report(run))


def test_losses_that_are_not_finite_are_counted(make_run):
    run = make_run()
    with (run / "logs" / "metrics.csv").open("a") as log:
        log.write("610,60,nan,nan,nan,0,1\n620,61,inf,nan,nan,0,1\n")
    assert "not finite at 2 logged steps" in visible_text(write_report(run))


def test_a_quarantined_file_is_named_with_its_remedy(make_run):
    text = visible_text(write_report(make_run()))
    assert "1 record left out" in text
    assert "the header promises no slices" in text
    assert "export the series again" in text


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no run\.json") as caught:
        write_report(tmp_path)
    assert caught.value.remedy
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", b"{"),
        ("summary.json", b"[]"),
        ("panels.npz", b"PK\x03\x04 cut off"),
        ("panels.json", b"[]"),
        ("panels.json", b'{"case": 1}'),
        ("reconstruction.csv", b"case\n\xff\xfe"),
    ],
)
def test_a_broken_file_is_named_and_not_passed_over(make_run, name, content):
    run = make_run()
    (run / "evaluation" / name).write_bytes(content)
    with pytest.raises(DataError, match=r"panels\.npz|" + re.escape(name)):
        write_report(run)
    assert not (run / "report.html").exists()


def test_a_pickled_panel_is_refused(make_run):
    run = make_run()
    np.savez(run / "evaluation" / "panels.npz", **{"0/input": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(DataError, match="cannot be read"):
        write_report(run)


def test_columns_come_from_the_evaluation_and_not_from_a_list(make_run):
    run = make_run(rows=1)
    colour = np.zeros((16, 24, 3), np.float32)
    np.savez(run / "evaluation" / "panels.npz", **{"0/tile": colour, "0/stain_residual": colour[..., 0]})
    text = visible_text(write_report(run))
    assert "stain residual" in text
    assert "edge target" not in text


def test_a_metric_never_heard_of_gets_its_card_chart_and_table(make_run):
    run = make_run()
    figures = {"mean": 0.91, "std": 0.02, "ci_low": 0.88, "ci_high": 0.93, "n_subjects": 8}
    beaten = {**figures, "mean": 0.71}
    edit_json(run / "evaluation" / "summary.json", auroc_model=figures, auroc_colour_only=beaten, silhouette=figures)
    html = write_report(run).read_text()
    assert '<p class="value">0.910' in html
    assert '<p class="label">Colour only' in html
    assert '<p class="label">Silhouette' in html
    assert 'aria-label="auroc"' in html


def test_a_further_table_of_the_evaluation_is_shown(make_run):
    run = make_run()
    (run / "evaluation" / "nearest_neighbours.csv").write_text("k,accuracy\n5,0.834\n")
    text = visible_text(write_report(run))
    assert "Nearest neighbours" in text
    assert "0.834" in text


def test_a_method_can_add_its_own_section(make_run, tmp_path):
    report = build_report(make_run())
    report.sections.insert(1, Section(title="Heat maps", lead="a < b"))
    text = visible_text(report.write(tmp_path / "deep" / "page.html"))
    assert text.index("Heat maps a < b") < text.index("Baselines A dot")


def test_the_page_goes_where_it_is_asked_to_go(make_run, tmp_path):
    run, out = make_run(), tmp_path / "elsewhere" / "page.html"
    assert write_report(run, out=out) == out
    assert out.is_file()
    assert not (run / "report.html").exists()


def test_pictures_of_an_earlier_evaluation_do_not_stay(make_run):
    run = make_run(rows=2)
    write_report(run)
    with np.load(run / "evaluation" / "panels.npz") as arrays:
        first = {key: arrays[key] for key in arrays.files if key.startswith("0/")}
    np.savez(run / "evaluation" / "panels.npz", **first)
    assert len(list((run / "figures").glob("*.png"))) == 2
    write_report(run)
    assert len(list((run / "figures").glob("*.png"))) == 1


def test_writing_twice_gives_the_same_bytes(make_run):
    run = make_run()
    assert write_report(run).read_bytes() == write_report(run).read_bytes()


def test_film_strips_stand_one_below_the_other_and_keep_their_frames(make_run):
    run = make_run(rows=1)
    frames = np.tile(np.linspace(0, 1, 112, dtype=np.float32), (112, 8))  # eight frames of 112 pixels
    np.savez(run / "evaluation" / "panels.npz", **{f"0/{name}": frames for name in ("input", "reconstruction")})
    page = write_report(run).read_text()
    assert 'class="panels strips"' in page
    assert "width=896 height=112" in page


def test_many_large_noisy_panels_stay_below_six_megabytes(make_run):
    run = make_run(rows=30)
    noise = np.random.default_rng(0).random((256, 256)).astype(np.float32)
    names = ("input", "visible", "reconstruction", "edge_target", "edge_prediction", "error")
    np.savez(run / "evaluation" / "panels.npz", **{f"{i}/{name}": noise for i in range(30) for name in names})
    page = write_report(run)
    assert page.stat().st_size < 6_000_000
    assert re.search(r"1[012] of 30 rows are shown", visible_text(page))
