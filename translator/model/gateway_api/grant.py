"""Permission for an object to refer to one of another namespace."""

from translator.database import Database
from translator.indexes import REFERENCE_GRANTS
from translator.objects.gateway_api import GROUP, ReferenceGrant
from translator.objects.registry import Kind, ObjectKey


def is_granted(db: Database, source: ObjectKey, target: ObjectKey) -> bool:
    """Whether an object of the Gateway API may refer to a core object. Reads through the caller's query.

    Gateway API: within a namespace always, beyond it by a ReferenceGrant in the namespace that is referred to.
    """
    if source.namespace == target.namespace:
        return True
    grants = (db.row(key) for key in db.members(REFERENCE_GRANTS, target.namespace))
    return any(isinstance(grant, ReferenceGrant) and _covers(grant, source, target) for grant in grants)


def _covers(grant: ReferenceGrant, source: ObjectKey, target: ObjectKey) -> bool:
    allowed = any(
        (each.group, each.kind, each.namespace) == (GROUP, source.kind.bare, source.namespace)
        for each in grant.spec.from_
    )
    return allowed and any(
        (each.group, each.kind) == ("", target.kind.bare) and each.name in ("", target.name) for each in grant.spec.to
    )


def certificate_key(namespace: str, owner: str, name: str) -> ObjectKey:
    """The Secret that a reference without (or with) a namespace means."""
    return ObjectKey(Kind.SECRET, owner or namespace, name)
