"""Rules for DestinationRule."""

from translator.diagnostics import Violation
from translator.objects.destination_rule import DestinationRule
from translator.validation.export_to import check_export_to
from translator.validation.hostname import dns_label_fault, wildcard_domain_fault
from translator.validation.label import check_labels, check_selector
from translator.validation.report import Report, indexed
from translator.validation.traffic_policy import check_traffic_policy


def validate_destination_rule(obj: DestinationRule) -> tuple[Violation, ...]:
    """Check one DestinationRule by itself: that its host may not exist is never its fault."""
    report, spec, namespace = Report(), obj.spec, obj.metadata.namespace
    report.require("spec.host", wildcard_domain_fault(spec.host))
    check_traffic_policy(report, "spec.trafficPolicy", spec.traffic_policy, namespace)
    names: set[str] = set()
    for path, subset in indexed("spec.subsets", spec.subsets):
        report.require(f"{path}.name", dns_label_fault(subset.name))
        if subset.name in names:
            report.error(f"{path}.name", f"subset {subset.name!r} is given twice")
        names.add(subset.name)
        check_labels(report, f"{path}.labels", subset.labels)
        check_traffic_policy(report, f"{path}.trafficPolicy", subset.traffic_policy, namespace)
    check_export_to(report, spec.export_to, namespace)
    if spec.workload_selector is not None:
        check_selector(report, "spec.workloadSelector.matchLabels", spec.workload_selector.match_labels)
        if {namespace if entry == "." else entry for entry in spec.export_to} - {namespace}:
            report.error("spec.exportTo", "a rule with a workloadSelector applies to its own namespace only")
    return report.violations
