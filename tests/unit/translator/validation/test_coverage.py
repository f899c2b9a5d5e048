"""How users learn of fields that are accepted without being translated."""

import types
import typing

import msgspec
import pytest

from translator.decode import decode_object
from translator.diagnostics import Severity
from translator.objects.meta import MeshObject
from translator.objects.registry import BY_KIND, Kind
from translator.validation.coverage import GAPS, Gap, untranslated


def virtual_service(**spec: object) -> MeshObject:
    document = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "reviews"},
        "spec": {"hosts": ["reviews"], **spec},
    }
    decoded = decode_object(document)
    assert decoded.object is not None, decoded.violations
    return decoded.object


ROUTE = [{"destination": {"host": "reviews"}}]


def places(obj: MeshObject, path: str) -> list[str]:
    return [violation.path for violation in untranslated(obj, [Gap(Kind.VIRTUAL_SERVICE, path)])]


def test_each_place_that_sets_the_field_gets_a_warning() -> None:
    rules = [{"route": ROUTE, "timeout": "1s"}, {"route": ROUTE}, {"route": ROUTE, "timeout": "2s"}]
    obj = virtual_service(http=rules)

    violations = untranslated(obj, [Gap(Kind.VIRTUAL_SERVICE, "spec.http[].timeout", "use a route of its own")])

    assert [violation.path for violation in violations] == ["spec.http[0].timeout", "spec.http[2].timeout"]
    assert {violation.severity for violation in violations} == {Severity.WARNING}
    assert violations[0].reason == "accepted but not translated yet: use a route of its own"


def test_items_of_maps_and_arrays_are_told_by_key_and_index() -> None:
    matches = [{"headers": {"b": {"exact": "1"}, "a": {"regex": "1"}}}]
    obj = virtual_service(http=[{"route": ROUTE, "match": matches}])

    assert places(obj, "spec.http[].match[].headers[].regex") == ["spec.http[0].match[0].headers[a].regex"]
    assert places(obj, "spec.http[].match[].headers[]") == [
        "spec.http[0].match[0].headers[a]",
        "spec.http[0].match[0].headers[b]",
    ]


def test_a_gap_may_be_one_value_of_a_field() -> None:
    obj = virtual_service(http=[{"route": ROUTE, "name": name} for name in ("one", "two")])
    gap = Gap(Kind.VIRTUAL_SERVICE, "spec.http[].name", value="two")

    assert [violation.path for violation in untranslated(obj, [gap])] == ["spec.http[1].name"]


def test_a_field_that_has_its_default_does_not_count() -> None:
    obj = virtual_service(http=[{"route": ROUTE, "match": [{"ignoreUriCase": False}]}])

    assert places(obj, "spec.http[].match[].ignoreUriCase") == []
    assert places(obj, "spec.exportTo") == []


def test_gaps_of_other_kinds_do_not_count() -> None:
    assert untranslated(virtual_service(http=[{"route": ROUTE}]), [Gap(Kind.SIDECAR)]) == ()


def test_a_whole_kind_is_reported_on_the_object_itself() -> None:
    document = {"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": {"name": "patch"}}
    obj = decode_object(document).object
    assert obj is not None

    [violation] = untranslated(obj, [Gap(Kind.ENVOY_FILTER)])

    assert violation.path == ""


def member_types(annotation: object) -> typing.Iterator[type]:
    """All records that a value of the type can hold directly."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) in (tuple, dict):
        for argument in typing.get_args(annotation):
            yield from member_types(argument)
    elif isinstance(annotation, type):
        yield annotation


@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: f"{gap.kind} {gap.path}")
def test_every_gap_names_a_field_that_exists(gap: Gap) -> None:
    records: set[type] = {BY_KIND[gap.kind].struct}
    for step in gap.path.split(".") if gap.path else ():
        fields = [field for record in records for field in msgspec.structs.fields(record)]
        found = [field for field in fields if field.encode_name == step.removesuffix("[]")]
        assert found, f"{step} of {gap.path}"
        records = {
            member for field in found for member in member_types(field.type) if issubclass(member, msgspec.Struct)
        }
