"""Every rule for DestinationRule: one broken example each, and examples that hold."""

import pytest

from tests.unit.translator.validation.judge import Row, errors, malformed, row_ids, warnings

TP = "spec.trafficPolicy"


def policy(text: str) -> str:
    return f"{{host: reviews, trafficPolicy: {{{text}}}}}"


def balanced(text: str) -> str:
    return policy(f"loadBalancer: {{{text}}}")


def hashed(text: str) -> str:
    return balanced(f"consistentHash: {{{text}}}")


def localized(text: str) -> str:
    return policy(f"outlierDetection: {{}}, loadBalancer: {{localityLbSetting: {{{text}}}}}")


def zoned(text: str) -> str:
    return policy(f"outlierDetection: {{}}, loadBalancer: {{zoneAwareLbSetting: {{{text}}}}}")


def pooled(text: str) -> str:
    return policy(f"connectionPool: {{{text}}}")


def secured(text: str) -> str:
    return policy(f"tls: {{{text}}}")


def outlier(text: str) -> str:
    return policy(f"outlierDetection: {{{text}}}")


PLACES = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")
LOCALITY = f"{TP}.loadBalancer.localityLbSetting"
BROKEN: list[Row] = [
    # host, subsets, scope
    ("{host: ''}", "spec.host", "must not be empty"),
    ("{host: a.*.com}", "spec.host", "'*' may only stand at the beginning"),
    (f"{{host: {'.'.join(['abcdefghi'] * 30)}}}", "spec.host", "longer than 255"),
    ("{host: a_b.com}", "spec.host", "not a DNS name"),
    ("{host: a, subsets: [{name: ''}]}", "spec.subsets[0].name", "not a DNS label"),
    ("{host: a, subsets: [{name: v.1}]}", "spec.subsets[0].name", "not a DNS label"),
    ("{host: a, subsets: [{name: v1}, {name: v1}]}", "spec.subsets[1].name", "given twice"),
    ("{host: a, subsets: [{name: v1, labels: {'a/b/c': d}}]}", "spec.subsets[0].labels[a/b/c]", "label key"),
    ("{host: a, subsets: [{name: v1, labels: {a: '-'}}]}", "spec.subsets[0].labels[a]", "not a label value"),
    ("{host: a, subsets: [{name: v1, trafficPolicy: {}}]}", "spec.subsets[0].trafficPolicy", "at least one field"),
    ("{host: a, exportTo: [shop, '.']}", "spec.exportTo[1]", "given twice"),
    ("{host: a, exportTo: ['~']}", "spec.exportTo[0]", "ServiceEntry only"),
    ("{host: a, exportTo: ['*', other]}", "spec.exportTo", "cannot be combined"),
    ("{host: a, exportTo: [a_b]}", "spec.exportTo[0]", "nor the name of a namespace"),
    ("{host: a, exportTo: ['*'], workloadSelector: {matchLabels: {a: b}}}", "spec.exportTo", "own namespace only"),
    ("{host: a, workloadSelector: {matchLabels: {'': b}}}", "spec.workloadSelector.matchLabels[]", "empty key"),
    ("{host: a, workloadSelector: {matchLabels: {'a*': b}}}", "spec.workloadSelector.matchLabels[a*]", "wildcards"),
    ("{host: a, workloadSelector: {matchLabels: {a: 'b*'}}}", "spec.workloadSelector.matchLabels[a]", "wildcards"),
    # policy
    ("{host: a, trafficPolicy: {}}", TP, "at least one field"),
    (
        policy("tunnel: {targetHost: a, targetPort: 80}, proxyProtocol: {version: V2}"),
        TP,
        "only one of tunnel and proxyProtocol",
    ),
    (policy("portLevelSettings: [{tls: {}}]"), f"{TP}.portLevelSettings[0].port", "missing"),
    (policy("portLevelSettings: [{port: {number: 80}}]"), f"{TP}.portLevelSettings[0]", "must be set"),
    (policy("portLevelSettings: [{port: {}, tls: {}}]"), f"{TP}.portLevelSettings[0].port.number", "1..65535"),
    (
        policy("portLevelSettings: [{port: {number: 80}, connectionPool: {}}]"),
        f"{TP}.portLevelSettings[0].connectionPool",
        "one of tcp and http",
    ),
    (policy("tunnel: {targetHost: a, targetPort: 80, protocol: GET}"), f"{TP}.tunnel.protocol", "CONNECT nor POST"),
    (policy("tunnel: {targetHost: a_b, targetPort: 80}"), f"{TP}.tunnel.targetHost", "neither an IP address nor"),
    (policy("tunnel: {targetHost: a, targetPort: 0}"), f"{TP}.tunnel.targetPort", "1..65535"),
    (policy("retryBudget: {percent: 101}"), f"{TP}.retryBudget.percent", "0..100"),
    (policy("retryBudget: {budgetInterval: 0s}"), f"{TP}.retryBudget.budgetInterval", "at least 1ms"),
    # connection pool
    (pooled(""), f"{TP}.connectionPool", "one of tcp and http"),
    (pooled("tcp: {maxConnections: -1}"), f"{TP}.connectionPool.tcp.maxConnections", "negative"),
    (pooled("tcp: {connectTimeout: 0s}"), f"{TP}.connectionPool.tcp.connectTimeout", "at least 1ms"),
    (pooled("tcp: {maxConnectionDuration: 1us}"), f"{TP}.connectionPool.tcp.maxConnectionDuration", "1ms"),
    (pooled("tcp: {idleTimeout: 1.5ms}"), f"{TP}.connectionPool.tcp.idleTimeout", "whole number"),
    (pooled("tcp: {tcpKeepalive: {time: 0s}}"), f"{TP}.connectionPool.tcp.tcpKeepalive.time", "at least 1ms"),
    (pooled("tcp: {tcpKeepalive: {interval: 0s}}"), f"{TP}.connectionPool.tcp.tcpKeepalive.interval", "at least"),
    (pooled("http: {http1MaxPendingRequests: -1}"), f"{TP}.connectionPool.http.http1MaxPendingRequests", "negative"),
    (pooled("http: {http2MaxRequests: -1}"), f"{TP}.connectionPool.http.http2MaxRequests", "negative"),
    (pooled("http: {maxRequestsPerConnection: -1}"), f"{TP}.connectionPool.http.maxRequestsPerConnection", "neg"),
    (pooled("http: {maxRetries: -1}"), f"{TP}.connectionPool.http.maxRetries", "negative"),
    (pooled("http: {maxConcurrentStreams: -1}"), f"{TP}.connectionPool.http.maxConcurrentStreams", "negative"),
    (pooled("http: {idleTimeout: 0s}"), f"{TP}.connectionPool.http.idleTimeout", "at least 1ms"),
    (
        pooled("http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}"),
        f"{TP}.connectionPool.http.useClientProtocol",
        "cannot be combined",
    ),
    (pooled("http: {http2KeepAlive: {timeout: 1s}}"), f"{TP}.connectionPool.http.http2KeepAlive.interval", "missing"),
    (pooled("http: {http2KeepAlive: {interval: 1s}}"), f"{TP}.connectionPool.http.http2KeepAlive.timeout", "missing"),
    # outlier detection
    (outlier("interval: 0s"), f"{TP}.outlierDetection.interval", "at least 1ms"),
    (outlier("baseEjectionTime: 0s"), f"{TP}.outlierDetection.baseEjectionTime", "at least 1ms"),
    (outlier("maxEjectionPercent: 101"), f"{TP}.outlierDetection.maxEjectionPercent", "0..100"),
    (outlier("minHealthPercent: -1"), f"{TP}.outlierDetection.minHealthPercent", "0..100"),
    (
        outlier("consecutiveLocalOriginFailures: 3"),
        f"{TP}.outlierDetection.consecutiveLocalOriginFailures",
        "splitExternalLocalOriginErrors",
    ),
    (
        outlier("outlierDetectionHttpErrorCodes: [500, 600]"),
        f"{TP}.outlierDetection.outlierDetectionHttpErrorCodes[1]",
        "100..599",
    ),
    # load balancing
    (
        balanced("simple: RANDOM, consistentHash: {useSourceIp: true}"),
        f"{TP}.loadBalancer",
        "only one of simple and consistentHash",
    ),
    (hashed("useSourceIp: true, httpHeaderName: x"), f"{TP}.loadBalancer.consistentHash", "only one of httpHeader"),
    (hashed("httpHeaderName: ''"), f"{TP}.loadBalancer.consistentHash.httpHeaderName", "must not be empty"),
    (hashed("httpCookie: {name: ''}"), f"{TP}.loadBalancer.consistentHash.httpCookie.name", "must not be empty"),
    (hashed("httpCookie: {name: a, ttl: -1s}"), f"{TP}.loadBalancer.consistentHash.httpCookie.ttl", "negative"),
    (
        hashed("httpCookie: {name: a, attributes: [{name: ''}]}"),
        f"{TP}.loadBalancer.consistentHash.httpCookie.attributes[0].name",
        "must not be empty",
    ),
    (
        hashed("httpCookie: {name: a, attributes: [{name: b}, {name: b}]}"),
        f"{TP}.loadBalancer.consistentHash.httpCookie.attributes[1].name",
        "given twice",
    ),
    (hashed("ringHash: {}, maglev: {tableSize: 7}"), f"{TP}.loadBalancer.consistentHash", "ringHash and maglev"),
    (
        hashed("minimumRingSize: 1, ringHash: {}"),
        f"{TP}.loadBalancer.consistentHash.minimumRingSize",
        "cannot be combined",
    ),
    (
        hashed("ringHash: {minimumRingSize: 8388609}"),
        f"{TP}.loadBalancer.consistentHash.ringHash.minimumRingSize",
        "more than 8388608",
    ),
    (hashed("maglev: {}"), f"{TP}.loadBalancer.consistentHash.maglev.tableSize", "not a prime"),
    (hashed("maglev: {tableSize: 1001}"), f"{TP}.loadBalancer.consistentHash.maglev.tableSize", "not a prime"),
    (hashed("maglev: {tableSize: 5000011}"), f"{TP}.loadBalancer.consistentHash.maglev.tableSize", "not below"),
    (balanced("warmup: {duration: 0s}"), f"{TP}.loadBalancer.warmup.duration", "at least 1ms"),
    (balanced("warmup: {duration: 1s, minimumPercent: 101}"), f"{TP}.loadBalancer.warmup.minimumPercent", "0..100"),
    (balanced("warmup: {duration: 1s, aggression: 0}"), f"{TP}.loadBalancer.warmup.aggression", "greater than 0"),
    (balanced("warmupDurationSecs: 0s"), f"{TP}.loadBalancer.warmupDurationSecs", "at least 1ms"),
    (balanced("warmup: {duration: 1s}, warmupDurationSecs: 1s"), f"{TP}.loadBalancer", "only one of warmup"),
    # localities
    (balanced("localityLbSetting: {}, zoneAwareLbSetting: {}"), f"{TP}.loadBalancer", "only one of localityLbSetting"),
    (
        localized("distribute: [{from: a, to: {a: 100}}], failover: [{from: a, to: b}]"),
        LOCALITY,
        "only one of distribute and failover",
    ),
    *(
        (
            localized(f"failover: [{{from: a, to: b}}], failoverPriority: [{label}]"),
            f"{LOCALITY}.failoverPriority[0]",
            "cannot be combined with failover",
        )
        for label in PLACES
    ),
    (localized("distribute: [{from: a, to: {a: 60, b: 30}}]"), f"{LOCALITY}.distribute[0].to", "add up to 90"),
    (localized("distribute: [{from: a, to: {a: 100, b: 0}}]"), f"{LOCALITY}.distribute[0].to[b]", "1..100"),
    (
        localized("distribute: [{from: a, to: {a/*: 50, a/b: 50}}]"),
        f"{LOCALITY}.distribute[0].to[a/b]",
        "overlaps with 'a/*'",
    ),
    (localized("distribute: [{from: a//c, to: {a: 100}}]"), f"{LOCALITY}.distribute[0].from", "empty region"),
    (localized("distribute: [{from: '*/b', to: {a: 100}}]"), f"{LOCALITY}.distribute[0].from", "'*' may only"),
    (
        localized("distribute: [{from: a, to: {a: 100}}, {from: a/b/c, to: {a: 100}}]"),
        f"{LOCALITY}.distribute[1].from",
        "overlaps with 'a'",
    ),
    (localized("failover: [{from: a, to: a}]"), f"{LOCALITY}.failover[0]", "different regions"),
    (localized("failover: [{from: a/b, to: c}]"), f"{LOCALITY}.failover[0].from", "not the name of a region"),
    (localized("failover: [{from: a, to: '*'}]"), f"{LOCALITY}.failover[0].to", "not the name of a region"),
    *(
        (
            zoned(f"failoverPriority: [{label}]"),
            f"{TP}.loadBalancer.zoneAwareLbSetting.failoverPriority[0]",
            "zone awareness itself",
        )
        for label in PLACES
    ),
    # TLS
    (secured("mode: MUTUAL, privateKey: k"), f"{TP}.tls.clientCertificate", "required for mode MUTUAL"),
    (secured("mode: MUTUAL, clientCertificate: c"), f"{TP}.tls.privateKey", "required for mode MUTUAL"),
    (secured("mode: SIMPLE, credentialName: c, caCertificates: f"), f"{TP}.tls.caCertificates", "credentialName"),
    (
        secured("mode: SIMPLE, insecureSkipVerify: true, caCertificates: f"),
        f"{TP}.tls.caCertificates",
        "no meaning with insecureSkipVerify",
    ),
    (
        secured("mode: SIMPLE, insecureSkipVerify: true, credentialName: c"),
        f"{TP}.tls.credentialName",
        "no meaning with insecureSkipVerify",
    ),
    (
        secured("mode: MUTUAL, credentialName: c, insecureSkipVerify: true, subjectAltNames: [a]"),
        f"{TP}.tls.subjectAltNames",
        "no meaning with insecureSkipVerify",
    ),
    (
        secured("mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]"),
        f"{TP}.tls.subjectAltNames",
        "no meaning with insecureSkipVerify",
    ),
    (secured("mode: SIMPLE, credentialName: 'configmap://other/ca'"), f"{TP}.tls.credentialName", "namespace 'shop'"),
]


@pytest.mark.parametrize(("spec", "path", "reason"), BROKEN, ids=row_ids(BROKEN))
def test_case_48_a_broken_rule_is_reported_once_at_its_field(spec: str, path: str, reason: str) -> None:
    found = errors("DestinationRule", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]


MALFORMED: list[Row] = [
    ("{}", "spec.host", "missing"),
    (policy("portLevelSettings: [null]"), f"{TP}.portLevelSettings[0]", "got null"),
    (balanced("simple: FOO"), f"{TP}.loadBalancer.simple", "unknown value"),
    (hashed("httpCookie: {}"), f"{TP}.loadBalancer.consistentHash.httpCookie.name", "missing"),
    (balanced("warmup: {}"), f"{TP}.loadBalancer.warmup.duration", "missing"),
    (policy("proxyProtocol: {version: V3}"), f"{TP}.proxyProtocol.version", "known: V1, V2"),
]


@pytest.mark.parametrize(("spec", "path", "reason"), MALFORMED, ids=row_ids(MALFORMED))
def test_case_48_what_cannot_be_read_is_reported_at_its_field(spec: str, path: str, reason: str) -> None:
    found = malformed("DestinationRule", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]


SOUND = [
    "{host: '*.example.com'}",
    "{host: reviews, subsets: [{name: v1, labels: {version: v1, app.kubernetes.io/name: a}}, {name: V2}]}",
    "{host: reviews, exportTo: ['.'], workloadSelector: {matchLabels: {app: a}}}",
    policy("portLevelSettings: [{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}}]"),
    policy("tunnel: {targetHost: 10.0.0.1, targetPort: 443, protocol: POST}"),
    policy("proxyProtocol: {version: V1}"),
    policy("retryBudget: {percent: 20, minRetryConcurrency: 3, budgetInterval: 10s}"),
    pooled("tcp: {idleTimeout: 0s, connectTimeout: 30ms, tcpKeepalive: {time: 7200s, interval: 75s}}"),
    pooled("http: {http2KeepAlive: {interval: 1s, timeout: 1s}, h2UpgradePolicy: UPGRADE}"),
    outlier("splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 5, maxEjectionPercent: 100"),
    balanced("simple: LEAST_CONN, warmup: {duration: 30s, minimumPercent: 0, aggression: 1.5}"),
    hashed("httpCookie: {name: user, ttl: 0s, attributes: [{name: SameSite, value: Lax}]}"),
    hashed("useSourceIp: true, maglev: {tableSize: 65537}"),
    localized("distribute: [{from: a/b/*, to: {'a/b/*': 80, a/c: 20}}, {from: a/c, to: {'*': 100}}]"),
    localized("failover: [{from: a, to: b}], failoverPriority: [app]"),
    secured("mode: SIMPLE, credentialName: 'configmap://shop/ca', sni: a.example.com"),
    secured("mode: MUTUAL, clientCertificate: c, privateKey: k, caCertificates: a, subjectAltNames: [s]"),
]


@pytest.mark.parametrize("spec", SOUND)
def test_a_sound_specification_passes_without_a_word(spec: str) -> None:
    assert errors("DestinationRule", spec) == []
    assert warnings("DestinationRule", spec) == []


WARNED: list[Row] = [
    (outlier("consecutiveErrors: 5"), f"{TP}.outlierDetection.consecutiveErrors", "has no effect"),
    (hashed("minimumRingSize: 1"), f"{TP}.loadBalancer.consistentHash.minimumRingSize", "deprecated"),
    (
        balanced("localityLbSetting: {failover: [{from: a, to: b}]}"),
        f"{TP}.loadBalancer.localityLbSetting",
        "without outlierDetection",
    ),
    (
        balanced("zoneAwareLbSetting: {failoverPriority: [app]}"),
        f"{TP}.loadBalancer.zoneAwareLbSetting",
        "without outlierDetection",
    ),
    ("{host: a, workloadSelector: {}}", "spec.workloadSelector.matchLabels", "selects every workload"),
]


@pytest.mark.parametrize(("spec", "path", "reason"), WARNED, ids=row_ids(WARNED))
def test_case_48_what_probably_is_a_mistake_is_a_warning(spec: str, path: str, reason: str) -> None:
    found = warnings("DestinationRule", spec)

    assert [place for place, _ in found] == [path]
    assert reason in found[0][1]
    assert errors("DestinationRule", spec) == []
