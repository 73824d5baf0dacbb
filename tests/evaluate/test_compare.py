"""Two runs on the same cases."""

import csv
import json

import numpy as np
import pytest

from medmae.cli import main
from medmae.errors import DataError, ExitCode
from medmae.evaluate.compare import compare_runs

DEFINITIONS = {"whole": {"data_range": 1.0, "psnr": "peak 1"}, "foreground": {"data_range": 1.0, "mask": "head"}}
CASES = "abcdef"


def write_run(folder, scores, *, definitions=DEFINITIONS, scored="metrics.csv", config=None, manifest=None, **columns):
    """A run with ``psnr_model_foreground`` by case (and target); further columns by name."""
    evaluation = folder / "evaluation"
    evaluation.mkdir(parents=True)
    side = "target" if scored == "metrics.csv" else "contrast"
    keys = [key if isinstance(key, tuple) else (key, "T2") for key in scores]
    named = {"psnr_model_foreground": list(scores.values()), "psnr_copy_foreground": [1.0] * len(scores), **columns}
    with (evaluation / scored).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "subject", side, *named])
        writer.writerows(
            [case, case.split("_")[0], target, *values]
            for (case, target), *values in zip(keys, *named.values(), strict=True)
        )
    if scored == "metrics.csv":
        (evaluation / "metrics.json").write_text(json.dumps({"definitions": definitions, "manifest_sha256": manifest}))
    (folder / "run.json").write_text(json.dumps({"config": config or {}}))
    return folder


@pytest.fixture
def runs(tmp_path):
    """Write two runs; the arguments are those of :func:`write_run` for each."""
    return lambda a, b: (write_run(tmp_path / "a", **a), write_run(tmp_path / "b", **b))


def shifted(by):
    return {case: 20.0 + number + by for number, case in enumerate(CASES)}


def test_rows_are_paired_by_case_and_not_by_their_order(runs):
    a, b = runs({"scores": shifted(0)}, {"scores": dict(reversed(shifted(1.5).items()))})
    (found,) = compare_runs(a, b).differences
    assert found.metric == "psnr_model_foreground"
    assert (found.mean_a, found.mean_b) == (22.5, 24.0)
    assert found.difference.mean == found.difference.ci_low == found.difference.ci_high == 1.5
    assert found.difference.n_subjects == 6
    assert found.p_value == pytest.approx(2**-5)


def test_only_cases_of_both_count_and_the_others_are_named(runs):
    a, b = runs({"scores": {"a": 20.0, "b": 21.0, "x": 90.0}}, {"scores": {"b": 23.0, "a": 22.0, "y": 1.0}})
    found = compare_runs(a, b)
    assert found.differences[0].difference.mean == 2.0
    assert (found.shared, found.only_a, found.only_b) == (2, ["x T2"], ["y T2"])


def test_targets_are_paired_with_themselves_and_a_subject_counts_once(runs):
    first = {("a", "T1"): 20.0, ("a", "T2"): 30.0, ("b", "T1"): 40.0}
    second = {("a", "T2"): 33.0, ("a", "T1"): 21.0, ("b", "T1"): 46.0}
    (found,) = compare_runs(*runs({"scores": first}, {"scores": second})).differences
    assert found.difference.n_subjects == 2
    assert found.difference.mean == 4.0  # of 2 (the mean of 1 and 3) and 6


def test_a_baseline_is_no_figure_of_the_run(runs):
    found = compare_runs(*runs({"scores": shifted(0)}, {"scores": shifted(1)}))
    assert not [difference for difference in found.differences if "copy" in difference.metric]


def test_empty_cells_are_left_out_of_their_figure_alone(runs):
    a = {"scores": shifted(0), "ssim_model_lesion": ["", 0.5, 0.5, "", "", ""]}
    b = {"scores": shifted(1), "ssim_model_lesion": [0.9, 0.6, 0.7, "", "", ""]}
    found = {row.metric: row for row in compare_runs(*runs(a, b)).differences}
    assert found["psnr_model_foreground"].difference.n_subjects == 6
    assert found["ssim_model_lesion"].difference.n_subjects == 2
    assert found["ssim_model_lesion"].difference.mean == pytest.approx(0.15)


def test_the_table_is_written_with_the_direction_of_each_figure(runs, tmp_path):
    extra = {"nmse_model_foreground": [0.1] * 6, "stripe_model_foreground": [1.1] * 6}
    compare_runs(*runs({"scores": shifted(0), **extra}, {"scores": shifted(1), **extra}), out=tmp_path / "x.csv")
    rows = list(csv.DictReader((tmp_path / "x.csv").open()))
    assert {row["metric"]: row["better"] for row in rows} == {
        "psnr_model_foreground": "higher",
        "nmse_model_foreground": "lower",
        "stripe_model_foreground": "nearer 1",
    }
    assert rows[0]["b_minus_a"] == "1"
    assert rows[1]["p_wilcoxon"] == "1"


def test_runs_that_share_no_case_are_refused(runs):
    with pytest.raises(DataError, match=r"share no case.*\['a T2'\].*\['b T2'\]"):
        compare_runs(*runs({"scores": {"a": 1.0}}, {"scores": {"b": 1.0}}))


def test_runs_that_define_a_figure_differently_are_refused_with_the_difference(runs):
    other = {**DEFINITIONS, "whole": {"data_range": 2.0, "psnr": "peak 1"}}
    a, b = runs({"scores": shifted(0)}, {"scores": shifted(0), "definitions": other})
    with pytest.raises(DataError, match=r"differently.*'data_range': 1\.0.*whole = \{'data_range': 2\.0\}"):
        compare_runs(a, b)
    assert compare_runs(a, b, only=["foreground"]).differences


def test_a_region_that_one_run_alone_has_is_no_contradiction(runs):
    other = {**DEFINITIONS, "lesion": {"mask": "label"}}
    assert compare_runs(*runs({"scores": shifted(0)}, {"scores": shifted(0), "definitions": other})).differences


def test_regions_can_be_chosen_and_an_unknown_one_is_refused(runs):
    a, b = runs(*({"scores": shifted(n), "psnr_model_whole": [1.0] * 6} for n in (0, 1)))
    assert [row.metric for row in compare_runs(a, b, only=["whole"]).differences] == ["psnr_model_whole"]
    with pytest.raises(DataError, match=r"share no figure.*\['liver'\]"):
        compare_runs(a, b, only=["liver"])


def test_reconstructions_are_compared_too_if_their_tasks_are_alike(runs):
    kind = {"scored": "reconstruction.csv"}
    a, b = runs(
        {"scores": shifted(0), "config": {"mask_ratio": 0.7, "seed": 0}, **kind},
        {"scores": shifted(1), "config": {"mask_ratio": 0.7, "seed": 1}, **kind},
    )
    assert compare_runs(a, b).differences[0].difference.mean == 1.0
    (b / "run.json").write_text(json.dumps({"config": {"mask_ratio": 0.75}}))
    with pytest.raises(DataError, match=r"differently.*0\.7\b.*0\.75"):
        compare_runs(a, b)


@pytest.mark.parametrize("swap", [False, True])
def test_a_setting_that_one_run_alone_has_is_told_of_both(runs, swap):
    kind, sides = (
        {"scores": shifted(0), "scored": "reconstruction.csv"},
        [{"mask_ratio": 0.7, "image_size": 96}, {"image_size": 96}],
    )
    a, b = runs(*({"config": config, **kind} for config in (reversed(sides) if swap else sides)))
    told = [r"\{'mask_ratio': 0\.7\}", r"\{'mask_ratio': 'not set'\}"]
    first, second = reversed(told) if swap else told
    with pytest.raises(DataError, match=rf"differently: \S*a has {first}.*config = {second}"):
        compare_runs(a, b)


def test_a_reconstruction_is_not_compared_with_a_synthesis(runs):
    a, b = runs({"scores": shifted(0)}, {"scores": shifted(0), "scored": "reconstruction.csv"})
    with pytest.raises(DataError, match=r"differently.*metrics\.csv.*reconstruction\.csv"):
        compare_runs(a, b)


def test_a_run_without_scores_is_refused(runs, tmp_path):
    a, _ = runs({"scores": shifted(0)}, {"scores": shifted(0)})
    with pytest.raises(DataError, match="has no scores"):
        compare_runs(a, tmp_path)


def test_a_case_and_target_that_stands_twice_is_refused(runs):
    a, b = runs({"scores": shifted(0)}, {"scores": shifted(0)})
    path = a / "evaluation" / "metrics.csv"
    path.write_text(path.read_text() + "a,a,T2,1,1\n")
    with pytest.raises(DataError, match=r"two rows.*\('a', 'T2'\)"):
        compare_runs(a, b)


def test_the_interval_widens_with_the_scatter_of_the_differences(runs):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 2, 6)
    b = {case: score + 1 + e for (case, score), e in zip(shifted(0).items(), noise, strict=True)}
    found = compare_runs(*runs({"scores": shifted(0)}, {"scores": b})).differences[0].difference
    assert found.ci_low < found.mean < found.ci_high
    assert found.mean == pytest.approx(1 + noise.mean())


def test_the_command_prints_a_table_names_what_is_left_out_and_writes_the_csv(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs({"scores": {**shifted(0), "x": 1.0}}, {"scores": shifted(1.5)})
    with pytest.raises(SystemExit) as stop:
        main(["compare", "a", "b"])
    assert stop.value.code == ExitCode.OK
    shown = capsys.readouterr().out
    assert "psnr foreground" in shown
    assert "+1.5" in shown
    assert "only in a, left out: x T2" in shown
    assert "6 rows paired" in shown
    assert (tmp_path / "compare.csv").is_file()


def test_the_command_refuses_what_cannot_be_compared_with_exit_code_2(runs, tmp_path, capsys):
    a, b = runs({"scores": {"a": 1.0}}, {"scores": {"b": 1.0}})
    with pytest.raises(SystemExit) as stop:
        main(["compare", str(a), str(b), "--out", str(tmp_path / "x.csv")])
    assert stop.value.code == ExitCode.REFUSED
    assert "share no case" in capsys.readouterr().err
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize(("first", "second", "warned"), [("a1", "b2", True), ("a1", "a1", False), ("a1", None, False)])
def test_the_command_warns_of_runs_on_different_data(runs, tmp_path, capsys, first, second, warned):
    a, b = runs({"scores": shifted(0), "manifest": first}, {"scores": shifted(1), "manifest": second})
    with pytest.raises(SystemExit) as stop:
        main(["compare", str(a), str(b), "--out", str(tmp_path / "x.csv")])
    assert stop.value.code == ExitCode.OK
    assert ("warning: the manifests of the runs' data sets differ" in capsys.readouterr().out) is warned
