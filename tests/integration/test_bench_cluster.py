"""The load of the bench in a cluster: written there, followed from there, and changed there."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from fairlead.bench.cluster import ClusterDestination
from fairlead.bench.failure import BenchError
from fairlead.bench.load import ChangeKind, Load, LoadShape
from tests.apiserver.definitions import mesh_definitions
from tests.apiserver.server import ApiServer

SHAPE = LoadShape(services=6, endpoints=2, namespaces=2, virtual_services=0.5, destination_rules=0.5, pods=False)


async def test_objects_are_created_and_then_changed(tmp_path: Path) -> None:
    async with ApiServer() as server:
        server.put(*mesh_definitions())
        destination = ClusterDestination(str(server.write_kubeconfig(tmp_path / "kubeconfig")))
        try:
            for _ in range(2):
                await destination.fill(Load(SHAPE).documents())
            change = Load(SHAPE).change(ChangeKind.ENDPOINT, 7, 0)
            await destination.prepare(change.documents)()
        finally:
            await destination.close()


async def test_a_cluster_without_the_kinds_says_so(tmp_path: Path) -> None:
    async with ApiServer() as server:
        destination = ClusterDestination(str(server.write_kubeconfig(tmp_path / "kubeconfig")))
        try:
            with pytest.raises(BenchError, match="definitions of Istio's kinds"):
                await destination.fill(Load(SHAPE).documents())
        finally:
            await destination.close()


async def test_changes_in_a_cluster_reach_every_proxy(tmp_path: Path) -> None:
    async with ApiServer() as server:
        server.put(*mesh_definitions())
        kubeconfig = server.write_kubeconfig(tmp_path / "kubeconfig")
        sizes = ("--services", "6", "--namespaces", "2", "--endpoints", "2", "--sidecars", "3", "--changes", "4")
        bench = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fairlead", "bench", "push", "--self", "--kubeconfig", str(kubeconfig), *sizes,
            "--change", "endpoint", "--change", "service", "-o", "json",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        told, problems = await asyncio.wait_for(bench.communicate(), 90)
        assert bench.returncode == 0, problems.decode()
        figures = json.loads(told)["figures"]
        assert figures["endpoint: proxies concerned by a change"] == 3
        assert figures["service: proxies concerned by a change"] == 3
