"""docs/check.md says what the checks are."""

from __future__ import annotations

import json
import re
from pathlib import Path

from medmae.bundle.check import allowed, grammar, logging_conf
from medmae.bundle.check.dynamic import DYNAMIC
from medmae.bundle.check.static import STATIC
from medmae.bundle.check.targets import FORBIDDEN_ARGUMENTS
from medmae.bundle.shipped import shipped

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "check.md").read_text()


def test_the_page_has_a_row_for_every_check_with_its_name_and_kind() -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \| (static|dynamic) \| [^|]+ \|$", PAGE, flags=re.MULTILINE)
    expected = [(str(check.number), check.name, "static") for check in STATIC]
    expected += [(str(check.number), check.name, "dynamic") for check in DYNAMIC]
    assert rows == expected
    assert f"all {len(expected)} checks" in PAGE


def test_the_page_names_what_the_lists_allow_and_forbid() -> None:
    prose = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    named = " ".join(re.findall(r"`([^`]+)`", prose)).split()
    words = allowed._ROOMS | FORBIDDEN_ARGUMENTS | logging_conf._HANDLERS | allowed.BUILTINS
    words |= {f"@id.{name}" for name in grammar._METHODS}
    assert sorted(words - set(named)) == []


def test_the_example_of_the_page_is_what_our_bundle_declares() -> None:
    (example,) = re.findall(r'^"medmae_check": (\{.*?^\})', PAGE, flags=re.MULTILINE | re.DOTALL)
    metadata = json.loads((shipped()["mr_edge_mae_pretraining"] / "configs" / "metadata.json").read_text())
    assert json.loads(example) == metadata["medmae_check"]
