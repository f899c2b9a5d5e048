"""HTTPRoute (gateway.networking.k8s.io): how requests that reach a gateway or a service are routed."""

import enum

from translator.objects.duration import Duration
from translator.objects.gateway_api import GROUP
from translator.objects.meta import Int32, MeshObject, Message, Uint32


class ParentReference(Message, frozen=True, kw_only=True):
    """What a route attaches to: a gateway, one of its listeners, or a service."""

    group: str = GROUP
    kind: str = "Gateway"
    namespace: str = ""
    name: str
    section_name: str = ""
    port: Uint32 = 0


class PathMatchType(enum.StrEnum):
    """How a path is compared."""

    EXACT = "Exact"
    PATH_PREFIX = "PathPrefix"
    REGULAR_EXPRESSION = "RegularExpression"


class PathMatch(Message, frozen=True, kw_only=True):
    """A condition on the path; prefixes are whole segments."""

    type: PathMatchType = PathMatchType.PATH_PREFIX
    value: str = "/"


class ValueMatchType(enum.StrEnum):
    """How a header or query parameter is compared."""

    EXACT = "Exact"
    REGULAR_EXPRESSION = "RegularExpression"


class ValueMatch(Message, frozen=True, kw_only=True):
    """A condition on a header or a query parameter."""

    type: ValueMatchType = ValueMatchType.EXACT
    name: str
    value: str


class RouteMatch(Message, frozen=True, kw_only=True):
    """Conditions on a request; all of them have to hold."""

    path: PathMatch = PathMatch()
    headers: tuple[ValueMatch, ...] = ()
    query_params: tuple[ValueMatch, ...] = ()
    method: str = ""


class HeaderValue(Message, frozen=True, kw_only=True):
    """A header and its value."""

    name: str
    value: str


class HeaderModifier(Message, frozen=True, kw_only=True):
    """Changes to the headers of one direction."""

    set: tuple[HeaderValue, ...] = ()
    add: tuple[HeaderValue, ...] = ()
    remove: tuple[str, ...] = ()


class PathModifierType(enum.StrEnum):
    """What of a path is replaced."""

    REPLACE_FULL_PATH = "ReplaceFullPath"
    REPLACE_PREFIX_MATCH = "ReplacePrefixMatch"


class PathModifier(Message, frozen=True, kw_only=True):
    """A change of the path."""

    type: PathModifierType
    replace_full_path: str | None = None
    replace_prefix_match: str | None = None


class RequestRedirect(Message, frozen=True, kw_only=True):
    """Answer with a redirect."""

    scheme: str = ""
    hostname: str = ""
    path: PathModifier | None = None
    port: Uint32 = 0
    status_code: Uint32 = 302


class URLRewrite(Message, frozen=True, kw_only=True):
    """Changes to path and host before a request is sent on."""

    hostname: str = ""
    path: PathModifier | None = None


class BackendObjectReference(Message, frozen=True, kw_only=True):
    """An object to send requests to; without a namespace that of the route."""

    group: str = ""
    kind: str = "Service"
    name: str
    namespace: str = ""
    port: Uint32 = 0


class Fraction(Message, frozen=True, kw_only=True):
    """A share as a fraction."""

    numerator: Int32
    denominator: Int32 = 100


class RequestMirror(Message, frozen=True, kw_only=True):
    """A copy of a share of the requests goes to another backend; of all of them unless a share is given."""

    backend_ref: BackendObjectReference
    percent: Int32 | None = None
    fraction: Fraction | None = None


class CORS(Message, frozen=True, kw_only=True):
    """Cross-origin resource sharing; ``max_age`` is in seconds."""

    allow_origins: tuple[str, ...] = ()
    allow_credentials: bool = False
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: Int32 = 5


class FilterType(enum.StrEnum):
    """What a filter does; each type has a field of its own beside it."""

    REQUEST_HEADER_MODIFIER = "RequestHeaderModifier"
    RESPONSE_HEADER_MODIFIER = "ResponseHeaderModifier"
    REQUEST_MIRROR = "RequestMirror"
    REQUEST_REDIRECT = "RequestRedirect"
    URL_REWRITE = "URLRewrite"
    CORS = "CORS"
    EXTERNAL_AUTH = "ExternalAuth"
    EXTENSION_REF = "ExtensionRef"


class RouteFilter(Message, frozen=True, kw_only=True):
    """One step in the handling of a request. The last two are not supported, as in Istio."""

    type: FilterType
    request_header_modifier: HeaderModifier | None = None
    response_header_modifier: HeaderModifier | None = None
    request_mirror: RequestMirror | None = None
    request_redirect: RequestRedirect | None = None
    url_rewrite: URLRewrite | None = None
    cors: CORS | None = None
    external_auth: object = None
    extension_ref: object = None


class BackendRef(Message, frozen=True, kw_only=True):
    """One of the backends of a rule, with its share of the requests."""

    group: str = ""
    kind: str = "Service"
    name: str
    namespace: str = ""
    port: Uint32 = 0
    weight: Int32 = 1
    filters: tuple[RouteFilter, ...] = ()


class Timeouts(Message, frozen=True, kw_only=True):
    """Limits for a request as a whole, and for one try of it; ``0s`` is none."""

    request: Duration | None = None
    backend_request: Duration | None = None


class Retry(Message, frozen=True, kw_only=True):
    """How often and when a failed request is tried again."""

    codes: tuple[Uint32, ...] = ()
    attempts: Int32 | None = None
    backoff: Duration | None = None


class RouteRule(Message, frozen=True, kw_only=True):
    """Conditions (any of them), and what becomes of the request. Without conditions every request is meant."""

    name: str = ""
    matches: tuple[RouteMatch, ...] = (RouteMatch(),)
    filters: tuple[RouteFilter, ...] = ()
    backend_refs: tuple[BackendRef, ...] = ()
    timeouts: Timeouts = Timeouts()
    retry: Retry | None = None
    session_persistence: object = None


class KubernetesRouteSpec(Message, frozen=True, kw_only=True):
    """A route's specification."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[RouteRule, ...] = (RouteRule(),)
    use_default_gateways: str = ""


class KubernetesRoute(MeshObject, frozen=True, kw_only=True):
    """An HTTPRoute, called so because Istio's rules for HTTP go by that name."""

    spec: KubernetesRouteSpec = KubernetesRouteSpec()
