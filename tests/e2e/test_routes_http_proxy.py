"""Applications that are told to use the sidecar as an HTTP proxy name the host, with its port, in every request."""

from pathlib import Path

from fairlead.mesh.clients import HttpClient, Request
from fairlead.mesh.documents import StandInPort
from fairlead.mesh.mesh import LocalMesh
from tests.simulation.echo import RawClient, build_echo


async def test_case_07_hosts_with_and_without_their_port(tmp_path: Path) -> None:
    async with LocalMesh(tmp_path, mesh_config={"proxyHttpPort": 15007}) as mesh:
        ports = (StandInPort(80, 8080), StandInPort(8081, 8080, "http-other"))
        await mesh.workload("web", ports=ports, build_server=build_echo).add("v1")
        sleep = await mesh.start_client()
        async with HttpClient(sleep.address(15007)) as client:
            await client.wait_ok(Request("/", "web"), "web", context=mesh.describe)
        async with RawClient(sleep.address(15007)) as raw:
            for authority in ("web", "web:80", "web:8081", "web.default.svc.cluster.local:8081"):
                reply = await raw.send("GET", f"http://{authority}/path?q", [("host", authority)])
                assert reply.echoed is not None, (authority, reply)
                assert (reply.echoed["host"], reply.echoed["path"]) == (authority, "/path?q")
            reply = await raw.send("GET", "http://web:99/", [("host", "web:99")])
            assert reply.echoed is None
