"""Rules for ``exportTo``: ``*`` (everybody), ``.`` (the own namespace), ``~`` (nobody), or names of namespaces."""

from collections.abc import Sequence

from translator.validation.hostname import is_dns_label
from translator.validation.report import Report, indexed


def check_export_to(report: Report, export_to: Sequence[str], namespace: str, *, nobody_allowed: bool = False) -> None:
    """Rule: valid namespaces, none twice; ``*`` and ``~`` stand alone, and ``~`` is for ServiceEntry only."""
    seen: set[str] = set()
    for path, entry in indexed("spec.exportTo", export_to):
        target = namespace if entry == "." else entry
        if target in seen:
            report.error(path, f"{entry!r} is given twice" if entry == target else f"'.' is {namespace}: given twice")
        seen.add(target)
        if entry == "~" and not nobody_allowed:
            report.error(path, "'~' is allowed for ServiceEntry only")
        elif entry not in ("*", ".", "~") and not is_dns_label(entry):
            report.error(path, f"{entry!r} is neither '*', '.', nor the name of a namespace")
    for alone in sorted({"*", "~"} & seen):
        if len(seen) > 1:
            report.error("spec.exportTo", f"{alone!r} cannot be combined with other entries")
