"""The file of MeshConfig is followed while the control plane serves."""

from pathlib import Path
from typing import Any

from fairlead.address import Address
from fairlead.mesh.waiting import NotYetError, wait_until
from fairlead.settings import ServeSettings
from tests.integration.serving import Rig, serve
from translator.settings import Settings

ANYWHERE = Address("127.0.0.1", 0)


async def settings_of(rig: Rig, expected: str) -> None:
    """Wait until the mesh has this root namespace."""

    async def probe() -> None:
        found = rig.plane.translator.db.settings.mesh.root_namespace
        if found != expected:
            raise NotYetError(f"the root namespace is {found}")

    await wait_until(probe)


async def complaints(rig: Rig, count: int) -> list[dict[str, Any]]:
    """Wait for so many findings."""

    async def probe() -> list[dict[str, Any]]:
        found = await rig.findings()
        if len(found) != count:
            raise NotYetError(f"{found}")
        return found

    return await wait_until(probe)


async def test_settings_follow_their_file_and_broken_ones_are_told(tmp_path: Path) -> None:
    folder, file = tmp_path / "mesh", tmp_path / "mesh.yaml"
    folder.mkdir()
    file.write_text("rootNamespace: one")
    settings = ServeSettings(
        config_dir=folder, xds=ANYWHERE, admin=ANYWHERE, grace=0.2, mesh_file=file, mesh=Settings()
    )
    async with serve(settings) as rig:
        await settings_of(rig, "one")
        # As editors do it: another file comes to stand at the path.
        fresh = tmp_path / "fresh"
        fresh.write_text("rootNamespace: two\nenableTracing: false")
        fresh.rename(file)
        await settings_of(rig, "two")
        (idle,) = await complaints(rig, 1)
        assert idle["field"] == "enableTracing"
        file.write_text("rootNamespace: [")
        _, broken = sorted(await complaints(rig, 2), key=lambda each: each["severity"] == "error")
        assert "stay in force" in broken["reason"]
        await settings_of(rig, "two")
        file.write_text("rootNamespace: three")
        await settings_of(rig, "three")
        await complaints(rig, 0)
