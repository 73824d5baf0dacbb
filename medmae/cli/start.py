"""Commands to begin with: what there is, what this machine lacks, and a demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import medmae
from medmae.cli.app import app, console
from medmae.errors import ExitCode


@app.command("list", epilog="Example: medmae list")
def list_methods() -> None:
    """List the methods and the shipped bundles."""
    from medmae.bundle.shipped import configs, shared_configs, shipped
    from medmae.methods.registry import methods

    table = Table("method", "title", "presets", "paper", title="Methods")
    for spec in methods().values():
        table.add_row(spec.name, spec.title, ", ".join(spec.presets), spec.paper)
    console.print(table)
    recipes = Table("bundle", "configurations", title="Bundles (medmae run BUNDLE CONFIGURATION)")
    for name, folder in shipped().items():
        recipes.add_row(name, ", ".join(configs(folder)))
    console.print(recipes)
    typer.echo(f"merged over any train: {', '.join(shared_configs())}, as in train,{shared_configs()[-1]}")


@app.command(epilog="Example: medmae demo --data /path/to/nifti --out demo")
def demo(
    data: Annotated[Path | None, typer.Option(help="Your volumes, as for medmae prep mr; else simulated ones.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of everything that is made.")] = Path("demo"),
    resample_to: Annotated[str | None, typer.Option(help="Contrast onto whose grid others are resampled.")] = None,
) -> None:
    """See it work in minutes: prepare volumes, pre-train Edge-MAE, synthesise a contrast with it, report."""
    from medmae.demo import run_demo

    result = run_demo(out=out, data=data, resample_to=resample_to)
    typer.echo(f"pre-training:     open {result.report.resolve().as_uri()}")
    if result.synthesis is None:
        typer.echo("no case has two contrasts, so none was synthesised")
    else:
        typer.echo(f"synthesis:        open {result.synthesis.resolve().as_uri()}")
    for volume in result.volumes:
        typer.echo(f"synthetic volume: {volume.resolve()}")
    raise typer.Exit(result.exit_code)


@app.command(epilog="Example: medmae verify prepared/")
def verify(
    folder: Annotated[Path, typer.Argument(help="What `medmae prep` wrote, or the folder of a run.")],
) -> None:
    """Read all of a data set, or the weights of a run, and compare with the recorded hashes; 2 if any differs."""
    from medmae.evaluate.verify import verify_folder

    typer.echo(verify_folder(folder))


@app.command(epilog="Example: medmae doctor")
def doctor() -> None:
    """Show what this machine has and lacks; exit code 2 if something required is missing."""
    from medmae.doctor import checks, healthy

    found = checks()
    table = Table("", "what", "found", "what to do", title=f"medmae {medmae.__version__}")
    for check in found:
        sign = "[green]ok[/]" if check.ok else "[bold red]missing[/]" if check.required else "[yellow]note[/]"
        table.add_row(sign, check.name, check.value, "" if check.ok else check.remedy.replace("[", r"\["))
    console.print(table)
    if not healthy(found):
        raise typer.Exit(ExitCode.REFUSED)
