"""The walk of a connection or request through a proxy: listener, filter chain, virtual host, route, cluster."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from translator.simulation.chain import FilterChain, find_chain, find_listener
from translator.simulation.interference import ABORTED, interferences, share_of
from translator.simulation.outcome import Ending, Outcome, Step, Upstream
from translator.simulation.path import normalize_path, redirect_location
from translator.simulation.snapshot import Snapshot
from translator.simulation.table import Route, VirtualHost, find_virtual_host, routes_for
from translator.simulation.traffic import Connection, Request
from translator.simulation.upstream import forwarded_request, usable_endpoints

_MANAGER: Final = "envoy.filters.network.http_connection_manager"
_MISSING_CLUSTER: Final = {
    route_components_pb2.RouteAction.SERVICE_UNAVAILABLE: 503,
    route_components_pb2.RouteAction.NOT_FOUND: 404,
    route_components_pb2.RouteAction.INTERNAL_SERVER_ERROR: 500,
}
_TCP_PROXY: Final = "envoy.filters.network.tcp_proxy"
_REDIRECT_CODES: Final = {
    route_components_pb2.RedirectAction.MOVED_PERMANENTLY: 301,
    route_components_pb2.RedirectAction.FOUND: 302,
    route_components_pb2.RedirectAction.SEE_OTHER: 303,
    route_components_pb2.RedirectAction.TEMPORARY_REDIRECT: 307,
    route_components_pb2.RedirectAction.PERMANENT_REDIRECT: 308,
}


def simulate(snapshot: Snapshot, connection: Connection, request: Request | None = None) -> tuple[Outcome, ...]:
    """Every end that a connection, or a request on it, can come to; their shares add up to 1.

    There is more than one end only where Envoy throws dice: weights and faults. Which of several endpoints gets a
    request is left open. What filters beside routing decide (authentication, authorization, rate limits) is not
    part of the walk.
    """
    walk = _Walk(snapshot, connection)
    return tuple(walk.through_listener(request))


class _Walk:
    """The way of one connection, noting the steps."""

    def __init__(self, snapshot: Snapshot, connection: Connection) -> None:
        self._snapshot = snapshot
        self._connection = connection
        self._scheme = "https" if connection.tls else "http"
        self._steps: list[Step] = []

    def through_listener(self, request: Request | None) -> Iterator[Outcome]:
        """From the dialled address to the filters."""
        chosen = find_listener(self._snapshot, self._connection)
        if chosen is None:
            address = f"{self._connection.address}:{self._connection.port}"
            self._note("listener", "", f"nothing listens at {address}")
            yield self._end(Ending.REFUSED)
            return
        self._note("listener", chosen.listener.name, chosen.reason)
        protocol = request.protocol if request is not None else ""
        chain = find_chain(chosen.listener, self._connection, protocol)
        if chain is None:
            self._note("filter chain", "", "no filter chain matches")
            yield self._end(Ending.CLOSED, flag="NR")
            return
        self._note("filter chain", chain.name)
        yield from self._through_chain(chain, request)

    def _through_chain(self, chain: FilterChain, request: Request | None) -> Iterator[Outcome]:
        for each in chain.filters:
            if each.name == _MANAGER and request is not None:
                yield from self._through_manager(hcm.HttpConnectionManager.FromString(each.typed_config.value), request)
                return
            if each.name == _TCP_PROXY:
                yield from self._through_tcp_proxy(tcp_proxy_pb2.TcpProxy.FromString(each.typed_config.value))
                return
        self._note("filter", "", "bytes that are no HTTP request" if request is None else "nothing takes requests")
        yield self._end(Ending.CLOSED)

    def _through_tcp_proxy(self, proxy: tcp_proxy_pb2.TcpProxy) -> Iterator[Outcome]:
        weights = [(each.name, each.weight) for each in proxy.weighted_clusters.clusters] or [(proxy.cluster, 1)]
        total = sum(weight for _, weight in weights)
        for name, weight in weights:
            if weight:
                step = Step("cluster", name, f"{weight} of {total}" if len(weights) > 1 else "")
                yield self._reach(Upstream(name), weight / total, (step,))

    def _through_manager(self, manager: hcm.HttpConnectionManager, request: Request) -> Iterator[Outcome]:
        inline = manager.HasField("route_config")
        name = manager.route_config.name if inline else manager.rds.route_config_name
        table = manager.route_config if inline else self._snapshot.routes(name)
        if table is None:
            self._note("route table", name, "the proxy does not have it")
            yield self._end(Ending.ANSWERED, status=404, flag="NR")
            return
        self._note("route table", name)
        seen = msgspec.structs.replace(request, path=normalize_path(manager, request.path))
        route = self._find_route(table, seen)
        if isinstance(route, Outcome):
            yield route
            return
        for each in interferences(manager, route, seen):
            steps = (Step("filter", each.reason),) if each.reason else ()
            if each.status is not None:
                flag = "FI" if each.reason == ABORTED else ""
                yield self._end(Ending.ANSWERED, each.share, steps, status=each.status, flag=flag, delay=each.delay)
                continue
            for end in self._act(route, seen):
                yield msgspec.structs.replace(
                    end, share=end.share * each.share, delay=each.delay, steps=(*end.steps, *steps)
                )

    def _find_route(self, table: route_pb2.RouteConfiguration, request: Request) -> Route | Outcome:
        found = find_virtual_host(table, request.host)
        if found is None:
            self._note("virtual host", "", f"no domain is {request.host}")
            return self._end(Ending.ANSWERED, status=404, flag="NR")
        virtual_host, domain = found
        self._note("virtual host", virtual_host.name, f"domain {domain}")
        if virtual_host.require_tls == VirtualHost.ALL and not self._connection.tls:
            self._note("route", "", "the host requires TLS")
            location = f"https://{request.host}{request.path}"
            return self._end(Ending.ANSWERED, status=301, location=location)
        for position, (route, mismatch) in enumerate(routes_for(virtual_host, request, self._scheme)):
            name = route.name or f"#{position}"
            if not mismatch:
                self._note("route", name)
                return route
            self._note("other route", name, f"its {mismatch} does not match")
        self._note("route", "", "no route matches")
        return self._end(Ending.ANSWERED, status=404, flag="NR")

    def _act(self, route: Route, request: Request) -> Iterator[Outcome]:
        if route.HasField("redirect"):
            location = redirect_location(route, request, self._scheme)
            yield self._end(Ending.ANSWERED, status=_REDIRECT_CODES[route.redirect.response_code], location=location)
        elif route.HasField("direct_response"):
            body = route.direct_response.body
            content = body.inline_bytes or body.inline_string.encode()
            yield self._end(Ending.ANSWERED, status=route.direct_response.status, body=content)
        else:
            yield from self._forward(route, request)

    def _forward(self, route: Route, request: Request) -> Iterator[Outcome]:
        mirrors = tuple(
            each.cluster
            for each in route.route.request_mirror_policies
            if share_of(each.runtime_fraction.default_value) > 0
        )
        missing = _MISSING_CLUSTER[route.route.cluster_not_found_response_code]
        weights = list(route.route.weighted_clusters.clusters)
        total = sum(each.weight.value for each in weights)
        for weight in weights:
            share = Step("cluster", weight.name, f"{weight.weight.value} of {total}")
            host, path, headers = forwarded_request(route, weight, request)
            upstream = Upstream(weight.name, host=host, path=path, headers=headers, mirrors=mirrors)
            yield self._reach(upstream, weight.weight.value / total, (share,), missing)
        if not weights:
            host, path, headers = forwarded_request(route, None, request)
            upstream = Upstream(route.route.cluster, host=host, path=path, headers=headers, mirrors=mirrors)
            yield self._reach(upstream, 1.0, (Step("cluster", upstream.cluster),), missing)

    def _reach(self, upstream: Upstream, share: float, steps: tuple[Step, ...], missing: int = 503) -> Outcome:
        """The end at a cluster: one of its endpoints, or none. ``missing`` is the status without the cluster."""
        cluster = self._snapshot.cluster(upstream.cluster)
        is_tcp = not upstream.host
        if cluster is None:
            ended = (*steps, Step("endpoint", "", "the proxy does not have the cluster"))
            return self._fail(share, ended, "NC", is_tcp=is_tcp, status=missing)
        endpoints = usable_endpoints(self._snapshot, cluster, self._connection)
        if not endpoints:
            ended = (*steps, Step("endpoint", "", "no endpoint is healthy"))
            return self._fail(share, ended, "UH", is_tcp=is_tcp)
        found = msgspec.structs.replace(upstream, endpoints=endpoints)
        return self._end(Ending.FORWARDED, share, (*steps, Step("endpoint", ", ".join(endpoints))), upstream=found)

    def _fail(self, share: float, steps: tuple[Step, ...], flag: str, *, is_tcp: bool, status: int = 503) -> Outcome:
        if is_tcp:
            return self._end(Ending.CLOSED, share, steps, flag=flag)
        return self._end(Ending.ANSWERED, share, steps, status=status, flag=flag)

    def _note(self, what: str, found: str, reason: str = "") -> None:
        self._steps.append(Step(what, found, reason))

    def _end(self, ending: Ending, share: float = 1.0, steps: Iterable[Step] = (), **facts: Any) -> Outcome:  # noqa: ANN401 - the other fields of an outcome
        return Outcome(ending=ending, share=share, steps=(*self._steps, *steps), **facts)
