"""Whether a synthesis is better than what needs no network, in words."""

import pytest

from medmae.evaluate.synthesis.synthesis_scores import summarise_scores
from medmae.evaluate.synthesis.verdict import NO_BASELINE, in_plain_words, verdict
from medmae.report.text import signed, span


def summary(*, table=0.0, patch=0.0, subjects="abc", lesion=None):
    """Figures of a model that gains so much on each baseline, a little more on each further subject."""
    rows = []
    for i, subject in enumerate(subjects):
        row = {"subject": subject}
        regions = {"foreground": (table, patch)} | ({} if lesion is None else {"lesion": (lesion, lesion - 1)})
        for region, gains in regions.items():
            row |= {f"psnr_model_{region}": 20.0 + i, f"ssim_model_{region}": 0.8 + 0.01 * i}
            for name, gain in zip(("table", "patch"), gains, strict=True):
                row |= {f"psnr_{name}_{region}": 20.0 - gain, f"ssim_{name}_{region}": 0.8 - 0.1 * gain}
        rows.append(row)
    return summarise_scores(rows)


def test_a_model_ahead_of_all_on_every_subject_is_better_and_the_best_of_them_is_named():
    text = verdict(summary(table=1.0, patch=0.5))
    assert text.startswith("Better than every baseline. In the foreground, against a regression on neighbourhoods")
    assert "PSNR +1.5 dB (0.5 to 2.5), SSIM +0.060" in text


def test_a_model_that_a_table_equals_is_said_not_to_be_better_than_a_table_of_grey_values():
    text = verdict(summary(table=-3.0, patch=0.5))
    assert text.startswith("Not better than a table of grey values. In the foreground, against a table of grey values")
    assert verdict(summary(table=-3.0, patch=-4.0)).startswith(
        "Not better than a table of grey values or a regression on neighbourhoods."
    )


def test_a_gain_whose_interval_reaches_zero_is_no_win():
    assert verdict(summary(table=0.0, patch=1.0)).startswith("Not better than a table")


def test_lesions_are_told_against_the_best_baseline_there():
    text = verdict(summary(table=1.0, patch=1.0, lesion=2.0))
    assert "Inside lesions, against a regression on neighbourhoods, the best there: PSNR +2.0 dB" in text


@pytest.mark.parametrize(
    ("low", "mean", "high", "standing"),
    [(-5, -4, -3, "worse"), (-2, -1, 0.5, "on average worse"), (-0.5, 0.5, 1.5, "not better"), (2, 3, 4, "better")],
)
def test_the_first_sentence_says_how_it_stands_inside_lesions_with_figures(low, mean, high, standing):
    found = summary(table=1.0, patch=2.0, lesion=3.0)
    for name in ("table", "patch"):
        for metric in ("psnr", "ssim"):
            found[f"gain_over_{name}_{metric}_lesion"] |= {"mean": mean, "ci_low": low, "ci_high": high}
    figures = f"PSNR {signed(mean)} dB, {span(low, high, digits=1)}"
    assert verdict(found).startswith(
        "Better than every baseline over all tissue (against a table of grey values: PSNR +2.0 dB, 1.0 to 3.0), "
        f"{standing} inside lesions (against a regression on neighbourhoods: {figures}). In the foreground, "
    )


def test_whoever_loses_over_all_tissue_is_not_cleared_by_lesions():
    lead, *_ = verdict(summary(table=-3.0, patch=0.5, lesion=3.0)).split(". ")
    assert lead.startswith("Not better than a table of grey values over all tissue (against ")
    assert ", better inside lesions (against " in lead


def test_lesions_lost_in_ssim_alone_are_lost_and_its_figure_is_told():
    found = summary(table=1.0, patch=1.0, lesion=3.0)
    found["gain_over_table_ssim_lesion"] |= {"mean": -0.02, "ci_low": -0.03, "ci_high": -0.01}
    figures = f"SSIM {signed(-0.02, digits=3)}, {span(-0.03, -0.01, digits=3)}"
    assert f", worse inside lesions (against a table of grey values: {figures}). In the" in verdict(found)


def test_one_subject_has_no_interval_and_the_verdict_says_so():
    assert "PSNR +1.0 dB (one subject)" in verdict(summary(table=1.0, patch=1.0, subjects="a"))


def test_without_a_baseline_nothing_is_claimed():
    rows = [{"subject": "a", "psnr_model_foreground": 20.0, "ssim_model_foreground": 0.8}]
    assert verdict(summarise_scores(rows)) == NO_BASELINE


@pytest.mark.parametrize("metric", ["psnr", "ssim"])
def test_both_psnr_and_ssim_must_be_won(metric):
    found = summary(table=1.0, patch=1.0)
    found[f"gain_over_table_{metric}_foreground"] |= {"mean": -0.1, "ci_low": -0.2, "ci_high": 0.0}
    assert verdict(found).startswith("Not better than a table of grey values.")


def test_in_plain_words_errors_are_shares_of_the_range_beside_the_least_of_the_baselines():
    rows = [
        {
            "subject": "a",
            "psnr_model_foreground": 20.0,
            "psnr_table_foreground": 19.0,
            "psnr_patch_foreground": 18.0,
            "mae_model_foreground": 0.0414,
            "mae_table_foreground": 0.06,
            "mae_patch_foreground": 0.0516,
            "psnr_model_lesion": 20.0,
            "mae_model_lesion": 0.3,
        }
    ]
    text = in_plain_words(summarise_scores(rows), made="T2")
    assert text == (
        "Grey values of the synthetic T2, from 0 (black) to 100 % (white), are off within the head by 4.1\u00a0% "
        "(a regression on neighbourhoods: 5.2\u00a0%), inside lesions by 30.0\u00a0%."
    )
    assert in_plain_words({}, made="T2") == ""
