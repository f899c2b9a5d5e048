"""The server's own abilities: restarts, storages, faults, who calls and what was called."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from fairlead.mesh.waiting import wait_until
from tests.apiserver.certificates import Authority, ServerTls
from tests.apiserver.cluster import Cluster, EventStream
from tests.apiserver.document import Document
from tests.apiserver.errors import expired, internal, too_many_requests
from tests.apiserver.faults import Fault
from tests.apiserver.server import ApiServer
from tests.apiserver.storage import FileStorage
from tests.apiserver.watching import End, Pace

PATH = "/api/v1/namespaces/default/configmaps"


def config_map(name: str = "a") -> Document:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}}


@pytest.fixture
async def api(server: ApiServer) -> AsyncIterator[Cluster]:
    async with Cluster(server.url) as cluster:
        yield cluster


async def watched(server: ApiServer, count: int = 1) -> None:
    """Wait until so many watches are open."""

    async def probe() -> None:
        assert len(server.watches) == count

    await wait_until(probe)


async def test_a_restart_keeps_the_port_the_objects_and_the_revisions(server: ApiServer, api: Cluster) -> None:
    created = await api.create(PATH, config_map())
    url = server.url
    await server.restart()
    assert server.url == url
    body = (await api.get(f"{PATH}/a")).ok()
    assert body == created
    async with api.watch(PATH, resourceVersion=created["metadata"]["resourceVersion"]) as watch:
        server.remove("v1", "ConfigMap", "a")
        assert await watch.take(1) == [("DELETED", "a")]


async def test_a_file_brings_everything_back(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with ApiServer(FileStorage(journal)) as server, Cluster(server.url) as api:
        first = await api.create(PATH, config_map())
        await api.create(PATH, config_map("b"))
        await api.delete(f"{PATH}/b")
        revision = server.storage.revision
    async with ApiServer(FileStorage(journal)) as server, Cluster(server.url) as api:
        assert server.storage.revision == revision
        assert (await api.get(f"{PATH}/a")).ok() == first
        async with api.watch(PATH, resourceVersion=first["metadata"]["resourceVersion"]) as watch:
            assert await watch.take(2) == [("ADDED", "b"), ("DELETED", "b")]
    async with ApiServer(FileStorage(journal, keep_history=False)) as server, Cluster(server.url) as api:
        answer = await api.get(PATH, watch="true", resourceVersion=first["metadata"]["resourceVersion"])
        answer.refused(410, "Expired")


async def test_a_backup_goes_back_in_time(server: ApiServer, api: Cluster) -> None:
    first = await api.create(PATH, config_map())
    await api.create(PATH, config_map("b"))
    server.storage.rewind(int(first["metadata"]["resourceVersion"]))
    await server.restart()
    names = [item["metadata"]["name"] for item in (await api.get(PATH)).ok()["items"]]
    assert names == ["a"]


async def test_a_watch_before_the_compaction_is_gone(server: ApiServer, api: Cluster) -> None:
    first = await api.create(PATH, config_map())
    async with api.watch(PATH, resourceVersion=first["metadata"]["resourceVersion"]) as open_watch:
        await api.create(PATH, config_map("b"))
        server.compact()
        answer = await api.get(PATH, watch="true", resourceVersion=first["metadata"]["resourceVersion"])
        assert "too old resource version" in answer.refused(410, "Expired")
        await api.delete(f"{PATH}/b")
        assert await open_watch.take(2) == [("ADDED", "b"), ("DELETED", "b")]


async def test_an_open_watch_can_fail(server: ApiServer, api: Cluster) -> None:
    async with api.watch(PATH) as watch:
        await watched(server)
        assert server.fail_watches(expired("too old resource version: 1 (9)"), "configmaps") == 1
        event = await watch.next()
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
        with pytest.raises(StopAsyncIteration):
            await watch.next()


async def test_bookmarks_come_when_they_are_due_or_asked_for() -> None:
    async with ApiServer(pace=Pace(bookmarks=0.05)) as server, Cluster(server.url) as api:
        async with api.watch(PATH, allowWatchBookmarks="true") as watch:
            first = await watch.next()
            assert first["type"] == "BOOKMARK"
        async with api.watch(PATH) as watch:
            server.send_bookmarks()
            server.put(config_map())
            assert (await watch.next())["type"] == "ADDED"


@pytest.mark.parametrize("how", [End.CLOSE, End.DROP])
async def test_watches_can_be_ended(server: ApiServer, api: Cluster, how: End) -> None:
    async with api.watch(PATH) as watch:
        await watched(server)
        server.end_watches(how)
        with pytest.raises(StopAsyncIteration if how is End.CLOSE else aiohttp.ClientError):
            await watch.next()
        await watched(server, 0)


async def test_a_frozen_watch_stays_open_and_silent(server: ApiServer, api: Cluster) -> None:
    async with api.watch(PATH) as watch:
        await watched(server)
        server.end_watches(End.FREEZE)
        server.put(config_map())
        silent = EventStream(watch.response, deadline=0.2)
        with pytest.raises(TimeoutError):
            await silent.next()
        assert len(server.watches) == 1


async def test_faults_come_as_often_as_they_are_told(server: ApiServer, api: Cluster) -> None:
    server.faults.add(Fault("list", "configmaps", times=1, error=too_many_requests(3)))
    server.faults.add(Fault("list", "configmaps", times=1, error=internal("etcdserver: leader changed")))
    answer = await api.get(PATH)
    answer.refused(429, "TooManyRequests")
    assert answer.headers["Retry-After"] == "3"
    (await api.get(PATH)).refused(500, "InternalError")
    (await api.get(PATH)).ok()


async def test_connections_are_cut_without_an_answer(server: ApiServer, api: Cluster) -> None:
    with server.faults.during(Fault("create", drop=True)), pytest.raises(aiohttp.ClientError):
        await api.request("POST", PATH, config_map())
    (await api.get(f"{PATH}/a")).refused(404, "NotFound")


async def test_a_call_hangs_until_its_fault_is_gone(server: ApiServer, api: Cluster) -> None:
    fault = server.faults.add(Fault("get", hang=True))
    waiting = asyncio.create_task(api.get(f"{PATH}/a"))

    async def met() -> None:
        assert fault.met == 1

    await wait_until(met)
    assert not waiting.done()
    server.faults.remove(fault)
    (await waiting).refused(404, "NotFound")


async def test_calls_are_recorded_in_the_words_of_rbac(server: ApiServer, api: Cluster) -> None:
    await api.get("/version")
    await api.get(PATH)
    await api.get(PATH)
    await api.patch("/apis/apps/v1/namespaces/default/deployments/web/status", {})
    assert server.calls.permissions() == {
        ("-", "/version", "get"),
        ("", "configmaps", "list"),
        ("apps", "deployments/status", "patch"),
    }
    assert server.calls.count("list", "configmaps") == 2


async def test_what_controllers_write_is_put_with_its_status(server: ApiServer, api: Cluster) -> None:
    (pod,) = server.put_yaml("""
        apiVersion: v1
        kind: Pod
        metadata: {name: web, namespace: shop}
        spec: {nodeName: n, containers: [{name: c, image: i}]}
        status: {phase: Running, podIP: 10.0.0.1}
    """)
    assert (await api.get("/api/v1/namespaces/shop/pods/web")).ok() == pod
    assert pod["status"]["podIP"] == "10.0.0.1"
    (same,) = server.put({**pod, "metadata": {"name": "web", "namespace": "shop"}})
    assert same == pod
    server.remove("v1", "Pod", "web", "shop")
    (await api.get("/api/v1/namespaces/shop/pods/web")).refused(404, "NotFound")


ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: shop}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: leader, namespace: shop}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [fairlead], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: leader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: leader}
subjects: [{kind: ServiceAccount, name: reader}]
"""


async def test_roles_decide_what_a_service_account_may() -> None:
    async with ApiServer(authorization=True) as server:
        server.put_yaml(ROLE)
        leases = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
        async with Cluster(server.url, token=server.tokens.issue("shop", "reader")) as api:
            (await api.get(PATH)).ok()
            (await api.get("/apis")).ok()
            message = (await api.request("POST", PATH, config_map())).refused(403, "Forbidden")
            assert 'User "system:serviceaccount:shop:reader" cannot create resource "configmaps"' in message
            (await api.get(f"{leases}/fairlead")).refused(404, "NotFound")
            (await api.get(f"{leases}/other")).refused(403, "Forbidden")
            (await api.get(leases)).refused(403, "Forbidden")
            asked = {"verb": "list", "resource": "configmaps"}
            body = {"spec": {"resourceAttributes": asked}}
            review = await api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
            assert review["status"]["allowed"] is True
        async with Cluster(server.url) as nobody:
            (await nobody.get(PATH)).refused(401, "Unauthorized")


async def test_tokens_expire_and_are_revoked() -> None:
    async with ApiServer(authentication=True) as server:
        expired_token = server.tokens.issue("shop", "web", lifetime=-1)
        async with Cluster(server.url, token=expired_token) as api:
            (await api.get(PATH)).refused(401, "Unauthorized")
        token = server.tokens.issue("shop", "web")
        async with Cluster(server.url, token=token) as api:
            (await api.get(PATH)).ok()
            server.tokens.revoke(token)
            (await api.get(PATH)).refused(401, "Unauthorized")


async def test_a_token_review_judges_by_audience(server: ApiServer, api: Cluster) -> None:
    made = {"spec": {"audiences": ["istio-ca"], "expirationSeconds": 600}}
    issued = await api.create("/api/v1/namespaces/shop/serviceaccounts/web/token", made)
    token = issued["status"]["token"]
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    review = await api.create(path, {"spec": {"token": token, "audiences": ["istio-ca", "other"]}})
    assert review["status"]["audiences"] == ["istio-ca"]
    assert review["status"]["user"]["username"] == "system:serviceaccount:shop:web"
    assert "system:serviceaccounts" in review["status"]["user"]["groups"]
    assert (await api.create(path, {"spec": {"token": token}}))["status"]["authenticated"] is False
    assert (await api.create(path, {"spec": {"token": "x"}}))["status"]["authenticated"] is False


async def test_a_client_certificate_names_its_user(tmp_path: Path) -> None:
    tls = ServerTls("127.0.0.1", tmp_path)
    async with ApiServer(tls=tls, authorization=True) as server:
        pair = tls.authority.issue_client("ada", ["system:masters"])
        path = tmp_path / "ada.pem"
        path.write_bytes(pair.pem + pair.key_pem)
        context = ssl.create_default_context(cadata=tls.authority.roots.decode())
        context.load_cert_chain(path)
        async with Cluster(server.url, tls=context) as api:
            (await api.get(PATH)).ok()
            body = await api.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
            assert body["status"]["userInfo"]["username"] == "ada"
        tls.rotate(Authority("another"))
        async with Cluster(server.url, tls=context) as api:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await api.get(PATH)
