"""VirtualService (networking.istio.io): how requests and connections for a host are routed."""

import enum

import msgspec

from translator.objects.duration import Duration
from translator.objects.meta import Int32, MeshObject, Message, Uint32


class StringMatch(Message, frozen=True, kw_only=True):
    """One of three comparisons; none of them set asks for mere presence."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None


class PortSelector(Message, frozen=True, kw_only=True):
    """A port by number; 0 is unset."""

    number: Uint32 = 0


class Percent(Message, frozen=True, kw_only=True):
    """A share of 0 to 100."""

    value: float = 0.0


class Destination(Message, frozen=True, kw_only=True):
    """Where to send: a host of the registry, and optionally a subset and a port of it."""

    host: str
    subset: str = ""
    port: PortSelector | None = None


class HeaderOperations(Message, frozen=True, kw_only=True):
    """Changes to the headers of one direction."""

    set: dict[str, str] = {}
    add: dict[str, str] = {}
    remove: tuple[str, ...] = ()


class Headers(Message, frozen=True, kw_only=True):
    """Changes to request and response headers."""

    request: HeaderOperations | None = None
    response: HeaderOperations | None = None


class HTTPMatchRequest(Message, frozen=True, kw_only=True):
    """Conditions on a request; all of them have to hold.

    A null under ``without_headers`` or ``query_params`` means the same as ``{}``: mere presence.
    """

    name: str = ""
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch] = {}
    port: Uint32 = 0
    source_labels: dict[str, str] = {}
    gateways: tuple[str, ...] = ()
    query_params: dict[str, StringMatch | None] = {}
    ignore_uri_case: bool = False
    without_headers: dict[str, StringMatch | None] = {}
    source_namespace: str = ""
    stat_prefix: str = ""


class HTTPRouteDestination(Message, frozen=True, kw_only=True):
    """One of the destinations of an HTTP rule, with its share of the requests."""

    destination: Destination
    weight: Int32 = 0
    headers: Headers | None = None


class RedirectPortSelection(enum.StrEnum):
    """How a redirect finds its port."""

    FROM_PROTOCOL_DEFAULT = "FROM_PROTOCOL_DEFAULT"
    FROM_REQUEST_PORT = "FROM_REQUEST_PORT"


class HTTPRedirect(Message, frozen=True, kw_only=True):
    """Answer with a redirect."""

    uri: str = ""
    authority: str = ""
    port: Uint32 | None = None
    derive_port: RedirectPortSelection | None = None
    scheme: str = ""
    redirect_code: Uint32 = 0
    prefix_rewrite: str = ""


class HTTPBody(Message, frozen=True, kw_only=True):
    """The body of a direct response: text, or bytes (base64 in JSON)."""

    string: str | None = None
    binary: bytes | None = msgspec.field(default=None, name="bytes")


class HTTPDirectResponse(Message, frozen=True, kw_only=True):
    """Answer without asking anybody."""

    status: Uint32
    body: HTTPBody | None = None


class Delegate(Message, frozen=True, kw_only=True):
    """Another VirtualService that holds the rules; an empty namespace is that of the root."""

    name: str = ""
    namespace: str = ""


class RegexRewrite(Message, frozen=True, kw_only=True):
    """Rewrite of the path by RE2 expression."""

    match: str = ""
    rewrite: str = ""


class HTTPRewrite(Message, frozen=True, kw_only=True):
    """Changes to path and authority before a request is sent on."""

    uri: str = ""
    authority: str = ""
    uri_regex_rewrite: RegexRewrite | None = None


class HTTPRetry(Message, frozen=True, kw_only=True):
    """How often, when and where a failed request is tried again."""

    attempts: Int32 = 0
    per_try_timeout: Duration | None = None
    retry_on: str = ""
    retry_remote_localities: bool | None = None
    retry_ignore_previous_hosts: bool | None = None
    backoff: Duration | None = None


class UnmatchedPreflights(enum.StrEnum):
    """What becomes of a preflight whose origin is not allowed."""

    UNSPECIFIED = "UNSPECIFIED"
    FORWARD = "FORWARD"
    IGNORE = "IGNORE"


class CorsPolicy(Message, frozen=True, kw_only=True):
    """Cross-origin resource sharing."""

    allow_origin: tuple[str, ...] = ()
    allow_origins: tuple[StringMatch, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: Duration | None = None
    allow_credentials: bool | None = None
    unmatched_preflights: UnmatchedPreflights = UnmatchedPreflights.UNSPECIFIED


class FaultDelay(Message, frozen=True, kw_only=True):
    """Delay of a share of the requests."""

    percent: Int32 = 0
    fixed_delay: Duration | None = None
    exponential_delay: Duration | None = None
    percentage: Percent | None = None


class FaultAbort(Message, frozen=True, kw_only=True):
    """Refusal of a share of the requests."""

    http_status: Int32 | None = None
    grpc_status: str | None = None
    http2_error: str | None = None
    percentage: Percent | None = None


class HTTPFaultInjection(Message, frozen=True, kw_only=True):
    """Faults to inject."""

    delay: FaultDelay | None = None
    abort: FaultAbort | None = None


class HTTPMirrorPolicy(Message, frozen=True, kw_only=True):
    """A copy of a share of the requests goes to another destination."""

    destination: Destination
    percentage: Percent | None = None


class HTTPRoute(Message, frozen=True, kw_only=True):
    """A rule for HTTP: conditions (any of them), and what becomes of the request."""

    name: str = ""
    match: tuple[HTTPMatchRequest, ...] = ()
    route: tuple[HTTPRouteDestination, ...] = ()
    redirect: HTTPRedirect | None = None
    direct_response: HTTPDirectResponse | None = None
    delegate: Delegate | None = None
    rewrite: HTTPRewrite | None = None
    timeout: Duration | None = None
    retries: HTTPRetry | None = None
    fault: HTTPFaultInjection | None = None
    mirror: Destination | None = None
    mirrors: tuple[HTTPMirrorPolicy, ...] = ()
    mirror_percent: Uint32 | None = None
    mirror_percentage: Percent | None = None
    cors_policy: CorsPolicy | None = None
    headers: Headers | None = None


class RouteDestination(Message, frozen=True, kw_only=True):
    """One of the destinations of a TLS or TCP rule, with its share of the connections."""

    destination: Destination
    weight: Int32 = 0


class L4MatchAttributes(Message, frozen=True, kw_only=True):
    """Conditions on a TCP connection; all of them have to hold."""

    destination_subnets: tuple[str, ...] = ()
    port: Uint32 = 0
    source_subnet: str = ""
    source_labels: dict[str, str] = {}
    gateways: tuple[str, ...] = ()
    source_namespace: str = ""


class TLSMatchAttributes(Message, frozen=True, kw_only=True):
    """Conditions on a TLS connection that is not terminated here; all of them have to hold."""

    sni_hosts: tuple[str, ...] = ()
    destination_subnets: tuple[str, ...] = ()
    port: Uint32 = 0
    source_labels: dict[str, str] = {}
    gateways: tuple[str, ...] = ()
    source_namespace: str = ""


class TLSRoute(Message, frozen=True, kw_only=True):
    """A rule for TLS connections by SNI."""

    match: tuple[TLSMatchAttributes, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class TCPRoute(Message, frozen=True, kw_only=True):
    """A rule for TCP connections."""

    match: tuple[L4MatchAttributes, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class VirtualServiceSpec(Message, frozen=True, kw_only=True):
    """A VirtualService's specification; without hosts it is a delegate."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HTTPRoute, ...] = ()
    tls: tuple[TLSRoute, ...] = ()
    tcp: tuple[TCPRoute, ...] = ()
    export_to: tuple[str, ...] = ()


class VirtualService(MeshObject, frozen=True, kw_only=True):
    """Rules for the traffic to some hosts."""

    spec: VirtualServiceSpec = VirtualServiceSpec()
