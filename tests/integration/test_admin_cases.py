"""What the admin interface tells about what was sent, and about secrets."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import envoy_data_plane.envoy.service.status.v3 as csds
import grpc
import grpc.aio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fairlead.mesh.waiting import NotYetError, wait_until
from tests.certificates import KeyPair, issue
from tests.integration.proxy_stream import ProxyStream, changed, proxy_stream
from tests.integration.serving import Rig, identity, serving
from translator.model.proxy import Capture, Role
from xds.status import FETCH_STATUS
from xds.types import CLUSTER, LISTENER, SECRET

WEB = "outbound|8000||web.default.svc.cluster.local"
RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: default}}
spec: {{host: web, trafficPolicy: {{connectionPool: {{tcp: {{connectTimeout: {}s}}}}}}}}
"""
GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: one, protocol: HTTPS}
    hosts: [one.example.com]
    tls: {mode: SIMPLE, credentialName: good}
  - port: {number: 443, name: two, protocol: HTTPS}
    hosts: [two.example.com]
    tls: {mode: SIMPLE, credentialName: missing}
"""
GOOD, MISSING = "kubernetes://good", "kubernetes://missing"


def secret(name: str, pair: KeyPair) -> str:
    """A Secret with a certificate."""
    data = {"tls.crt": pair.pem, "tls.key": pair.key_pem}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": "default"},
            "data": {key: base64.b64encode(text).decode() for key, text in data.items()},
        }
    )


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    """A certificate, and its key that nobody may see."""
    return issue("one.example.com", [])


@pytest.fixture
async def rig(root: Path) -> AsyncIterator[Rig]:
    async with serving(root) as rig:
        yield rig


async def metrics(rig: Rig) -> dict[tuple[str, str], float]:
    """Every sample by its name and its label ``type`` (or the only one it has)."""
    text = await rig.page("/metrics")
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(each.name, each.labels.get("type", "")): each.value for each in samples}


async def get(rig: Rig, path: str) -> tuple[int, Any]:
    """The status and the content of a page."""
    async with aiohttp.request("GET", f"http://{rig.plane.admin_address}{path}") as response:
        is_json = response.content_type == "application/json"
        return response.status, await (response.json() if is_json else response.text())


async def synced(rig: Rig) -> dict[str, Any]:
    """The only proxy's entry of /debug/syncz."""
    _, (entry,) = await get(rig, "/debug/syncz")
    found: dict[str, Any] = entry
    return found


async def states(rig: Rig) -> set[csds.ConfigStatus]:
    """What CSDS says of the clusters."""
    async with grpc.aio.insecure_channel(str(rig.plane.xds_address)) as channel:
        fetch: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(FETCH_STATUS)
        answer = csds.ClientStatusResponse.parse(await fetch(b""))
    return {each.config_status for config in answer.config for each in config.generic_xds_configs}


@pytest.mark.parametrize("delta", [False, True])
async def test_case_03_a_refusal_is_told_until_something_better_is_accepted(rig: Rig, *, delta: bool) -> None:
    async with proxy_stream(rig, delta=delta) as proxy:
        await proxy.ask(CLUSTER)
        await proxy.next()
        await proxy.settled()
        proxy.refusal = lambda _: f"{WEB}: I do not like it"
        await changed(rig, lambda: rig.write("rule.yaml", RULE.format(3)), "DestinationRule default/web")
        await rig.logged("proxy.nack")
        await rig.plane.pusher.idle()
        assert [heard.type for heard in proxy.heard] == ["cds"], "what was refused is not sent again"
        assert (await metrics(rig))["pilot_total_xds_rejects", "cds"] == 1
        entry = await synced(rig)
        assert entry["cluster_sent"] != entry["cluster_acked"]
        assert entry["resources"][CLUSTER]["lastError"] == f"{WEB}: I do not like it"
        assert csds.ConfigStatus.ERROR in await states(rig)
        proxy.refusal = lambda _: ""
        proxy.heard.clear()
        (better,) = await proxy.reaction(lambda: rig.write("rule.yaml", RULE.format(4)), "DestinationRule default/web")
        assert better.resources[WEB].connect_timeout.total_seconds() == 4
        assert len(better.resources) == (1 if delta else len(rig_clusters(proxy)))
        entry = await synced(rig)
        assert entry["cluster_sent"] == entry["cluster_acked"]
        assert "lastError" not in entry["resources"][CLUSTER]
        assert await states(rig) == {csds.ConfigStatus.SYNCED}


def rig_clusters(proxy: ProxyStream) -> list[str]:
    """The names of all clusters that the proxy should have."""
    view = proxy.client.view
    assert view is not None
    return list(view.resources(CLUSTER))


@pytest.mark.parametrize("delta", [False, True])
async def test_case_31_a_secret_that_is_missing_harms_no_other(rig: Rig, pair: KeyPair, *, delta: bool) -> None:
    rig.write("gateway.yaml", GATEWAY)
    await changed(rig, lambda: rig.write("good.yaml", secret("good", pair)), "Secret default/good")
    who = identity("gateway", role=Role.GATEWAY, labels={"istio": "ingressgateway"})
    async with proxy_stream(rig, who, delta=delta) as gateway:
        for type_url in (CLUSTER, LISTENER):
            await gateway.ask(type_url)
            await gateway.next()
        await gateway.ask(SECRET, [GOOD, MISSING])
        answer = await gateway.next()
        await gateway.settled()
        assert answer.brief == ("sds", [GOOD])
        assert answer.removed == ((MISSING,) if delta else ())
        assert (await metrics(rig))["pilot_sds_certificate_errors_total", ""] == 1
        (renewed,) = await gateway.reaction(
            lambda: rig.write("good.yaml", secret("good", issue("one.example.com", []))), "Secret default/good"
        )
        assert renewed.brief == ("sds", [GOOD])


async def test_case_30_b_nobody_gets_a_secret_without_saying_who_they_are(root: Path, pair: KeyPair) -> None:
    (root / "gateway.yaml").write_text(GATEWAY)
    (root / "good.yaml").write_text(secret("good", pair))
    async with serving(root, withholds_secrets=True) as rig:
        who = identity("gateway", role=Role.GATEWAY, labels={"istio": "ingressgateway"})
        async with proxy_stream(rig, who, delta=False) as gateway:
            await gateway.ask(SECRET, [GOOD])
            await gateway.ask(CLUSTER)
            assert (await gateway.next()).type == "cds"
            assert [heard.type for heard in await gateway.settled()] == []


async def test_case_41_pages_about_proxies(rig: Rig) -> None:
    async with proxy_stream(rig, identity(capture=Capture.REDIRECT)) as proxy:
        await proxy.start()
        assert await get(rig, "/debug/config_dump") == (400, "which proxy? Say proxyID=NAME.NAMESPACE\n")
        assert (await get(rig, "/debug/config_dump?proxyID=nobody.default"))[0] == 404
        assert (await get(rig, "/debug/config_dump?proxyID=client.elsewhere"))[0] == 404
        status, dump = await get(rig, "/debug/config_dump?proxyID=client.default&include_eds")
        assert status == 200
        sections = {section["@type"].rpartition(".")[2]: section for section in dump["configs"]}
        assert list(sections) == [
            "BootstrapConfigDump",
            "ClustersConfigDump",
            "EndpointsConfigDump",
            "ListenersConfigDump",
            "RoutesConfigDump",
            "SecretsConfigDump",
        ]
        clusters = [each["cluster"]["name"] for each in sections["ClustersConfigDump"]["dynamicActiveClusters"]]
        assert WEB in clusters
        (assignment,) = (await get(rig, "/debug/edsz?proxyID=client.default"))[1]["configs"]
        assert assignment["clusterName"] == WEB
        assert (await get(rig, "/debug/config_dump?proxyID=client&types=cds,nothing"))[0] == 400


async def test_the_pages_of_istio(rig: Rig) -> None:
    await changed(rig, lambda: rig.write("rule.yaml", RULE.format(3)), "DestinationRule default/web")
    async with proxy_stream(rig) as proxy:
        await proxy.ask(CLUSTER)
        await proxy.next()
        await proxy.settled()
        _, names = await get(rig, "/debug/list")
        assert names == sorted(names)
        assert {"syncz", "adsz", "config_dump", "configz", "list"} <= set(names)
        _, ads = await get(rig, "/debug/adsz")
        (client,) = ads["clients"]
        assert (client["connectionId"], client["watches"]) == ("client.default-1", {CLUSTER: []})
        assert client["metadata"]["NAMESPACE"] == "default"
        assert (await get(rig, "/debug/adsz?push=true"))[0] == 400
        _, connections = await get(rig, "/debug/connections?proxyID=nobody")
        assert connections == {"totalClients": 0, "clients": []}
        assert (await get(rig, "/debug/syncz?namespace=other"))[1] == []
        assert (await synced(rig))["proxy_type"] == "sidecar"
        _, (rule,) = await get(rig, "/debug/configz")
        assert (rule["apiVersion"], rule["kind"]) == ("networking.istio.io/v1", "DestinationRule")
        assert rule["spec"]["trafficPolicy"]["connectionPool"]["tcp"]["connectTimeout"] == "3s"
        assert (await get(rig, "/debug/mesh"))[1]["proxyListenPort"] == 15001
        assert "/debug/syncz" in (await get(rig, "/debug"))[1]
        assert await rig.page("/debug/list?pretty") == names


async def test_no_page_shows_a_private_key(rig: Rig, pair: KeyPair) -> None:
    rig.write("gateway.yaml", GATEWAY)
    await changed(rig, lambda: rig.write("good.yaml", secret("good", pair)), "Secret default/good")
    who = identity("gateway", role=Role.GATEWAY, labels={"istio": "ingressgateway"})
    async with proxy_stream(rig, who) as gateway:
        await gateway.ask(SECRET, [GOOD])
        assert pair.key_pem in bytes((await gateway.next()).resources[GOOD])
        lines = pair.key_pem.decode().splitlines()
        _, index = await get(rig, "/")
        for page in index["pages"]:
            async with aiohttp.request("GET", f"http://{rig.plane.admin_address}{page}?proxyID=gateway") as response:
                text = await response.text()
                assert response.status == 200, page
                assert lines[1] not in text
                assert base64.b64encode(pair.key_pem).decode()[60:100] not in text
        _, dump = await get(rig, "/debug/config_dump?proxyID=gateway")
        (shown,) = dump["configs"][-1]["dynamicActiveSecrets"]
        assert shown["secret"]["tlsCertificate"]["privateKey"] == {"inlineString": "[redacted]"}


async def test_case_42_the_names_of_istios_metrics(rig: Rig) -> None:
    async with proxy_stream(rig, node={**identity().node(), "metadata": {"ISTIO_VERSION": "1.30.0"}}) as proxy:
        assert ("pilot_xds_pushes", "cds") not in await metrics(rig)
        await proxy.ask(CLUSTER)
        await proxy.next()
        await proxy.settled()
        found = await metrics(rig)
        assert found["pilot_xds_pushes", "cds"] == 1
        assert found["pilot_services", ""] == 1
        text = await rig.page("/metrics")
        assert 'pilot_xds_pushes{type="cds"} 1.0\n' in text
        assert 'pilot_xds{version="1.30.0"} 1.0\n' in text
        await proxy.reaction(lambda: rig.write("rule.yaml", RULE.format(3)), "DestinationRule default/web")
        found = await metrics(rig)
        assert found["pilot_xds_pushes", "cds"] == 2
        assert found["pilot_push_triggers", "config"] == 1
        assert found["pilot_inbound_updates", "svc"] == 1
        assert found["pilot_proxy_convergence_time_count", ""] == 1
        assert found["pilot_xds_config_size_bytes_count", CLUSTER] == 2
        assert found["pilot_xds_recv_max", ""] > 10

    async def gone() -> None:
        if "pilot_xds{" in await rig.page("/metrics"):
            raise NotYetError("the proxy is still counted")

    await wait_until(gone)
