"""Where a rule is applied: what decides which of its matches concern a proxy at all."""

from collections.abc import Iterator

import msgspec

from translator.indexes import MESH
from translator.model.proxy import Labels
from translator.objects.virtual_service import HTTPMatchRequest, HTTPRoute


class RouteContext(msgspec.Struct, frozen=True, cache_hash=True, kw_only=True):
    """The proxy's namespace and labels, and the listener whose route table is made.

    ``gateway`` is ``mesh`` or a qualified name. ``port`` is that of the service for sidecars (0 for a table of
    all ports), of the Gateway's server for gateways. ``tls`` says whether the server terminates TLS.
    """

    namespace: str
    port: int
    gateway: str = MESH
    labels: Labels = ()
    tls: bool = False

    def concerns(self, match: HTTPMatchRequest) -> bool:
        """Whether a match can apply here.

        Istio: a match that names gateways is not asked for the labels and namespace of the source any more.
        """
        if match.port and match.port != self.port:
            return False
        if match.gateways:
            return self.gateway in match.gateways
        own = dict(self.labels)
        return match.source_namespace in ("", self.namespace) and all(
            own.get(name) == value for name, value in match.source_labels.items()
        )

    def select(self, rules: tuple[HTTPRoute, ...]) -> Iterator[HTTPRoute]:
        """The rules that can apply here, with only those of their matches that can."""
        for rule in rules:
            if not rule.match:
                yield rule
                continue
            kept = tuple(match for match in rule.match if self.concerns(match))
            if kept:
                yield rule if kept == rule.match else msgspec.structs.replace(rule, match=kept)


def source_label_names(rules: tuple[HTTPRoute, ...]) -> frozenset[str]:
    """The labels of a proxy by which its rules are selected."""
    return frozenset(
        name for rule in rules for match in rule.match if not match.gateways for name in match.source_labels
    )
