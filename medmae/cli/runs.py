"""Commands of bundles and their runs; what is heavy is imported by the command that needs it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

import medmae
from medmae.cli.app import app, console
from medmae.cli.completion import bundles, configurations
from medmae.cli.run_help import RunCommand
from medmae.errors import ExitCode
from medmae.packages import own_data_prep


@app.command(
    cls=RunCommand,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example: medmae run mr_edge_mae_pretraining train --dataset_dir prepared/ --train::trainer::max_epochs 10",
)
def run(
    ctx: typer.Context,
    bundle: Annotated[
        str, typer.Argument(help="Folder of a bundle, or the name of a shipped one.", autocompletion=bundles)
    ],
    config: Annotated[
        str, typer.Argument(help="Name of a configuration; a,b merges b over a.", autocompletion=configurations)
    ],
    trust: Annotated[bool, typer.Option("--trust", help="Run it whatever the static checks of it say.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what a training would do.")] = False,
) -> None:
    """Run a configuration of a bundle; --key value overrides any id in it.

    Results of a shipped bundle go to runs/BUNDLE, those of another one into its folder; --output_dir says otherwise.

    Values are YAML (true, false, null, 0.5, "[1, 2]"); paths and names are taken as they are typed.

    medmae run BUNDLE CONFIG --help lists what can be set, with its meaning and value.

    A bundle that fails the static checks of `medmae check` is refused, unless --trust is given, with which values that
    begin with $, @ or % are MONAI's expressions, references and files.
    """
    typer.echo(f"medmae {medmae.__version__}: {bundle} {config}")  # before the imports, which take seconds

    from medmae.bundle.overrides import parse_options
    from medmae.bundle.run import run_bundle

    run_bundle(bundle, config, options=parse_options(ctx.args), trust=trust, dry_run=dry_run, told=_tell_results)


def _tell_results(home: Path, commands: list[str]) -> None:
    typer.echo(f"results: {home.resolve()}")
    if commands:
        typer.echo("\n  ".join(["next:", *commands]))


@app.command(epilog="Example: medmae check mr_edge_mae_pretraining")
def check(
    bundle: Annotated[
        str,
        typer.Argument(help="Folder or zip file of a bundle, or the name of a shipped one.", autocompletion=bundles),
    ],
    static_only: Annotated[bool, typer.Option("--static-only", help="Only what runs nothing of the bundle.")] = False,
) -> None:
    """Check a bundle: 15 checks that run nothing of it, then 12 that run it at tiny size; exit code 2 if one fails.

    Nothing is downloaded, and the bundle is left as it is. If it brings no weights, those of the tiny training are
    checked.
    """
    from medmae.bundle.check.whole import check_bundle
    from medmae.bundle.shipped import find_bundle

    own_data_prep()
    make_data = None if static_only else importlib.import_module("data_prep.tiny").make
    path = Path(bundle) if bundle.endswith(".zip") else find_bundle(bundle)
    with console.status("static checks") as status:
        outcomes = check_bundle(path, make_data=make_data, progress=lambda name: status.update(f"check {name}"))
    table = Table("", "check", "", "where", "what is wrong", "what to do", title=path.name)
    colours = {"ok": "green", "warning": "yellow", "failed": "bold red", "not run": "dim"}
    for outcome in outcomes:
        sign = f"[{colours[outcome.state]}]{outcome.state}[/]"
        told = [(finding.path, finding.message, finding.remedy) for finding in outcome.findings]
        for texts in told or [("", "", "")]:
            table.add_row(str(outcome.number), outcome.name, sign, *(text.replace("[", r"\[") for text in texts))
    console.print(table)
    if any(outcome.state in ("failed", "not run") for outcome in outcomes):
        raise typer.Exit(ExitCode.REFUSED)


@app.command(epilog="Example: medmae report runs/mr_edge_mae_pretraining")
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run (it holds run.json).")],
    out: Annotated[Path | None, typer.Option(help="Where to write; RUN/report.html if not given.")] = None,
) -> None:
    """Write the report of a run anew: one self-contained HTML page."""
    from medmae.report import write_report

    typer.echo(f"report: {write_report(folder, out=out).resolve()}")


@app.command(epilog="Example: medmae compare runs/scratch runs/pretrained --only foreground")
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="Folder of an evaluated run.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Folder of another, evaluated on the same cases.")],
    out: Annotated[Path, typer.Option(help="Table to write.")] = Path("compare.csv"),
    only: Annotated[list[str] | None, typer.Option(help="Region to compare, such as foreground; repeatable.")] = None,
) -> None:
    """Compare what two runs scored on the same cases: paired differences (RUN_B minus RUN_A) over subjects.

    With 95 % bootstrap intervals and the p of a Wilcoxon signed-rank test, not corrected for the number of figures.
    Runs that define their figures differently are refused.
    """
    from medmae.evaluate.compare import compare_runs

    found = compare_runs(run_a, run_b, out=out, only=only or None)
    signs = {"higher": "↑", "lower": "↓"}
    note = "B minus A over subjects; ↑ higher is better, ↓ lower, →1 nearer 1; p: Wilcoxon signed-rank, not corrected"
    table = Table(
        title=f"A {run_a}, B {run_b}".replace("[", r"\["),
        caption=note,
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for head in ("figure", "A", "B", "B - A", "95 % CI", "p", "n"):
        table.add_column(head, no_wrap=True)
    for row in found.differences:
        figure = f"{signs.get(row.better, '→1')} {row.metric.replace('_model', '').replace('_', ' ')}"
        numbers = (f"{row.mean_a:.3g}", f"{row.mean_b:.3g}", f"{row.difference.mean:+.3g}", row.interval)
        table.add_row(figure, *numbers, f"{row.p_value:.2g}", str(row.difference.n_subjects))
    console.print(table)
    for run, cases in ((run_a, found.only_a), (run_b, found.only_b)):
        if cases:
            typer.echo(f"only in {run}, left out: {', '.join(cases)}")
    if not found.same_data:
        typer.echo("warning: the manifests of the runs' data sets differ; cases are paired by name alone")
    typer.echo(f"{found.shared} rows paired; table: {out.resolve()}")
