"""The scale of a workload: how many replicas it has and is to have, in the same form for every kind."""

from tests.apiserver.document import Document, find, metadata_of
from tests.apiserver.errors import bad_request

_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def show_scale(document: Document) -> Document:
    """The scale of an object."""
    metadata = {name: value for name, value in metadata_of(document).items() if name in _KEPT}
    labels = find(document, "spec.selector.matchLabels") or {}
    status = {"replicas": find(document, "status.replicas") or 0}
    status["selector"] = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    spec = {"replicas": _replicas(document)}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def set_scale(document: Document, scale: Document) -> Document:
    """The object with the replicas of a scale; the revision is the one of the scale."""
    if scale.get("kind") != "Scale":
        raise bad_request("the object provided is no Scale")
    version = metadata_of(scale).get("resourceVersion")
    metadata = metadata_of(document) | ({"resourceVersion": version} if version else {})
    return document | {"metadata": metadata, "spec": document["spec"] | {"replicas": _replicas(scale)}}


def _replicas(document: Document) -> int:
    replicas = find(document, "spec.replicas")
    return 1 if replicas is None else int(replicas)
