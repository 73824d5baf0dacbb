"""Which samples are shown: every subject, contrast and class has its turn."""

from __future__ import annotations

from medmae.evaluate.reconstruct.panels import choose


def test_pictures_of_one_class_do_not_fill_the_page():
    abouts = {i: {"subject": f"image {i:03d}", "label": "abcd"[i // 25]} for i in range(100)}  # sorted by class
    shown = [abouts[i]["label"] for i in choose(abouts, count=8)]
    assert sorted(shown[:4]) == list("abcd")
    assert sorted(shown) == sorted("abcd" * 2)


def test_subjects_take_turns_and_contrasts_too():
    abouts = {
        i: {"subject": f"sub-{i // 12}", "contrast": ("T1", "T2", "FLAIR", "PD")[i // 3 % 4], "slice": i % 3}
        for i in range(24)
    }
    shown = [abouts[i] for i in choose(abouts, count=4)]
    assert [row["subject"] for row in shown] == ["sub-0", "sub-1", "sub-0", "sub-1"]
    assert len({row["contrast"] for row in shown}) == 4
    assert {row["slice"] for row in shown} == {1}  # the middle one


def test_all_are_shown_once_where_there_are_few():
    abouts = {i: {"subject": "s", "label": "ab"[i % 2]} for i in range(6)}
    assert sorted(choose(abouts, count=9)) == [2, 3]
