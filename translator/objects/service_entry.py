"""ServiceEntry (networking.istio.io): services that Kubernetes does not know."""

import enum

from translator.objects.meta import MeshObject, Message, Record, Uint32, WorkloadSelector
from translator.objects.workload import WorkloadEntrySpec


class Location(enum.StrEnum):
    """Whether a service is part of the mesh."""

    MESH_EXTERNAL = "MESH_EXTERNAL"
    MESH_INTERNAL = "MESH_INTERNAL"


class ServiceEntryResolution(enum.StrEnum):
    """How the addresses of a service are found."""

    NONE = "NONE"
    STATIC = "STATIC"
    DNS = "DNS"
    DNS_ROUND_ROBIN = "DNS_ROUND_ROBIN"
    DYNAMIC_DNS = "DYNAMIC_DNS"


class ServiceEntryPort(Message, frozen=True, kw_only=True):
    """A port of the service; ``target_port`` 0 means the same number."""

    number: Uint32
    name: str
    protocol: str = ""
    target_port: Uint32 = 0


class ServiceEntrySpec(Message, frozen=True, kw_only=True):
    """A ServiceEntry's specification."""

    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[ServiceEntryPort, ...] = ()
    location: Location = Location.MESH_EXTERNAL
    resolution: ServiceEntryResolution = ServiceEntryResolution.NONE
    endpoints: tuple[WorkloadEntrySpec, ...] = ()
    workload_selector: WorkloadSelector | None = None
    export_to: tuple[str, ...] = ()
    subject_alt_names: tuple[str, ...] = ()


class AllocatedAddress(Record, frozen=True, kw_only=True):
    """An address that was allocated to one of the hosts."""

    value: str = ""
    host: str = ""


class ServiceEntryStatus(Record, frozen=True, kw_only=True):
    """The allocated addresses."""

    addresses: tuple[AllocatedAddress, ...] = ()


class ServiceEntry(MeshObject, frozen=True, kw_only=True):
    """A service beside those of Kubernetes."""

    spec: ServiceEntrySpec = ServiceEntrySpec()
    status: ServiceEntryStatus = ServiceEntryStatus()
