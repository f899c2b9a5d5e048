"""AuthorizationPolicy: which policies hold for a workload or a gateway."""

import msgspec

from translator.database import Database
from translator.engine import query
from translator.indexes import AUTHORIZATION_POLICIES
from translator.model.proxy import Labels, ViewKey
from translator.model.workload import has_labels
from translator.objects.gateway_api import GATEWAY_NAME_LABEL, GROUP
from translator.objects.registry import ObjectKey, key_of
from translator.objects.security import AuthorizationPolicy, PolicyAction


class PolicySelection(msgspec.Struct, frozen=True):
    """Whom a policy selects: by labels, or, if it is attached, the pods of these gateways of the Gateway API alone."""

    key: ObjectKey
    selector: Labels
    attached: bool
    gateways: tuple[str, ...]

    def selects(self, namespace: str, labels: dict[str, str]) -> bool:
        """Whether it holds for a workload that the policy's namespace reaches."""
        if not self.attached:
            return has_labels(labels, self.selector)
        return namespace == self.key.namespace and labels.get(GATEWAY_NAME_LABEL) in self.gateways


@query
def authorization_selections(db: Database, namespace: str) -> tuple[PolicySelection, ...]:
    """Whom the policies of a namespace select, the oldest policy first."""
    rows = (db.row(key) for key in db.members(AUTHORIZATION_POLICIES, namespace))
    found = (row for row in rows if isinstance(row, AuthorizationPolicy))
    oldest = sorted(found, key=lambda each: (each.metadata.creation_timestamp, each.metadata.name))
    # Nobody asks who decides in the place of a CUSTOM policy yet.
    return tuple(_selection(each) for each in oldest if each.spec.action is not PolicyAction.CUSTOM)


def authorizing_policies(db: Database, view: ViewKey) -> tuple[ObjectKey, ...]:
    """The policies that hold for the proxies of a View.

    Istio: all that select it, those of the root namespace first. A selector there selects in every namespace.
    """
    namespaces = dict.fromkeys((db.settings.mesh.root_namespace, view.namespace))
    labels = dict(view.labels)
    return tuple(
        each.key
        for namespace in namespaces
        for each in authorization_selections(db, namespace)
        if each.selects(view.namespace, labels)
    )


def _selection(source: AuthorizationPolicy) -> PolicySelection:
    spec, namespace = source.spec, source.metadata.namespace
    selector = tuple(sorted(spec.selector.match_labels.items())) if spec.selector else ()
    gateways = tuple(
        sorted(
            each.name
            for each in spec.targets
            if (each.group, each.kind) == (GROUP, "Gateway") and each.namespace in ("", namespace)
        )
    )
    return PolicySelection(key_of(source), selector, bool(spec.targets), gateways)
