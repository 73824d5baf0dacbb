"""The first words of a page whose subjects are no patients."""

from __future__ import annotations

from medmae.report.folder import RunFolder
from medmae.report.text import count


def simulated_subjects(folder: RunFolder) -> set[str]:
    """Subjects of the data set, of all splits, that are simulated."""
    return set(map(str, (folder.data.get("origins") or {}).get("simulated", ())))


def origin_sentence(folder: RunFolder) -> str:
    """That subjects are simulated, if that is known; of measured ones, and where nobody said anything, nothing."""
    simulated = simulated_subjects(folder)
    if not simulated:
        began = "simulated" in (folder.info.get("weights_origins") or ())
        return "The weights that this began with have seen simulated subjects." if began else ""
    everyone = {str(name) for names in (folder.data.get("subjects") or {}).values() for name in names}
    if everyone <= simulated:
        return "All subjects are simulated: nothing here was measured on a patient."
    return f"{len(simulated)} of {count(len(everyone), 'subject')} are simulated."
