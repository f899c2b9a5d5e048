"""Which secrets the proxies of a View may ask for: those that its listeners and clusters name."""

from collections.abc import Iterator

from translator.database import Database
from translator.engine import query
from translator.indexes import RULE_CREDENTIALS
from translator.listeners.server_tls import secret_name, server_secrets
from translator.model.gateway import gateway_servers
from translator.model.proxy import Role, ViewKey
from translator.reference import ResourceReference
from translator.secrets.name import CONFIG_MAP, ROOTS_SUFFIX
from translator.secrets.secret import secret


@query
def secret_references(db: Database, view: ViewKey) -> tuple[ResourceReference, ...]:
    """The secrets of a View. Of those that DestinationRules name every proxy may ask for its own namespace's.

    There are none where proxies are not to be trusted with them. Those that proved who they are always are.
    """
    if not (view.has_identity or db.settings.discloses_secrets):
        return ()
    names = sorted({*_served(db, view), *_presented(db)})
    return tuple(ResourceReference(name, secret, (view.namespace, name)) for name in names)


def _served(db: Database, view: ViewKey) -> Iterator[str]:
    """What the servers of a gateway show, and verify their clients by."""
    if view.role is Role.GATEWAY:
        for listener in gateway_servers(db, view):
            for server in listener.servers:
                if server.is_terminating and server.tls is not None:
                    yield from server_secrets(server.tls)


def _presented(db: Database) -> Iterator[str]:
    """What clients show to servers outside of the mesh, and verify them by."""
    for credential in db.members(RULE_CREDENTIALS, ""):
        name = secret_name(credential)
        yield name
        if not name.startswith(CONFIG_MAP):
            yield f"{name}{ROOTS_SUFFIX}"
