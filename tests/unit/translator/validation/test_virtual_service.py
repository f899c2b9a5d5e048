"""Every rule for VirtualService: one broken example each, and examples that hold."""

import pytest

from tests.unit.translator.validation.judge import Row, errors, row_ids, warnings

R = "route: [{destination: {host: reviews}}]"


def http(rule: str) -> str:
    return f"{{hosts: [reviews], http: [{{{rule}}}]}}"


def on_gateway(rule: str) -> str:
    return f"{{hosts: [reviews.example.com], gateways: [shop/front], http: [{{{rule}}}]}}"


def routed(more: str) -> str:
    return http(f"{R}, {more}")


def matched(match: str) -> str:
    return routed(f"match: [{{{match}}}]")


def tls(rule: str) -> str:
    return f"{{hosts: ['*.example.com'], gateways: [front], tls: [{{{rule}}}]}}"


def tcp(rule: str) -> str:
    return f"{{hosts: [db], tcp: [{{{rule}}}]}}"


BROKEN: list[Row] = [
    # the object as a whole
    ("{hosts: [reviews]}", "spec", "one of http, tls and tcp"),
    (f"{{gateways: [front], http: [{{{R}}}]}}", "spec.gateways", "delegate"),
    (f"{{tcp: [{{{R}}}]}}", "spec.tcp", "delegate"),
    (f"{{tls: [{{match: [{{sniHosts: [10.0.0.1]}}], {R}}}]}}", "spec.tls", "delegate"),
    # hosts
    (f"{{hosts: [re_views], http: [{{{R}}}]}}", "spec.hosts[0]", "not a DNS name"),
    (f"{{hosts: ['a.com:80'], http: [{{{R}}}]}}", "spec.hosts[0]", "a port does not belong here"),
    (f"{{hosts: ['a.*.com'], http: [{{{R}}}]}}", "spec.hosts[0]", "'*' may only stand at the beginning"),
    (f"{{hosts: [''], http: [{{{R}}}]}}", "spec.hosts[0]", "must not be empty"),
    (f"{{hosts: [a.b.7], http: [{{{R}}}]}}", "spec.hosts[0]", "last label is a number"),
    (f"{{hosts: [{'a' * 64}.com], http: [{{{R}}}]}}", "spec.hosts[0]", "not a DNS name"),
    (f"{{hosts: [{'.'.join(['abcdefghi'] * 30)}], http: [{{{R}}}]}}", "spec.hosts[0]", "longer than 255"),
    (f"{{hosts: ['*'], http: [{{{R}}}]}}", "spec.hosts[0]", "gateways only"),
    (f"{{hosts: ['*'], gateways: [front, mesh], http: [{{{R}}}]}}", "spec.hosts[0]", "gateways only"),
    (f"{{hosts: [a.com, b.com, a.com], http: [{{{R}}}]}}", "spec.hosts[2]", "overlaps with 'a.com'"),
    (f"{{hosts: ['*.com', A.com], http: [{{{R}}}]}}", "spec.hosts[1]", "overlaps with '*.com'"),
    (f"{{hosts: [outbound_.80_._.a.b], gateways: [f], http: [{{{R}}}]}}", "spec.hosts[0]", "not a DNS name"),
    # gateways
    (f"{{hosts: [a.com], gateways: [shop/], http: [{{{R}}}]}}", "spec.gateways[0]", "namespace/name"),
    (f"{{hosts: [a.com], gateways: [mesh, a/b.c], http: [{{{R}}}]}}", "spec.gateways[1]", "namespace/name"),
    (f"{{hosts: [a.com], gateways: [my_gateway], http: [{{{R}}}]}}", "spec.gateways[0]", "not a DNS name"),
    # exportTo
    (f"{{hosts: [a], exportTo: ['.', shop], http: [{{{R}}}]}}", "spec.exportTo[1]", "given twice"),
    (f"{{hosts: [a], exportTo: [shop, '.'], http: [{{{R}}}]}}", "spec.exportTo[1]", "'.' is shop"),
    (f"{{hosts: [a], exportTo: ['*', shop], http: [{{{R}}}]}}", "spec.exportTo", "cannot be combined"),
    (f"{{hosts: [a], exportTo: ['~'], http: [{{{R}}}]}}", "spec.exportTo[0]", "ServiceEntry only"),
    (f"{{hosts: [a], exportTo: [my_ns], http: [{{{R}}}]}}", "spec.exportTo[0]", "name of a namespace"),
    # actions
    (http("name: nothing"), "spec.http[0]", "one of route, redirect, directResponse"),
    (routed("redirect: {uri: /}"), "spec.http[0].route", "cannot be combined with redirect"),
    (http("redirect: {uri: /}, fault: {abort: {httpStatus: 500}}"), "spec.http[0].fault", "with redirect"),
    (http("redirect: {uri: /}, rewrite: {uri: /}"), "spec.http[0].rewrite", "with redirect"),
    (http("redirect: {uri: /}, directResponse: {status: 200}"), "spec.http[0].directResponse", "with redirect"),
    (routed("directResponse: {status: 200}"), "spec.http[0].route", "cannot be combined with directResponse"),
    (http("directResponse: {status: 200}, rewrite: {uri: /}"), "spec.http[0].rewrite", "with directResponse"),
    (http("directResponse: {status: 200}, fault: {abort: {httpStatus: 500}}"), "spec.http[0].fault", "directResponse"),
    (routed("delegate: {name: rules}"), "spec.http[0].route", "cannot be combined with delegate"),
    (http("redirect: {uri: /}, delegate: {name: rules}"), "spec.http[0].redirect", "with delegate"),
    (http("delegate: {namespace: shop}"), "spec.http[0].delegate.name", "must not be empty"),
    (http("delegate: {name: rules, namespace: a.b}"), "spec.http[0].delegate.namespace", "not a DNS label"),
    ("{http: [{delegate: {name: rules}}]}", "spec.http[0].delegate", "cannot delegate further"),
    # matches
    (matched("headers: {'a b': {exact: x}}"), "spec.http[0].match[0].headers[a b]", "not a header name"),
    (matched("headers: {'': {exact: x}}"), "spec.http[0].match[0].headers[]", "empty header name"),
    (matched("headers: {':foo': {exact: x}}"), "spec.http[0].match[0].headers[:foo]", "not a header name"),
    (matched("headers: {x: {prefix: ''}}"), "spec.http[0].match[0].headers[x].prefix", "must not be empty"),
    (matched("headers: {x: {regex: '*'}}"), "spec.http[0].match[0].headers[x].regex", "not an RE2 expression"),
    (matched("headers: {x: {regex: ''}}"), "spec.http[0].match[0].headers[x].regex", "must not be empty"),
    (matched("headers: {x: {regex: '(?=a)'}}"), "spec.http[0].match[0].headers[x].regex", "not an RE2 expression"),
    (matched(f"headers: {{x: {{regex: {'a' * 1025}}}}}"), "spec.http[0].match[0].headers[x].regex", "1024 bytes"),
    (matched("headers: {x: {exact: a, prefix: a}}"), "spec.http[0].match[0].headers[x]", "only one of exact"),
    (matched("withoutHeaders: {x: {prefix: ''}}"), "spec.http[0].match[0].withoutHeaders[x].prefix", "empty"),
    (matched("queryParams: {q: {regex: '['}}"), "spec.http[0].match[0].queryParams[q].regex", "not an RE2"),
    (matched("uri: {regex: ')'}"), "spec.http[0].match[0].uri.regex", "not an RE2 expression"),
    (matched("uri: {exact: /, prefix: /}"), "spec.http[0].match[0].uri", "only one of"),
    (matched("scheme: {prefix: ''}"), "spec.http[0].match[0].scheme.prefix", "must not be empty"),
    (matched("method: {regex: '+'}"), "spec.http[0].match[0].method.regex", "not an RE2 expression"),
    (matched("authority: {prefix: ''}"), "spec.http[0].match[0].authority.prefix", "must not be empty"),
    (matched("port: 65536"), "spec.http[0].match[0].port", "1..65535"),
    (matched("sourceLabels: {'a b': c}"), "spec.http[0].match[0].sourceLabels[a b]", "not a label key"),
    (matched("sourceLabels: {a: 'b c'}"), "spec.http[0].match[0].sourceLabels[a]", "not a label value"),
    (matched("sourceNamespace: a.b"), "spec.http[0].match[0].sourceNamespace", "not a DNS label"),
    (matched("gateways: [/x]"), "spec.http[0].match[0].gateways[0]", "namespace/name"),
    (
        matched("headers: {'@request.auth.claims.group': {exact: dev}}"),
        "spec.http[0].match[0].headers[@request.auth.claims.group]",
        "by gateways only",
    ),
    (
        on_gateway(f"{R}, match: [{{withoutHeaders: {{'@request.auth.claims[a][b]': null}}}}]"),
        "spec.http[0].match[0].withoutHeaders[@request.auth.claims[a][b]]",
        "needs a value",
    ),
    # destinations
    (http("route: [{destination: {host: ''}}]"), "spec.http[0].route[0].destination.host", "must not be empty"),
    (http("route: [{destination: {host: '*'}}]"), "spec.http[0].route[0].destination.host", "not a destination"),
    (http("route: [{destination: {host: a_b}}]"), "spec.http[0].route[0].destination.host", "not a DNS name"),
    (http("route: [{destination: {host: a, subset: v.1}}]"), "spec.http[0].route[0].destination.subset", "DNS label"),
    (
        http("route: [{destination: {host: a, port: {number: 0}}}]"),
        "spec.http[0].route[0].destination.port.number",
        "1..65535",
    ),
    (http("route: [{destination: {host: a}, weight: -1}]"), "spec.http[0].route[0].weight", "negative"),
    (http("route: [{destination: {host: a}}, {destination: {host: b}}]"), "spec.http[0].route", "add up to 0"),
    # mirrors
    (routed("mirror: {host: a}, mirrors: [{destination: {host: b}}]"), "spec.http[0]", "only one of mirror"),
    (routed("mirror: {host: '*'}"), "spec.http[0].mirror.host", "not a destination"),
    (routed("mirrors: [{destination: {host: ''}}]"), "spec.http[0].mirrors[0].destination.host", "empty"),
    (
        routed("mirrors: [{destination: {host: b}, percentage: {value: 101}}]"),
        "spec.http[0].mirrors[0].percentage.value",
        "0..100",
    ),
    (routed("mirror: {host: a}, mirrorPercentage: {value: -1}"), "spec.http[0].mirrorPercentage.value", "0..100"),
    (routed("mirror: {host: a}, mirrorPercentage: {value: .nan}"), "spec.http[0].mirrorPercentage.value", "0..100"),
    (routed("mirror: {host: a}, mirrorPercent: 101"), "spec.http[0].mirrorPercent", "0..100"),
    # header operations
    (routed("headers: {request: {set: {'': a}}}"), "spec.http[0].headers.request.set[]", "empty header name"),
    (routed("headers: {request: {set: {':path': a}}}"), "spec.http[0].headers.request.set[:path]", "cannot be changed"),
    (routed("headers: {request: {remove: [host]}}"), "spec.http[0].headers.request.remove[0]", "cannot be changed"),
    (routed("headers: {request: {remove: [':method']}}"), "spec.http[0].headers.request.remove[0]", "cannot be"),
    (routed("headers: {response: {set: {Host: a}}}"), "spec.http[0].headers.response.set[Host]", "cannot be changed"),
    (routed("headers: {response: {add: {':status': a}}}"), "spec.http[0].headers.response.add[:status]", "cannot be"),
    (routed('headers: {request: {add: {x: "a\\nb"}}}'), "spec.http[0].headers.request.add[x]", "control characters"),
    (routed("headers: {request: {add: {x: '50%'}}}"), "spec.http[0].headers.request.add[x]", "percent sign"),
    (routed("headers: {request: {add: {x: '%REQ(a'}}}"), "spec.http[0].headers.request.add[x]", "percent sign"),
    (
        http("route: [{destination: {host: a}, headers: {response: {set: {':x': a}}}}]"),
        "spec.http[0].route[0].headers.response.set[:x]",
        "cannot be changed",
    ),
    # rewrite
    (routed("rewrite: {}"), "spec.http[0].rewrite", "one of uri, uriRegexRewrite and authority"),
    (
        routed("rewrite: {uri: /, uriRegexRewrite: {match: a, rewrite: b}}"),
        "spec.http[0].rewrite",
        "only one of uri and uriRegexRewrite",
    ),
    (routed("rewrite: {uriRegexRewrite: {match: a}}"), "spec.http[0].rewrite.uriRegexRewrite.rewrite", "empty"),
    (routed("rewrite: {uriRegexRewrite: {rewrite: a}}"), "spec.http[0].rewrite.uriRegexRewrite.match", "empty"),
    (
        routed("rewrite: {uriRegexRewrite: {match: '(', rewrite: a}}"),
        "spec.http[0].rewrite.uriRegexRewrite.match",
        "not an RE2 expression",
    ),
    (
        routed("rewrite: {authority: a}, headers: {request: {set: {Host: b}}}"),
        "spec.http[0].rewrite",
        "more than once",
    ),
    (
        routed("headers: {request: {set: {host: a}, add: {':authority': b}}}"),
        "spec.http[0].rewrite",
        "more than once",
    ),
    # redirect
    (http("redirect: {}"), "spec.http[0].redirect", "must be set"),
    (http("redirect: {uri: /, prefixRewrite: /}"), "spec.http[0].redirect", "only one of uri and prefixRewrite"),
    (
        http("redirect: {prefixRewrite: /}, match: [{uri: {exact: /a}}]"),
        "spec.http[0].redirect.prefixRewrite",
        "prefix match",
    ),
    (http("redirect: {port: 80, derivePort: FROM_REQUEST_PORT}"), "spec.http[0].redirect", "port and derivePort"),
    (http("redirect: {port: 70000}"), "spec.http[0].redirect.port", "1..65535"),
    (http("redirect: {uri: /, redirectCode: 305}"), "spec.http[0].redirect.redirectCode", "301, 302, 303, 307, 308"),
    (http("redirect: {scheme: ftp}"), "spec.http[0].redirect.scheme", "neither http nor https"),
    # direct response
    (http("directResponse: {status: 600}"), "spec.http[0].directResponse.status", "200..599"),
    (http("directResponse: {status: 199}"), "spec.http[0].directResponse.status", "200..599"),
    (http("directResponse: {status: 200, body: {string: a, bytes: YQ==}}"), "spec.http[0].directResponse.body", "one"),
    (
        http(f"directResponse: {{status: 200, body: {{string: {'a' * (1024 * 1024 + 1)}}}}}"),
        "spec.http[0].directResponse.body",
        "1 MiB",
    ),
    # durations
    (routed("timeout: 0s"), "spec.http[0].timeout", "leave the field out"),
    (routed("timeout: 0.5ms"), "spec.http[0].timeout", "less than 1ms"),
    (routed("timeout: 1.5ms"), "spec.http[0].timeout", "whole number of milliseconds"),
    (routed("timeout: -1s"), "spec.http[0].timeout", "less than 1ms"),
    # retries
    (routed("retries: {attempts: -1}"), "spec.http[0].retries.attempts", "must not be negative"),
    (routed("retries: {retryOn: 5xx}"), "spec.http[0].retries", "attempts is 0"),
    (routed("retries: {retryRemoteLocalities: false}"), "spec.http[0].retries", "attempts is 0"),
    (routed("retries: {attempts: 1, perTryTimeout: 0s}"), "spec.http[0].retries.perTryTimeout", "at least 1ms"),
    (routed("retries: {attempts: 1, backoff: 1us}"), "spec.http[0].retries.backoff", "less than 1ms"),
    (routed("retries: {attempts: 1, retryOn: 'sometimes'}"), "spec.http[0].retries.retryOn", "unknown condition"),
    (routed("retries: {attempts: 1, retryOn: '503, reset'}"), "spec.http[0].retries.retryOn", "spaces"),
    (routed("retries: {attempts: 1, retryOn: '999'}"), "spec.http[0].retries.retryOn", "unknown condition '999'"),
    # faults
    (routed("fault: {}"), "spec.http[0].fault", "one of delay and abort"),
    (routed("fault: {abort: {httpStatus: 600}}"), "spec.http[0].fault.abort.httpStatus", "200..599"),
    (routed("fault: {abort: {grpcStatus: BROKEN}}"), "spec.http[0].fault.abort.grpcStatus", "unknown gRPC status"),
    (routed("fault: {abort: {http2Error: REFUSED}}"), "spec.http[0].fault.abort.http2Error", "is not supported"),
    (routed("fault: {abort: {httpStatus: 500, grpcStatus: OK}}"), "spec.http[0].fault.abort", "only one of"),
    (
        routed("fault: {abort: {httpStatus: 500, percentage: {value: 0.00001}}}"),
        "spec.http[0].fault.abort.percentage.value",
        "0.0001..100",
    ),
    (
        routed("fault: {delay: {fixedDelay: 1s, percentage: {value: 100.1}}}"),
        "spec.http[0].fault.delay.percentage.value",
        "0.0001..100",
    ),
    (routed("fault: {delay: {fixedDelay: 0s}}"), "spec.http[0].fault.delay.fixedDelay", "at least 1ms"),
    (routed("fault: {delay: {exponentialDelay: 1s}}"), "spec.http[0].fault.delay.exponentialDelay", "not supported"),
    (routed("fault: {delay: {fixedDelay: 1s, percent: 101}}"), "spec.http[0].fault.delay.percent", "0..100"),
    # CORS
    (routed("corsPolicy: {allowOrigins: [{}]}"), "spec.http[0].corsPolicy.allowOrigins[0]", "not be empty"),
    (routed("corsPolicy: {allowOrigins: [{exact: ''}]}"), "spec.http[0].corsPolicy.allowOrigins[0]", "not be empty"),
    (routed("corsPolicy: {allowOrigins: [{regex: '['}]}"), "spec.http[0].corsPolicy.allowOrigins[0].regex", "RE2"),
    (routed("corsPolicy: {allowMethods: [get]}"), "spec.http[0].corsPolicy.allowMethods[0]", "unknown method"),
    (routed("corsPolicy: {allowHeaders: ['a b']}"), "spec.http[0].corsPolicy.allowHeaders[0]", "not a header name"),
    (routed("corsPolicy: {exposeHeaders: ['']}"), "spec.http[0].corsPolicy.exposeHeaders[0]", "empty header name"),
    (routed("corsPolicy: {maxAge: 1500ms}"), "spec.http[0].corsPolicy.maxAge", "whole number of seconds"),
    (routed("corsPolicy: {maxAge: 0s}"), "spec.http[0].corsPolicy.maxAge", "at least 1ms"),
    # TLS
    (tls(R), "spec.tls[0].match", "at least one match"),
    (tls(f"match: [{{}}], {R}"), "spec.tls[0].match[0].sniHosts", "at least one SNI host"),
    (tls("match: [{sniHosts: [a.example.com]}]"), "spec.tls[0].route", "at least one destination"),
    (tls(f"match: [{{sniHosts: [a_b.example.com]}}], {R}"), "spec.tls[0].match[0].sniHosts[0]", "not a DNS name"),
    (tls(f"match: [{{sniHosts: [a.example.org]}}], {R}"), "spec.tls[0].match[0].sniHosts[0]", "not covered by"),
    (tls(f"match: [{{sniHosts: [a.example.com], port: 70000}}], {R}"), "spec.tls[0].match[0].port", "1..65535"),
    (
        tls(f"match: [{{sniHosts: [a.example.com], destinationSubnets: [10.0.0.0/33]}}], {R}"),
        "spec.tls[0].match[0].destinationSubnets[0]",
        "nor a subnet",
    ),
    # TCP
    (tcp("match: [{port: 27017}]"), "spec.tcp[0].route", "at least one destination"),
    (tcp(f"match: [{{destinationSubnets: [x]}}], {R}"), "spec.tcp[0].match[0].destinationSubnets[0]", "nor a subnet"),
    (tcp(f"match: [{{sourceSubnet: x}}], {R}"), "spec.tcp[0].match[0].sourceSubnet", "nor a subnet"),
    (tcp(f"match: [{{sourceLabels: {{a: 'b c'}}}}], {R}"), "spec.tcp[0].match[0].sourceLabels[a]", "label value"),
    (tcp(f"match: [{{gateways: ['a b']}}], {R}"), "spec.tcp[0].match[0].gateways[0]", "not a DNS name"),
    (tcp(f"match: [{{sourceNamespace: a.b}}], {R}"), "spec.tcp[0].match[0].sourceNamespace", "not a DNS label"),
    (tcp("route: [{destination: {host: a}, weight: -2}]"), "spec.tcp[0].route[0].weight", "negative"),
]


@pytest.mark.parametrize(("spec", "path", "reason"), BROKEN, ids=row_ids(BROKEN))
def test_case_32_a_broken_rule_is_reported_once_at_its_field(spec: str, path: str, reason: str) -> None:
    found = errors("VirtualService", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]


SOUND = [
    http(R),
    "{hosts: [10.0.0.1, 'fd00::1'], gateways: [front], http: [{redirect: {uri: /}}]}",
    f"{{hosts: ['*.example.com', '*-a.example.org', '*b.example.net', example.com.], http: [{{{R}}}]}}",
    f"{{hosts: ['*'], gateways: [shop/front], http: [{{{R}}}]}}",
    f"{{http: [{{{R}}}]}}",
    http("delegate: {name: rules, namespace: shop}"),
    matched("headers: {x: {}, ':authority': {exact: a}}, withoutHeaders: {y: null, z: {regex: '*'}}"),
    matched("uri: {prefix: ''}, queryParams: {q: null}, ignoreUriCase: true, port: 80"),
    on_gateway(f"{R}, match: [{{headers: {{'@request.auth.claims.group': {{exact: dev}}}}}}]"),
    http("route: [{destination: {host: a}, weight: 0}]"),
    http("route: [{destination: {host: a}, weight: 30}, {destination: {host: b}, weight: 30}]"),
    routed("headers: {request: {set: {host: a, x: '%REQ(:path)%, 100%%, %START_TIME(%Y/%m)%'}}}"),
    routed('headers: {request: {add: {x: \'%DYNAMIC_METADATA(["a", "b"])%%REQ(A?B):9%\'}}}'),
    routed("timeout: 1m30s, retries: {attempts: 0}"),
    routed("retries: {attempts: 3, retryOn: '5xx,503,retriable-4xx', perTryTimeout: 1500ms, backoff: 25ms}"),
    routed("fault: {delay: {fixedDelay: 7s, percentage: {value: 0}}, abort: {grpcStatus: NOT_FOUND}}"),
    routed("corsPolicy: {allowOrigins: [{exact: '*'}], allowMethods: [GET, '*'], allowHeaders: ['*'], maxAge: 24h}"),
    http("redirect: {prefixRewrite: /}, match: [{uri: {prefix: /a}}]"),
    http("redirect: {derivePort: FROM_PROTOCOL_DEFAULT}"),
    http("directResponse: {status: 503, body: {bytes: YQ==}}"),
    tls(f"match: [{{sniHosts: [a.example.com, '*.example.com'], destinationSubnets: [10.0.0.1/8]}}], {R}"),
    tcp(R),
    (
        "{hosts: [outbound_.80_.v1_.a.shop.svc.cluster.local], gateways: [f],"
        f" tls: [{{match: [{{sniHosts: [outbound_.80_.v1_.a.shop.svc.cluster.local]}}], {R}}}]}}"
    ),
]


@pytest.mark.parametrize("spec", SOUND)
def test_a_sound_specification_passes_without_a_word(spec: str) -> None:
    assert errors("VirtualService", spec) == []
    assert warnings("VirtualService", spec) == []


def rules(*matches: str) -> str:
    listed = ", ".join(f"{{{R}, match: {match}}}" if match else f"{{{R}}}" for match in matches)
    return f"{{hosts: [reviews], http: [{listed}]}}"


WARNED: list[Row] = [
    (f"{{hosts: [a.com], gateways: [front.shop], http: [{{{R}}}]}}", "spec.gateways[0]", "write shop/front"),
    (routed("mirror: {host: a}, mirrorPercent: 5"), "spec.http[0].mirrorPercent", "use mirrorPercentage"),
    (routed("corsPolicy: {allowOrigin: [a]}"), "spec.http[0].corsPolicy.allowOrigin", "use allowOrigins"),
    (routed("fault: {abort: {percentage: {value: 5}}}"), "spec.http[0].fault.abort", "has no effect"),
    (routed("fault: {delay: {percentage: {value: 5}}}"), "spec.http[0].fault.delay", "has no effect"),
    (routed("fault: {delay: {fixedDelay: 1s, percent: 5}}"), "spec.http[0].fault.delay.percent", "use percentage"),
    (
        http(f"directResponse: {{status: 200, body: {{string: {'a' * (100 * 1024 + 1)}}}}}"),
        "spec.http[0].directResponse.body",
        "go to every proxy",
    ),
    (
        f"{{hosts: [10.0.0.1], tls: [{{match: [{{sniHosts: [10.0.0.1]}}], {R}}}]}}",
        "spec.tls[0].match[0].sniHosts[0]",
        "IP address",
    ),
    (rules("", "[{uri: {prefix: /a}}]"), "spec.http[1]", "spec.http[0] has no match"),
    (rules("[{uri: {prefix: /a}}, {uri: {prefix: /a/b}}]"), "spec.http[0].match[1]", "spec.http[0].match[0]"),
    (
        rules("[{uri: {prefix: /a}}]", "[{uri: {prefix: /a/b}, method: {exact: GET}}]"),
        "spec.http[1].match[0]",
        "shorter prefix of spec.http[0].match[0]",
    ),
    (
        rules("[{uri: {exact: /a}}]", "[{uri: {exact: /a}, name: again}, {uri: {exact: /b}}]"),
        "spec.http[1].match[0]",
        "spec.http[0] has the same match",
    ),
]


@pytest.mark.parametrize(("spec", "path", "reason"), WARNED, ids=row_ids(WARNED))
def test_what_probably_is_a_mistake_is_a_warning(spec: str, path: str, reason: str) -> None:
    found = warnings("VirtualService", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]
    assert errors("VirtualService", spec) == []


def test_a_rule_whose_every_match_came_earlier_is_reported_as_a_whole_too() -> None:
    spec = rules("[{uri: {exact: /a}}]", "[{uri: {exact: /a}}]")

    found = warnings("VirtualService", spec)

    assert [path for path, _ in found] == ["spec.http[1].match[0]", "spec.http[1]"]


@pytest.mark.parametrize(
    "second",
    [
        "{uri: {prefix: /ab}, port: 80}",
        "{uri: {prefix: /ab}, gateways: [mesh]}",
        "{uri: {prefix: /ab}, ignoreUriCase: true}",
        "{uri: {prefix: /b}}",
        "{uri: {exact: /ab}}",
    ],
)
def test_a_longer_prefix_under_other_conditions_is_not_shadowed(second: str) -> None:
    spec = rules("[{uri: {prefix: /a}}]", f"[{second}]")

    assert warnings("VirtualService", spec) == []


def test_a_prefix_behind_a_stricter_match_is_not_shadowed() -> None:
    spec = rules("[{uri: {prefix: /a}, headers: {x: {exact: y}}}]", "[{uri: {prefix: /ab}}]")

    assert warnings("VirtualService", spec) == []


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [("internal.istio.io/parents", "reserved"), ("istio.io/dry-run", "not supported")],
)
def test_annotations_of_control_planes_are_refused(annotation: str, reason: str) -> None:
    metadata = f"{{annotations: {{{annotation}: x}}}}"

    [(path, found)] = errors("VirtualService", http(R), metadata=metadata)

    assert path == f"metadata.annotations[{annotation}]"
    assert reason in found


def test_case_32_all_faults_are_reported_at_once() -> None:
    spec = "{hosts: [a_b], exportTo: ['~'], http: [{timeout: 0s}, {route: [{destination: {host: '*'}}]}]}"

    assert [path for path, _ in errors("VirtualService", spec)] == [
        "spec.hosts[0]",
        "spec.exportTo[0]",
        "spec.http[0]",
        "spec.http[0].timeout",
        "spec.http[1].route[0].destination.host",
    ]
