"""The command line of a preparation is its function: nothing is said twice, nothing is left out."""

import inspect
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from data_prep.command import command_of
from data_prep.mr import prepare as prepare_mr
from data_prep.outcome import PrepResult
from data_prep.tiles import prepare as prepare_tiles
from data_prep.wsi import prepare as prepare_wsi


def prepare(
    *, source: str | Path, edge: int = 3, table: str | Path | None = None, fast: bool = False, console: object = None
) -> PrepResult:
    """Prepares nothing.

    More of it.

    Args:
        source: Where it
            comes from.
        edge: In ``pixels``.
        table: Or none.
        fast: Hurry.
        console: Of a program.
    """
    raise ValueError(repr((source, edge, table, fast, console)))


def run(*arguments: str):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command_of(prepare))
    return CliRunner().invoke(app, list(arguments))


def test_what_is_typed_reaches_the_function_with_its_type():
    result = run("here", "--edge", "5", "--table", "a.csv", "--fast")
    assert str(result.exception) == repr((Path("here"), 5, Path("a.csv"), True, None))


def test_what_is_not_typed_keeps_its_default_and_help_is_the_docstring():
    assert str(run("here").exception) == repr((Path("here"), 3, None, False, None))
    text = " ".join(run("--help").output.split())
    for said in ("Prepares nothing.", "comes from.", "In pixels.", "Hurry.", "[default: 3]"):
        assert said in text
    assert "console" not in text


def test_a_parameter_without_a_word_in_the_docstring_is_refused():
    def silent(*, source: str, unsaid: int = 1) -> PrepResult:
        """Prepares.

        Args:
            source: Something.
        """
        raise AssertionError

    with pytest.raises(KeyError, match="unsaid"):
        command_of(silent)


@pytest.mark.parametrize("each", [prepare_mr, prepare_tiles, prepare_wsi])
def test_every_preparation_has_a_command_with_all_its_options(each):
    typed = inspect.signature(command_of(each)).parameters
    assert set(inspect.signature(each).parameters) - set(typed) == {"console"}
