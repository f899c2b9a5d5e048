"""What the API server itself fills in when it stores an object of a built-in kind."""

import base64
import hashlib
from collections.abc import Callable
from typing import Final

from tests.apiserver.document import Document, find, name_of, with_metadata, without

_SERVICE_NETWORK: Final = (10, 96)
_GRACE: Final = 30


def fill_in(table: tuple[str, str], document: Document) -> Document:
    """The document with its defaults."""
    default = _DEFAULTS.get(table)
    return default(document) if default else document


def initial_status(table: tuple[str, str], document: Document) -> Document:
    """The document as it is created: without the status that somebody else has to write."""
    if table == ("", "pods"):
        return document | {"status": {"phase": "Pending", "qosClass": "BestEffort"}}
    if table == ("", "services"):
        return document | {"status": {"loadBalancer": {}}}
    if table in {("", "nodes"), ("", "namespaces")}:
        return document
    if table[0] == "apps":
        return document | {"status": {"replicas": 0}}
    return without(document, "status")


def _namespace(document: Document) -> Document:
    labels = (document.get("metadata") or {}).get("labels") or {}
    named = with_metadata(document, labels=labels | {"kubernetes.io/metadata.name": name_of(document)})
    spec = {"finalizers": ["kubernetes"]} | (document.get("spec") or {})
    return named | {"spec": spec, "status": {"phase": "Active"} | (document.get("status") or {})}


def _pod(document: Document) -> Document:
    spec = document.get("spec") or {}
    account = spec.get("serviceAccountName") or "default"
    defaults = {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": _GRACE,
        "enableServiceLinks": True,
        "securityContext": {},
    }
    return document | {"spec": defaults | spec | {"serviceAccountName": account, "serviceAccount": account}}


def _service(document: Document) -> Document:
    spec = document.get("spec") or {}
    kind = spec.get("type") or "ClusterIP"
    ports = [{"protocol": "TCP", "targetPort": port.get("port")} | port for port in spec.get("ports") or ()]
    filled = {"sessionAffinity": "None", "type": kind} | spec | ({"ports": ports} if ports else {})
    if kind != "ExternalName":
        address = spec.get("clusterIP") or _cluster_ip(document)
        filled |= {"clusterIP": address, "clusterIPs": spec.get("clusterIPs") or [address]}
        filled = {"internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"} | filled
    return document | {"spec": filled}


def _cluster_ip(document: Document) -> str:
    # The same name gets the same address: nothing has to be remembered over a restart.
    key = f"{find(document, 'metadata.namespace')}/{name_of(document)}".encode()
    high, low = hashlib.sha256(key).digest()[:2]
    return ".".join(map(str, (*_SERVICE_NETWORK, high, max(low, 1))))


def _secret(document: Document) -> Document:
    data = dict(document.get("data") or {})
    for name, text in (document.get("stringData") or {}).items():
        data[name] = base64.b64encode(text.encode()).decode()
    filled = {"type": "Opaque"} | without(document, "stringData")
    return filled | ({"data": data} if data else {})


def _endpoint_slice(document: Document) -> Document:
    ports = [{"name": "", "protocol": "TCP"} | port for port in document.get("ports") or ()]
    return document | {"ports": ports, "endpoints": document.get("endpoints") or []}


def _definition(document: Document) -> Document:
    spec = document.get("spec") or {}
    names = spec.get("names") or {}
    kind = str(names.get("kind") or "")
    filled = {"singular": kind.lower(), "listKind": f"{kind}List"} | names
    return document | {"spec": {"conversion": {"strategy": "None"}} | spec | {"names": filled}}


_DEFAULTS: Final[dict[tuple[str, str], Callable[[Document], Document]]] = {
    ("", "namespaces"): _namespace,
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("", "secrets"): _secret,
    ("discovery.k8s.io", "endpointslices"): _endpoint_slice,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _definition,
}
