"""What a preparation prints: readable on 80 columns, and honest about what found no room."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from data_prep import work
from data_prep.fitting import print_fitting
from data_prep.tables import print_summary

LINES = [
    {
        "case": f"sub-{i:02d}_ses-20190101",
        "subject": f"sub-{i:02d}",
        "split": "train",
        "session": "ses-20190101",
        "contrasts": "FLAIR PD T1 T2",
        "shape": "83x101x74",
        "spacing_mm": "1.02x0.98x1",
        "flags": "T1:clipped FLAIR:few_levels" if i == 2 else "",
    }
    for i in (1, 2, 3)
]


def printed(lines, *, width, **options):
    console = Console(file=io.StringIO(), width=width)
    defaults = {"title": "Cases", "first": ("case", "flags"), "elsewhere": "all is in summary.csv"}
    print_fitting(console, lines, **{**defaults, **options})
    return console.file.getvalue()


def test_where_all_columns_fit_all_are_shown_and_nothing_is_said():
    text = printed(LINES, width=200)
    assert all(name in text for name in LINES[0])
    assert "left out" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_no_word_is_broken_and_every_column_is_shown_or_named(width):
    text = printed(LINES, width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    shown, _, named = text.partition("left out:")
    heads = shown.splitlines()[1].split()
    for name in LINES[0]:
        assert (name in heads) != (name in named.replace("\n", " "))
    for line in LINES:
        for name in heads:
            assert all(word in shown for word in line[name].split())


def test_flags_have_room_before_sizes():
    text = printed(LINES, width=60)
    assert "FLAIR:few_levels" in text
    assert "83x101x74" not in text


def test_empty_and_repeated_columns_go_first():
    lines = [{**line, "subject": line["case"], "session": "", "flags": ""} for line in LINES]
    text = printed(lines, width=80)
    assert "left out: flags, session (empty); subject (as case): all is in summary.csv" in text
    assert "1.02x0.98x1" in text


def test_a_name_longer_than_the_terminal_is_shown_whole():
    name = "TCGA-02-0001-01Z-00-DX1.83fce43e-42ac-4dcd-b156-2908e75f2e47" * 2
    text = printed([{**LINES[0], "case": name}], width=50)
    assert "".join(line.split("  ")[0].strip() for line in text.splitlines()[3:]).startswith(name[:120])


def test_a_path_is_broken_before_a_column_is_left_out():
    lines = [{"subject": "sub-01", "content": "T1 T2", "file": "site_a/patients/2019/sub-01_T1w_acquired.nii.gz"}]
    text = printed(lines, width=50, breakable={"file"})
    assert "left out" not in text


def test_markup_in_a_name_is_text():
    assert "[red]x[/]" in printed([{**LINES[0], "case": "[red]x[/]"}], width=200)


def test_the_summary_of_a_preparation_fits_eighty_columns_and_says_where_the_rest_is():
    console, manifest = Console(file=io.StringIO(), width=80), Path("/data", "a long name" * 9, "manifest.jsonl")
    print_summary(console, LINES * 20, list(LINES[0]), [], manifest)
    text = console.file.getvalue()
    assert f"manifest: {manifest}\n" in text  # in one piece, to be copied
    assert "all is in summary.csv" in text
    assert "20 more: read summary.csv" in text
    assert len(text.splitlines()) < 70  # 40 cases, not a page each


def test_without_a_terminal_a_line_every_so_often_tells_how_far_a_preparation_is(monkeypatch):
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    monkeypatch.setattr(work, "_EVERY_SECONDS", 0.0)
    with work._progress(console, 3) as advance:
        for failed in (0, 1, 1):
            advance("case", failed)
    assert console.file.getvalue().splitlines() == [
        "preparing: 1 of 3 cases, 0:00:00 left",
        "preparing: 2 of 3 cases, 1 failed, 0:00:00 left",
    ]
