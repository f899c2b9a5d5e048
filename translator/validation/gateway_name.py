"""Rules for references to gateways."""

from collections.abc import Sequence

from translator.validation.hostname import fqdn_fault, is_dns_label
from translator.validation.report import Report, indexed


def check_gateway_names(report: Report, path: str, names: Sequence[str]) -> None:
    """Rule: ``namespace/name``, or a name alone (``mesh`` stands for all sidecars)."""
    for entry, reference in indexed(path, names):
        namespace, slash, name = reference.partition("/")
        if slash:
            if not (is_dns_label(namespace) and is_dns_label(name)):
                report.error(entry, f"{reference!r} is not of the form namespace/name")
            continue
        report.require(entry, fqdn_fault(reference))
        if "." in reference.strip("."):
            name, namespace = reference.split(".")[:2]
            report.warn(entry, f"{reference!r} is the old form of a reference; write {namespace}/{name}")
