"""Route tables: which virtual host a request belongs to, and which of its routes takes it."""

from collections.abc import Iterator

from envoy.config.route.v3 import route_components_pb2, route_pb2

from translator.simulation.matching import matches_claim, matches_header, matches_query, matches_regex
from translator.simulation.traffic import Request

Route = route_components_pb2.Route
VirtualHost = route_components_pb2.VirtualHost


def find_virtual_host(table: route_pb2.RouteConfiguration, authority: str) -> tuple[VirtualHost, str] | None:
    """The virtual host of an authority, and the domain by which it has it.

    Envoy: an exact domain before the longest ``*suffix``, before the longest ``prefix*``, before ``*``.
    """
    host = authority.lower()
    if table.ignore_port_in_host_matching:
        host = without_port(host)
    best: tuple[tuple[int, int], VirtualHost, str] | None = None
    for virtual_host in table.virtual_hosts:
        for domain in virtual_host.domains:
            rank = _domain_rank(domain.lower(), host)
            if rank is not None and (best is None or rank < best[0]):
                best = (rank, virtual_host, domain)
    return (best[1], best[2]) if best else None


def without_port(authority: str) -> str:
    """An authority without its port; IPv6 addresses stand in brackets."""
    host, colon, port = authority.rpartition(":")
    return host if colon and port.isdigit() and (not host.startswith("[") or host.endswith("]")) else authority


def routes_for(virtual_host: VirtualHost, request: Request, scheme: str) -> Iterator[tuple[Route, str]]:
    """Every route of a virtual host in order, with why it does not take a request; empty if it does."""
    for route in virtual_host.routes:
        yield route, _mismatch(route.match, request, scheme)


def matches_path(match: route_components_pb2.RouteMatch, path: str) -> bool:
    """Whether a path (without query) is what a route wants."""
    folded = match.HasField("case_sensitive") and not match.case_sensitive.value
    kind = match.WhichOneof("path_specifier")
    if kind == "safe_regex":
        return matches_regex(match.safe_regex.regex, path)
    wanted = str(getattr(match, kind)) if kind else "/"
    if folded:
        wanted, path = wanted.lower(), path.lower()
    if kind == "path":
        return path == wanted
    if kind == "path_separated_prefix":
        return path == wanted or path.startswith(f"{wanted}/")
    return path.startswith(wanted)


def _mismatch(match: route_components_pb2.RouteMatch, request: Request, scheme: str) -> str:
    if not matches_path(match, request.path_only):
        return "path"
    for header in match.headers:
        if not matches_header(header, request, scheme):
            return f"header {header.name}"
    for parameter in match.query_parameters:
        if not matches_query(parameter, request):
            return f"query parameter {parameter.name}"
    return "" if all(matches_claim(claim, request) for claim in match.dynamic_metadata) else "claim of the token"


def _domain_rank(domain: str, host: str) -> tuple[int, int] | None:
    """How good a domain is for a host, the lower the better; None when it does not cover it."""
    if domain == host:
        return (0, 0)
    if domain == "*":
        return (3, 0)
    if len(host) < len(domain):
        return None
    if domain.startswith("*") and host.endswith(domain[1:]):
        return (1, -len(domain))
    if domain.endswith("*") and host.startswith(domain[:-1]):
        return (2, -len(domain))
    return None
