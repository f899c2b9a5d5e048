"""Every rule for MeshConfig, its defaults, and how user settings lie over them."""

import pytest
import yaml

from tests.unit.translator.validation.judge import Row, row_ids
from translator.decode import decode_record
from translator.objects.duration import Duration
from translator.objects.mesh_config import MeshConfig
from translator.objects.sidecar import OutboundTrafficMode
from translator.validation.mesh_config import validate_mesh_config


def mesh(text: str) -> MeshConfig:
    config, violations = decode_record(yaml.safe_load(text), MeshConfig)
    assert config is not None, violations
    return config


BROKEN: list[Row] = [
    ("{proxyListenPort: 0}", "proxyListenPort", "1..65535"),
    ("{proxyInboundListenPort: 70000}", "proxyInboundListenPort", "1..65535"),
    ("{proxyHttpPort: -1}", "proxyHttpPort", "1..65535"),
    ("{connectTimeout: 0s}", "connectTimeout", "at least 1ms"),
    ("{connectTimeout: 61m}", "connectTimeout", "longer than an hour"),
    ("{protocolDetectionTimeout: 0.1ms}", "protocolDetectionTimeout", "less than 1ms"),
    ("{dnsRefreshRate: 0s}", "dnsRefreshRate", "at least 1ms"),
    ("{tcpKeepalive: {time: 0s}}", "tcpKeepalive.time", "at least 1ms"),
    ("{trustDomain: ''}", "trustDomain", "must not be empty"),
    ("{trustDomainAliases: [a_b]}", "trustDomainAliases[0]", "not a DNS name"),
    ("{rootNamespace: a.b}", "rootNamespace", "not the name of a namespace"),
    ("{defaultHttpRetryPolicy: {attempts: -1}}", "defaultHttpRetryPolicy.attempts", "negative"),
    ("{localityLbSetting: {failover: [{from: a, to: a}]}}", "localityLbSetting.failover[0]", "different regions"),
    ("{zoneAwareLbSetting: {failover: [{from: a, to: a}]}}", "zoneAwareLbSetting.failover[0]", "different regions"),
    ("{serviceSettings: [{hosts: ['a.*']}]}", "serviceSettings[0].hosts[0]", "not a DNS name"),
    ("{meshMTLS: {ecdhCurves: [P-256]}}", "meshMTLS.ecdhCurves", "not supported"),
    (
        "{outboundTrafficPolicy: {tls: {mode: MUTUAL, privateKey: k}}}",
        "outboundTrafficPolicy.tls.clientCertificate",
        "",
    ),
    ("{defaultTrafficPolicy: {connectionPool: {}}}", "defaultTrafficPolicy.connectionPool", "one of tcp and http"),
    (
        "{defaultTrafficPolicy: {outlierDetection: {interval: 0s}}}",
        "defaultTrafficPolicy.outlierDetection.interval",
        "at least 1ms",
    ),
]


@pytest.mark.parametrize(("text", "path", "reason"), BROKEN, ids=row_ids(BROKEN))
def test_a_broken_rule_is_reported_once_at_its_field(text: str, path: str, reason: str) -> None:
    [violation] = validate_mesh_config(mesh(text))

    assert violation.path == path
    assert reason in violation.reason


def test_the_defaults_are_those_of_istio_and_sound() -> None:
    config = mesh("{}")

    assert validate_mesh_config(config) == ()
    assert config.connect_timeout == Duration.of(seconds=10)
    assert config.outbound_traffic_policy.mode is OutboundTrafficMode.ALLOW_ANY


def test_a_given_block_replaces_the_default_one_as_a_whole() -> None:
    config = mesh("{outboundTrafficPolicy: {}, localityLbSetting: {}}")

    assert config.outbound_traffic_policy.mode is OutboundTrafficMode.REGISTRY_ONLY
    assert config.locality_lb_setting.enabled is None


def test_unknown_settings_are_reported() -> None:
    config, [violation] = decode_record({"acessLogFile": "/dev/stdout"}, MeshConfig)

    assert config is None
    assert str(violation) == "acessLogFile: unknown field; did you mean accessLogFile?"
