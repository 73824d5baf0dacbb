"""The command line: thin, over functions; what is heavy is imported by the command that needs it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

import medmae
from medmae.errors import ExitCode

console = Console()
app = typer.Typer(
    name="medmae",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def sources() -> list[str]:
    """Modules of ``data_prep`` that are a source of data, without importing them: those with an ``EXAMPLE``."""
    found = importlib.util.find_spec("data_prep")
    folders = found.submodule_search_locations or () if found else ()
    files = sorted(file for folder in folders for file in Path(folder).glob("*.py"))
    return [file.stem for file in files if "\nEXAMPLE = " in file.read_text(encoding="utf-8")]


class Sources(TyperGroup):
    """``medmae prep``: modules of ``data_prep`` with ``prepare`` and ``EXAMPLE``, imported on demand."""

    # typer's Context comes from another module in each of its versions, hence Any.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401
        """Names, without importing anything."""
        return sources()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """The command of one source, or None."""
        if cmd_name not in sources():
            return None
        holder = typer.Typer(add_completion=False, rich_markup_mode="rich")
        module = importlib.import_module(f"data_prep.{cmd_name}")
        command = importlib.import_module("data_prep.command").command_of(module.prepare)
        holder.command(cmd_name, epilog=f"Example: medmae prep {cmd_name} {module.EXAMPLE}")(command)
        return typer.main.get_command(holder)


prep = typer.Typer(cls=Sources, no_args_is_help=True, rich_markup_mode="rich")
app.add_typer(prep, name="prep")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"medmae {medmae.__version__}")
        raise typer.Exit


@app.callback(epilog="Example: medmae demo")
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    """Masked-autoencoder self-supervised learning for everything a hospital records."""


@prep.callback(epilog="Example: medmae prep mr raw/ prepared/")
def _prep() -> None:
    """Prepare data: from files to shards and a manifest."""


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


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example: medmae run mr_edge_mae_pretraining train --dataset_dir prepared/ --train::trainer::max_epochs 10",
)
def run(
    ctx: typer.Context,
    bundle: Annotated[str, typer.Argument(help="Folder of a bundle, or the name of a shipped one.")],
    config: Annotated[str, typer.Argument(help="Name of a configuration; a,b merges b over a.")],
    trust: Annotated[bool, typer.Option("--trust", help="Run it whatever the static checks of it say.")] = False,
) -> None:
    """Run a configuration of a bundle; --key value overrides any id in it.

    Results of a shipped bundle go to runs/BUNDLE, those of another one into its folder; --output_dir says otherwise.

    Values are YAML (true, false, null, 0.5, "[1, 2]"); paths and names are taken as they are typed.

    A bundle that fails the static checks of `medmae check` is refused, unless --trust is given, with which values that
    begin with $, @ or % are MONAI's expressions, references and files.
    """
    from medmae.bundle.overrides import parse_options
    from medmae.bundle.run import run_bundle

    home = run_bundle(bundle, config, options=parse_options(ctx.args), trust=trust)
    typer.echo(f"results: {home.resolve()}")


@app.command(epilog="Example: medmae check mr_edge_mae_pretraining")
def check(
    bundle: Annotated[str, typer.Argument(help="Folder or zip file of a bundle, or the name of a shipped one.")],
    static_only: Annotated[bool, typer.Option("--static-only", help="Only what runs nothing of the bundle.")] = False,
) -> None:
    """Check a bundle: 15 checks that run nothing of it, then 12 that run it at tiny size; exit code 2 if one fails.

    Nothing is downloaded, and the bundle is left as it is. If it brings no weights, those of the tiny training are
    checked.
    """
    from medmae.bundle.check.whole import check_bundle
    from medmae.bundle.shipped import find_bundle

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


@app.command(
    "import",
    epilog="Example: medmae import mae_pretrain_vit_base.pth start.safetensors --source mae --encoder-only"
    " --set image_size=160,256 --set in_channels=1 --adapt positions --adapt channels",
)
def import_weights(
    weights: Annotated[Path, typer.Argument(help="Published: .safetensors, .pth, .pt, .ckpt, .bin, or a folder.")],
    out: Annotated[Path, typer.Argument(help="Receives them under our keys (.safetensors).")],
    source: Annotated[str | None, typer.Option(help="Its layout: mae, timm, vit_mae, monai, ...; none: ours.")] = None,
    method: Annotated[str, typer.Option(help="A method of `medmae list`.")] = "mae",
    preset: Annotated[str, typer.Option(help="Its sizes.")] = "base",
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value of the method; repeatable.")] = None,
    encoder_only: Annotated[bool, typer.Option("--encoder-only", help="Leave a decoder or a head behind.")] = False,
    adapt: Annotated[list[str] | None, typer.Option(help="Rule for other sizes (docs/weights.md); repeatable.")] = None,
    file_grid: Annotated[str | None, typer.Option(help="Tokens along each axis of the file, such as 10,16.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Published hash of the file.")] = None,
) -> None:
    """Read published weights into a method, strictly, and write them under our keys, with a table of what matched."""
    from medmae.bundle.by_name import import_by_name

    report = import_by_name(
        weights,
        out,
        method=method,
        preset=preset,
        settings=settings or [],
        source=source,
        encoder_only=encoder_only,
        adapt=adapt or [],
        file_grid=file_grid,
        sha256=sha256,
    )
    typer.echo(report.table())
    typer.echo(f"weights: {out.resolve()}")


@app.command(
    epilog="Example: medmae export models/pretraining.safetensors unetr.safetensors --to unetr --drop-class-token"
    " --set image_size=160,256 --set in_channels=1"
)
def export(
    weights: Annotated[Path, typer.Argument(help="Ours: of a method, or of its encoder.")],
    out: Annotated[Path, typer.Argument(help="File to write, in the format of its suffix; a folder for Hugging Face.")],
    to: Annotated[str, typer.Option(help="Their layout: encoder, timm, monai, onnx, mae, ...; docs/weights.md.")],
    method: Annotated[str, typer.Option(help="A method of `medmae list`.")] = "mae",
    preset: Annotated[str, typer.Option(help="Its sizes.")] = "base",
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value of the method; repeatable.")] = None,
    drop_class_token: Annotated[bool, typer.Option("--drop-class-token", help="For MONAI, which has none.")] = False,
) -> None:
    """Write weights as another package has them; what it cannot hold is refused with the reason."""
    from medmae.bundle.by_name import method_by_name
    from medmae.weights.exchange import export_file

    network = method_by_name(method, preset=preset, settings=settings or [])
    written = export_file(weights, out, method=network, to=to, drop_class_token=drop_class_token)
    typer.echo(f"weights: {written.path.resolve()}")
    typer.echo(f"sha256:  {written.sha256}")
    typer.echo(f"note:    {written.note}")


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


def mistake(error: BaseException | None) -> Exception | None:
    """The user's mistake behind an error, or None; MONAI wraps in RuntimeErrors what a recipe raised."""
    while error is not None and not isinstance(error, ValueError | OSError | ModuleNotFoundError):
        error = error.__cause__
    return error


def explain(error: Exception) -> str:
    """The message, with a line on how to install what is missing."""
    if isinstance(error, ModuleNotFoundError) and error.name and str(error).startswith("No module named"):
        from medmae.doctor import install_hint

        return f"this needs the package {error.name}: {install_hint(error.name)}"
    return str(error) or type(error).__name__


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``medmae``: a user's mistake is one message and an exit code, without a traceback.

    Raises:
        SystemExit: Always, with one of :class:`medmae.errors.ExitCode`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Read when torch is loaded. Threads that spin while they wait make a small network ten times slower as soon as
    # anything else runs on the machine; threads that sleep cost nothing measurable when nothing does.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app([argument for argument in given if argument != "--debug"], prog_name="medmae")
    except (ValueError, OSError, ModuleNotFoundError, RuntimeError) as error:
        cause = mistake(error)
        if cause is None or "--debug" in given:
            raise
        typer.echo(f"medmae: {explain(cause)}", err=True)
        sys.exit(getattr(cause, "exit_code", ExitCode.REFUSED))


if __name__ == "__main__":
    main()
