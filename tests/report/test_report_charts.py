"""Charts and numbers: honest axes, and every value where it belongs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from medmae.report.axes import linear_ticks, log_ticks, scale
from medmae.report.curves import MAX_POINTS, Series, condense, line_chart
from medmae.report.dots import DotRow, dot_chart
from medmae.report.metrics import families
from medmae.report.text import MINUS, count, duration, listing, magnitude, number, signed


def test_a_long_curve_keeps_its_range_in_few_points():
    y = np.sin(np.arange(10_000))
    y[5_003] = 50.0
    x, middle, low, high = condense(np.arange(10_000), y)
    assert len(x) == len(middle) == len(low) == len(high) <= MAX_POINTS
    assert max(high) == 50.0
    assert max(middle) < 1.0
    assert min(low) == pytest.approx(-1.0, abs=1e-3)


def test_a_short_curve_is_drawn_as_it_is():
    assert condense([1, 2], [3.0, 4.0]) == ([1, 2], [3.0, 4.0], [], [])


def test_positive_losses_get_a_logarithmic_axis_and_negative_ones_do_not():
    positive = line_chart([Series(label="a", x=[1, 2], y=[1.0, 0.01])], title="Loss", x_label="step")
    negative = line_chart([Series(label="a", x=[1, 2], y=[1.0, -0.5])], title="Loss", x_label="step")
    assert "log scale" in positive
    assert "log scale" not in negative


def test_one_logged_step_is_enough_for_a_chart():
    assert "<circle" in line_chart([Series(label="a", x=[5], y=[0.3])], title="Loss", x_label="step")


def test_a_curve_falls_where_its_values_fall():
    drawn = line_chart([Series(label="a", x=[0, 1, 2], y=[1.0, 0.1, 0.01])], title="Loss", x_label="step")
    points = re.search(r'<polyline points="([^"]*)"', drawn)
    assert points is not None
    heights = [float(pair.split(",")[1]) for pair in points[1].split()]
    assert heights == sorted(heights)  # downwards on the screen
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.02)


def test_ticks_are_round_and_inside():
    assert linear_ticks(0, 4000) == [0.0, 800.0, 1600.0, 2400.0, 3200.0, 4000.0]
    assert log_ticks(0.011, 9.0) == pytest.approx([0.01, 0.1, 1.0, 10.0])
    assert log_ticks(0.5, 0.5) == linear_ticks(0.5, 0.5) == [0.5]
    assert len(log_ticks(0.30, 0.34)) >= 2


def test_a_scale_without_extent_does_not_divide_by_zero():
    assert scale(3.0, 3.0, 10, 20)(3.0) == 10


def test_every_subject_has_a_dot_with_its_name_and_value():
    rows = [
        DotRow(label="Model", mean=26.0, ci_low=25.0, ci_high=27.0, dots={"s1": 25.0, "s2": 27.0}, ours=True),
        DotRow(label="Mean fill", mean=15.0, ci_low=None, ci_high=None, dots={"s1": 15.0}),
    ]
    drawn = dot_chart(rows, title="PSNR", unit="dB")
    assert drawn.count("<circle") == 3
    assert "<title>s2: 27.00 dB</title>" in drawn
    assert drawn.count('class="ci"') == 1


def test_a_better_score_lies_further_right():
    rows = [DotRow(label=str(v), mean=v, ci_low=None, ci_high=None, dots={}) for v in (26.0, 15.0)]
    better, worse = (
        float(x) for x in re.findall(r'<line x1=([\d.]+) [^>]*class="mean"', dot_chart(rows, title="", unit=""))
    )
    assert better > worse


def test_variants_of_a_metric_are_not_taken_for_baselines():
    names = [
        "psnr_model",
        "psnr_model_foreground",
        "psnr_mean_fill",
        "psnr_mean_fill_foreground",
        "gain_over_mean_fill",
    ]
    assert families(names) == {
        ("psnr", ""): ["psnr_model", "psnr_mean_fill"],
        ("psnr", "foreground"): ["psnr_model_foreground", "psnr_mean_fill_foreground"],
    }


def test_numbers_are_written_as_one_says_them():
    assert (number(1234.5), number(None), number(float("nan")), number(-1.0)) == ("1,234.50", "–", "–", f"{MINUS}1.00")
    assert (signed(4.46), signed(-0.2)) == ("+4.5", f"{MINUS}0.2")
    assert (duration(3.21), duration(48), duration(252.4), duration(3 * 3600 + 300)) == (
        "3.2 s", "48 s", "4 min 12 s", "3 h 05 min",
    )  # fmt: skip
    assert (magnitude(4_120_960), magnitude(950)) == ("4.12 M", "950")
    assert count(1, "subject") == "1\u00a0subject"
    assert listing(["T1", "T2", "FLAIR"]) == "T1, T2 and FLAIR"
