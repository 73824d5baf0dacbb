"""``medmae run BUNDLE CONFIG --help``: what can be set there; nothing of the bundle is run or imported."""

from __future__ import annotations

from typing import Any

import typer
from rich import box
from rich.table import Table
from typer.core import TyperCommand

from medmae.bundle.settings import settings_of, summary_of
from medmae.bundle.shipped import configs, find_bundle, find_config, find_configs, shared_configs
from medmae.cli.app import console

_ASKED = frozenset({"-h", "--help"})


class RunCommand(TyperCommand):
    """``medmae run``, whose help is that of the bundle and the configuration before ``--help``, where there are any."""

    # typer's Context comes from another module in each of its versions, hence Any.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Tells what there is to set, if that is asked of a bundle; else as every command does."""
        names = _leading(args) if _ASKED & set(args) else []
        if names:
            if len(names) == 1:
                _tell_configs(names[0])
            else:
                _tell_settings(names[0], names[1])
            ctx.exit()
        return super().parse_args(ctx, args)


def _leading(args: list[str]) -> list[str]:
    """Bundle and configuration: the words before the first option that takes a value."""
    names: list[str] = []
    for word in args:
        if word in {"--trust", "--dry-run", *_ASKED}:
            continue
        if word.startswith("-"):
            break
        names.append(word)
    return names


def _tell_configs(bundle: str) -> None:
    folder = find_bundle(bundle)
    table = _table("configuration", "what it is", title=f"medmae run {bundle} CONFIG")
    for name in [*configs(folder), *(one for one in shared_configs() if one not in configs(folder))]:
        table.add_row(name, _plain(summary_of(find_config(folder, name))))
    console.print(table)
    typer.echo(f"what can be set in one of them: medmae run {bundle} CONFIG --help")


def _tell_settings(bundle: str, config: str) -> None:
    folder = find_bundle(bundle)
    found = settings_of(folder, config)
    files = find_configs(folder, config)
    for path in files:
        typer.echo(summary_of(path))
    table = _table("setting", "value", "meaning", title=f"medmae run {bundle} {config}")
    for setting in found:
        table.add_row(f"--{setting.name}", _plain(setting.value), _plain(setting.meaning))
    console.print(table)
    typer.echo("Any other id of these files can be set, too, by its place, such as --train::trainer::max_epochs 10:")
    for path in files:
        typer.echo(f"  {path}")
    typer.echo("medmae run --help tells the rest: --dry-run, --trust, how values are written, where results go.")


def _table(*heads: str, title: str) -> Table:
    """Columns that break long words where they must, and leave nothing out."""
    table = Table(box=box.SIMPLE_HEAD, title=_plain(title), padding=(0, 1, 0, 0), pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
