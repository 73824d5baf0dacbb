"""Cells of tables of scores and of paired differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medmae.report.folder import as_float
from medmae.report.text import NOTHING, number, signed, span


def mean_of(row: Mapping[str, Any], key: str) -> str:
    """A figure with three decimals."""
    return number(as_float(row[key]), digits=3)


def signed_of(row: Mapping[str, Any], key: str) -> str:
    """A difference with its sign."""
    value = as_float(row[key])
    return NOTHING if value is None else signed(value, digits=3)


def interval_of(row: Mapping[str, Any]) -> str:
    """Its interval."""
    return span(as_float(row["ci_low"]), as_float(row["ci_high"]), digits=3)


def p_of(row: Mapping[str, Any]) -> str:
    """The p-value of its test."""
    value = as_float(row["p_wilcoxon"])
    return NOTHING if value is None else f"{value:.2g}"
