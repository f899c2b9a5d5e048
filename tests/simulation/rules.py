"""Strategies: VirtualServices that say all sorts of things, and requests that come close to what they ask for."""

from typing import Any

from hypothesis import strategies as st

from translator.simulation.traffic import Request

Json = dict[str, Any]

SERVICES = ("alpha", "beta", "gamma")
PORT = 8000
PATHS = ("/", "/a", "/A", "/a/", "/a/b", "/ab", "/a.b", "/b/a", "//a", "/a//b", "/a/../b", "/a/./b", "/%61", "/a%2Fb")
QUERIES = ("", "", "?", "?q", "?q=1", "?q=12", "?q=2&q=1", "?r=1&q=1", "?Q=1")
VALUES = ("v", "vv", "w", "v,w")


def string_match(values: st.SearchStrategy[str], regexes: list[str]) -> st.SearchStrategy[Json]:
    """A comparison of one of the three kinds."""
    return st.one_of(
        values.map(lambda value: {"exact": value}),
        values.map(lambda value: {"prefix": value}),
        st.sampled_from(regexes).map(lambda value: {"regex": value}),
    )


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """An object with any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


TEXT = string_match(st.sampled_from(VALUES), ["v+", "v.*", "[vw]", "(?i)V"])
TEXT_OR_PRESENCE: st.SearchStrategy[Json] = TEXT | st.just({})
URI = string_match(st.sampled_from(PATHS), ["/a.*", "/[ab]/?", ".*", "/A|/a"])
HEADERS = st.dictionaries(st.sampled_from(["x-a", "X-B"]), TEXT_OR_PRESENCE, min_size=1, max_size=2)
AUTHORITY = string_match(st.sampled_from(["h0.example.com", "h", "H"]), [".*:[0-9]+", "h[0-9]+.example.com"])
MATCH = some(
    uri=URI,
    ignoreUriCase=st.booleans(),
    headers=HEADERS,
    withoutHeaders=HEADERS,
    queryParams=st.dictionaries(
        st.just("q"), string_match(st.sampled_from(["1", "2"]), ["[12]+", "[12]*"]) | st.just({}), min_size=1
    ),
    method=string_match(st.sampled_from(["GET", "POST"]), ["GET|POST"]),
    authority=AUTHORITY,
    scheme=st.just({"exact": "http"}),
    port=st.sampled_from([80, PORT, 81]),
    gateways=st.sampled_from([["mesh"], ["edge"], ["mesh", "edge"]]),
    name=st.just("named"),
)
CHANGES = some(
    set=st.dictionaries(st.sampled_from(["x-a", "x-set", "Host"]), st.sampled_from(["one", "100%%"]), max_size=2),
    add=st.dictionaries(st.sampled_from(["x-a", "x-add"]), st.sampled_from(["two", "three"]), max_size=2),
    remove=st.lists(st.sampled_from(["x-a", "X-B"]), max_size=1),
)
DESTINATION = st.fixed_dictionaries(
    {"host": st.sampled_from([*SERVICES, *SERVICES, "nowhere"]), "port": st.just({"number": PORT})},
    optional={"subset": st.sampled_from(["v1", "v2", "unknown"])},
)
WEIGHTED = st.fixed_dictionaries(
    {"destination": DESTINATION, "weight": st.sampled_from([0, 1, 30])},
    optional={"headers": CHANGES.map(lambda changes: {"request": changes})},
)
REWRITE = st.one_of(
    some(uri=st.sampled_from(["/", "/new", "/new/", "/a"]), authority=st.just("new.example.com")).filter(bool),
    st.sampled_from([("/([^/]*)(.*)", r"\2/\1"), ("a", "x"), ("^/a/?", "/"), ("(a)|b", r"[\1]")]).map(
        lambda pair: {"uriRegexRewrite": {"match": pair[0], "rewrite": pair[1]}}
    ),
)
REDIRECT = some(
    uri=st.sampled_from(["/there", "/there?x=1"]),
    authority=st.sampled_from(["there.example.com", "there.example.com:99"]),
    port=st.sampled_from([80, 443, 8443]),
    scheme=st.sampled_from(["http", "https"]),
    redirectCode=st.sampled_from([301, 302, 303, 307, 308]),
).filter(lambda redirect: redirect.keys() - {"redirectCode"})
PREFIX_REDIRECT = st.fixed_dictionaries({"prefixRewrite": st.sampled_from(["/", "/new", "/new/"])})
ALWAYS = {"value": 100}
FAULT = st.sampled_from([400, 503, 555]).map(lambda status: {"abort": {"httpStatus": status, "percentage": ALWAYS}})
NEVER_FAULT = st.just({"abort": {"httpStatus": 500, "percentage": {"value": 0}}})
GRPC_FAULT = st.sampled_from(["UNAVAILABLE", "NOT_FOUND", "INTERNAL", "OUT_OF_RANGE", "CANCELLED"]).map(
    lambda status: {"abort": {"grpcStatus": status, "percentage": ALWAYS}}
)
CORS = some(
    allowOrigins=st.lists(string_match(st.sampled_from(["http://v", "http://w", "*"]), ["http://[vw]"]), min_size=1),
    allowMethods=st.just(["GET", "POST"]),
    unmatchedPreflights=st.sampled_from(["FORWARD", "IGNORE"]),
)
FORWARDING = st.fixed_dictionaries(
    {"route": st.lists(WEIGHTED, min_size=1, max_size=3)},
    optional={
        "rewrite": REWRITE,
        "fault": st.one_of(FAULT, NEVER_FAULT, GRPC_FAULT),
        "corsPolicy": CORS,
        "headers": CHANGES.map(lambda changes: {"request": changes}),
        "timeout": st.just("5s"),
        "retries": st.just({"attempts": 1}),
        "mirror": st.just({"host": "delta", "port": {"number": PORT}}),
    },
)
ANSWERING = st.one_of(
    st.fixed_dictionaries({"redirect": REDIRECT}),
    st.fixed_dictionaries({"redirect": PREFIX_REDIRECT, "match": st.just([{"uri": {"prefix": "/a"}}])}),
    st.sampled_from([200, 404, 503]).map(
        lambda status: {"directResponse": {"status": status, "body": {"string": "x" * 10}}}
    ),
)
MATCHES = st.lists(MATCH, max_size=2).map(lambda matches: {"match": matches} if matches else {})
RULE = st.tuples(MATCHES, FORWARDING | FORWARDING | ANSWERING).map(lambda parts: {**parts[0], **parts[1]})
RULES = st.lists(RULE, min_size=1, max_size=4)

REQUEST_HEADERS = st.lists(
    st.tuples(st.sampled_from(["x-a", "x-b", "x-c"]), st.sampled_from([*VALUES, ""])), max_size=3
)
PREFLIGHT = st.sampled_from(["http://v", "http://x"]).map(
    lambda origin: [("origin", origin), ("access-control-request-method", "GET")]
)


@st.composite
def requests(draw: st.DrawFn, host: str) -> Request:
    """A request to a host, written in one of several ways."""
    authority = draw(st.sampled_from([host, host, host.upper(), f"{host}:1234", f"{host}:80"]))
    path = draw(st.sampled_from(PATHS)) + draw(st.sampled_from(QUERIES))
    preflight = draw(st.integers(0, 5)) == 0
    method = "OPTIONS" if preflight else draw(st.sampled_from(["GET", "GET", "POST", "DELETE"]))
    headers = draw(PREFLIGHT) if preflight else draw(REQUEST_HEADERS)
    return Request(host=authority, path=path, method=method, headers=tuple(headers))
