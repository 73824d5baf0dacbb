"""One self-contained HTML page from a run directory: what was trained, how well it does, and what to believe of it.

    from medmae.report import write_report
    write_report("runs/my_run")  # -> runs/my_run/report.html

A method with results of its own builds the page, appends a :class:`Section`, and writes it::

    report = build_report(run)
    report.sections.insert(2, Section(title="Heatmaps", blocks=[...]))
    report.write(run / "report.html")
"""

from medmae.report.build import build_report, write_report
from medmae.report.page import Card, Report, Section

__all__ = ["Card", "Report", "Section", "build_report", "write_report"]
