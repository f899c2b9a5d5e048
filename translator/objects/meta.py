"""What every object has in common: metadata, selectors, and the base records that fix how JSON is read."""

from typing import Annotated

import msgspec

Uint32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
# msgspec bounds integers only within the signed range.
Uint64 = Annotated[int, msgspec.Meta(ge=0)]
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A trimmed Kubernetes record: fields that a mesh does not read are skipped.

    ``gc=False`` throughout: a decoded tree cannot hold a cycle, and a mesh holds hundreds of thousands of these.
    """


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False, forbid_unknown_fields=True):
    """A part of an Istio specification: complete, so a field that is not here is a mistake of the user."""


class Metadata(Record, frozen=True, kw_only=True):
    """The part of ``metadata`` that can shape configuration.

    Bookkeeping of the API server (resourceVersion, generation, managedFields, uid) is left out on purpose, so
    that an update of nothing else compares equal.
    """

    name: str
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: str = ""
    deletion_timestamp: str = ""


class LabelSelectorRequirement(Record, frozen=True, kw_only=True):
    """One set-based condition of a Kubernetes label selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(Record, frozen=True, kw_only=True):
    """A Kubernetes label selector: all labels and all expressions have to hold; an empty one selects everything."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


class WorkloadSelector(Message, frozen=True, kw_only=True):
    """The selector of ServiceEntry and Sidecar: workloads of the same namespace whose labels include these."""

    labels: dict[str, str] = {}


class PolicySelector(Message, frozen=True, kw_only=True):
    """The selector of DestinationRule and of policies (``istio.type.v1beta1.WorkloadSelector``)."""

    match_labels: dict[str, str] = {}


class MeshObject(Record, frozen=True, kw_only=True):
    """Any object that can be a row of the store."""

    metadata: Metadata
