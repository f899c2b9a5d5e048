"""The settings of a control plane, and where they come from."""

from pathlib import Path

import msgspec

from fairlead.address import Address
from fairlead.sources.folder import DEFAULT_FILE_LIMIT
from fairlead.sources.yaml_reader import YamlError, read_documents
from translator.decode import decode_record
from translator.objects.mesh_config import MeshConfig
from translator.settings import Settings


class SettingsError(Exception):
    """A setting is wrong; the text says which and why."""


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that ``fairlead serve`` can be told.

    ``plaintext_secrets``: give Secrets to proxies although anybody on the network can claim to be one.
    """

    config_dir: Path
    xds: Address = Address("127.0.0.1", 15010)
    admin: Address = Address("127.0.0.1", 15014)
    mesh: Settings = Settings()
    file_limit: int = DEFAULT_FILE_LIMIT
    grace: float = 5.0
    plaintext_secrets: bool = False

    @property
    def discloses_secrets(self) -> bool:
        """Whether gateways get their certificates.

        Istio gives Secrets only to proxies that proved who they are. Until proxies can, being on the same machine
        has to do, or the word of whoever runs this.
        """
        return self.plaintext_secrets or self.xds.is_loopback


def load_settings(mesh_config: Path | None, *, shadow_host_suffix: bool = False) -> Settings:
    """The mesh-wide settings, with MeshConfig from a file if there is one. Raises SettingsError."""
    mesh = load_mesh_config(mesh_config) if mesh_config else MeshConfig()
    return Settings(mesh=mesh, shadow_host_suffix=shadow_host_suffix)


def load_mesh_config(path: Path) -> MeshConfig:
    """Istio's MeshConfig from a YAML file. Raises SettingsError with every fault."""
    try:
        documents = list(read_documents(path.read_bytes()))
        content = documents[0].content() if documents else None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except YamlError as error:
        raise SettingsError(f"{path}:{error.line}: {error.reason}") from error
    mesh, violations = decode_record({} if content is None else content, MeshConfig)
    if mesh is None:
        raise SettingsError("\n".join(f"{path}: {violation}" for violation in violations))
    return mesh
