"""WorkloadEntry and WorkloadGroup (networking.istio.io): workloads that are not pods."""

from translator.objects.meta import Int32, MeshObject, Message, Record, Uint32


class WorkloadEntrySpec(Message, frozen=True, kw_only=True):
    """One workload; also the form of the endpoints of a ServiceEntry."""

    address: str = ""
    ports: dict[str, Uint32] = {}
    labels: dict[str, str] = {}
    network: str = ""
    locality: str = ""
    weight: Uint32 = 0
    service_account: str = ""


class WorkloadCondition(Record, frozen=True, kw_only=True):
    """A condition in the status of a WorkloadEntry, without its times."""

    type: str = ""
    status: str = ""


class WorkloadEntryStatus(Record, frozen=True, kw_only=True):
    """Health of an auto-registered workload."""

    conditions: tuple[WorkloadCondition, ...] = ()


class WorkloadEntry(MeshObject, frozen=True, kw_only=True):
    """A workload with an address of its own."""

    spec: WorkloadEntrySpec = WorkloadEntrySpec()
    status: WorkloadEntryStatus = WorkloadEntryStatus()


class TemplateMetadata(Message, frozen=True, kw_only=True):
    """Labels and annotations that a group gives to its workloads."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class HTTPHeader(Message, frozen=True, kw_only=True):
    """A header of a probe."""

    name: str = ""
    value: str = ""


class HTTPHealthCheck(Message, frozen=True, kw_only=True):
    """Probe by HTTP."""

    port: Uint32
    path: str = ""
    host: str = ""
    scheme: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPHealthCheck(Message, frozen=True, kw_only=True):
    """Probe by connecting."""

    port: Uint32
    host: str = ""


class ExecHealthCheck(Message, frozen=True, kw_only=True):
    """Probe by command."""

    command: tuple[str, ...] = ()


class GrpcHealthCheck(Message, frozen=True, kw_only=True):
    """Probe by gRPC health check."""

    port: Uint32 = 0
    service: str = ""


class ReadinessProbe(Message, frozen=True, kw_only=True):
    """How the health of a workload is found out."""

    initial_delay_seconds: Int32 = 0
    timeout_seconds: Int32 = 0
    period_seconds: Int32 = 0
    success_threshold: Int32 = 0
    failure_threshold: Int32 = 0
    http_get: HTTPHealthCheck | None = None
    tcp_socket: TCPHealthCheck | None = None
    exec: ExecHealthCheck | None = None
    grpc: GrpcHealthCheck | None = None


class WorkloadGroupSpec(Message, frozen=True, kw_only=True):
    """A WorkloadGroup's specification."""

    template: WorkloadEntrySpec
    metadata: TemplateMetadata | None = None
    probe: ReadinessProbe | None = None


class WorkloadGroup(MeshObject, frozen=True, kw_only=True):
    """The template from which workloads register themselves."""

    spec: WorkloadGroupSpec
