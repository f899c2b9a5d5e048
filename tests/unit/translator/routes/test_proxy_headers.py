"""The mesh's settings about headers that proxies add."""

import pytest
import yaml

from translator.routes.proxy_headers import ProxyHeaders, read_proxy_headers


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{}", ProxyHeaders()),
        ("{concurrency: 2, proxyHeaders: {server: {disabled: true}}}", ProxyHeaders()),
        ("{proxyHeaders: {attemptCount: {disabled: true}}}", ProxyHeaders(attempt_count=False)),
        ("{proxyHeaders: {xForwardedHost: {enabled: true}}}", ProxyHeaders(forwarded_host=True)),
        ("{proxyHeaders: nonsense}", ProxyHeaders()),
    ],
)
def test_settings_are_read_from_the_default_config(config: str, expected: ProxyHeaders) -> None:
    assert read_proxy_headers(yaml.safe_load(config)) == expected
