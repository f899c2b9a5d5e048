"""What people should do about what an API server says."""

from fairlead.finding import CLUSTER_FAULT, Finding
from fairlead.sources.kubernetes.access import AccessError
from fairlead.sources.kubernetes.connection import ApiError, ApiRefused, ApiUnreachable
from fairlead.sources.kubernetes.served import Collection
from translator.diagnostics import Severity

Fault = ApiError | AccessError

_ISTIO_DEFINITIONS = (
    "install Istio's definitions to use them: helm install istio-base istio/base --namespace istio-system "
    "--create-namespace"
)


def explain_fault(fault: Fault, collection: Collection | None = None) -> str:
    """What went wrong and what helps, in one sentence."""
    if isinstance(fault, ApiUnreachable):
        return f"the API server cannot be reached: {fault.reason}"
    if not isinstance(fault, ApiRefused):
        return str(fault)
    if fault.code == 401:
        return f"{fault}: the API server does not accept the credentials; they are loaded again, and have to be valid"
    if fault.code == 403 and collection is not None:
        needed = collection.rule("list", "watch")
        return f"not allowed to follow {collection.plural}: the ClusterRole of Fairlead lacks the rule {needed}"
    return str(fault)


def fault_finding(cluster: str, fault: Fault, collection: Collection | None) -> Finding:
    """The fault as a finding."""
    effect = "what is known of it stays in force"
    return Finding(
        severity=Severity.ERROR,
        code=CLUSTER_FAULT,
        subject=f"cluster {cluster}" if cluster else "the cluster",
        message=f"{explain_fault(fault, collection)}; {effect}",
    )


def explain_missing(kinds: tuple[str, ...]) -> str:
    """What it means that Istio's kinds are not served."""
    return f"{', '.join(kinds)}: no such definition is installed in the cluster; {_ISTIO_DEFINITIONS}"
