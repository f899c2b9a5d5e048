"""The load is the same every time, is accepted without a finding, and its changes carry their numbers."""

import msgspec
import pytest

from fairlead.bench.load import ChangeKind, Document, Load, LoadShape
from fairlead.bench.marker import find_markers
from translator.decode import decode_object

SHAPE = LoadShape(services=20, endpoints=3, namespaces=4, virtual_services=0.5, destination_rules=0.5, scoped=True)


def kinds(documents: list[Document]) -> dict[str, int]:
    found: dict[str, int] = {}
    for document in documents:
        found[document["kind"]] = found.get(document["kind"], 0) + 1
    return found


def test_there_is_as_much_of_everything_as_was_asked_for() -> None:
    assert kinds(list(Load(SHAPE).documents())) == {
        "Namespace": 5,
        "Sidecar": 4,
        "Gateway": 1,
        "Service": 20,
        "Pod": 60,
        "EndpointSlice": 20,
        "VirtualService": 10,
        "DestinationRule": 10,
    }


def test_it_is_the_same_every_time() -> None:
    first, second = (msgspec.json.encode(list(Load(SHAPE).documents())) for _ in range(2))
    assert first == second


def test_every_object_is_accepted() -> None:
    for document in Load(SHAPE).documents():
        decoded = decode_object(document)
        assert decoded.violations == ()
        assert decoded.object is not None


@pytest.mark.parametrize("kind", [ChangeKind.ENDPOINT, ChangeKind.WEIGHT, ChangeKind.SERVICE])
def test_a_change_carries_its_number(kind: ChangeKind) -> None:
    change = Load(SHAPE).change(kind, 300, 7)
    assert list(find_markers(msgspec.json.encode(change.documents))) == [300]
    assert all(decode_object(document).violations == () for document in change.documents)


def test_a_change_of_a_status_carries_nothing_that_a_proxy_could_see() -> None:
    (document,) = Load(SHAPE).change(ChangeKind.STATUS, 300, 7).documents
    (before,) = (each for each in Load(SHAPE).service_documents(7) if each["kind"] == "Service")
    assert document["spec"] == before["spec"]
    assert document["metadata"]["resourceVersion"] == "300"


def test_one_endpoint_is_replaced_and_no_other() -> None:
    (changed,) = Load(SHAPE).change(ChangeKind.ENDPOINT, 1, 21).documents
    (before,) = Load(SHAPE).slices(1)
    addresses = [[endpoint["addresses"][0] for endpoint in document["endpoints"]] for document in (before, changed)]
    assert [old == new for old, new in zip(*addresses, strict=True)] == [True, False, True]


def test_weights_need_a_virtual_service() -> None:
    with pytest.raises(ValueError, match="--virtual-services"):
        Load(LoadShape(services=5, namespaces=1, virtual_services=0)).change(ChangeKind.WEIGHT, 1, 0)


@pytest.mark.parametrize("field", ["services", "endpoints", "namespaces"])
def test_a_shape_that_cannot_be_generated(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        msgspec.structs.replace(SHAPE, **{field: 0})


def test_large_services_have_several_slices() -> None:
    load = Load(LoadShape(services=1, endpoints=250, namespaces=1, pods=False))
    sizes = [len(document["endpoints"]) for document in load.slices(0)]
    assert sizes == [100, 100, 50]
    change = load.change(ChangeKind.ENDPOINT, 9, 120)
    assert change.documents[0]["metadata"]["name"] == "service-0-a1"
