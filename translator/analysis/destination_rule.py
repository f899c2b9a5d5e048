"""DestinationRules for hosts that nobody provides, and subsets without endpoints."""

from collections.abc import Iterator

from translator.analysis.codes import EMPTY_SUBSET, UNKNOWN_RULE_HOST
from translator.analysis.completeness import missing_severity
from translator.database import Database
from translator.diagnostics import Diagnostic, Severity
from translator.model.endpoint import service_endpoints
from translator.model.host import is_wildcard, resolve_short_name
from translator.model.service import Resolution, Service, visible_service
from translator.model.workload import has_labels
from translator.objects.destination_rule import DestinationRule
from translator.objects.registry import key_of


def analyze_destination_rule(db: Database, source: DestinationRule) -> Iterator[Diagnostic]:
    """Find a rule that shapes nothing, and subsets that no request can be sent to."""
    key = key_of(source)
    host = resolve_short_name(source.spec.host, key.namespace, db.settings.domain_suffix)
    if is_wildcard(host):
        return
    owner = visible_service(db, key.namespace, host)
    if owner is not None:
        yield from _empty_subsets(db, source, owner)
    elif missing_severity(db) is Severity.ERROR:
        reason = f"host {host} is provided by no Service or ServiceEntry: the rule has no effect"
        yield Diagnostic(Severity.WARNING, UNKNOWN_RULE_HOST, key, "spec.host", reason)


def _empty_subsets(db: Database, source: DestinationRule, owner: Service) -> Iterator[Diagnostic]:
    if owner.resolution not in (Resolution.CLIENT_SIDE, Resolution.PASSTHROUGH):
        return
    workloads = [endpoint.workload.labels for endpoint in service_endpoints(db, owner.namespace, owner.hostname)]
    for index, subset in enumerate(source.spec.subsets):
        # Without any endpoint the service is scaled to zero, and its subsets say nothing.
        if workloads and not any(has_labels(labels, subset.labels) for labels in workloads):
            wanted = ", ".join(f"{name}={value}" for name, value in sorted(subset.labels.items()))
            reason = f"no endpoint of {owner.hostname} has the labels {wanted}: requests to this subset get 503"
            yield Diagnostic(Severity.WARNING, EMPTY_SUBSET, key_of(source), f"spec.subsets[{index}].labels", reason)
