"""How users learn of fields that are accepted without being translated."""

import re
import types
import typing
from pathlib import Path

import msgspec
import pytest
import yaml

from translator.decode import decode_object, decode_record
from translator.diagnostics import Severity
from translator.objects.mesh_config import MeshConfig
from translator.objects.meta import MeshObject
from translator.objects.registry import BY_KIND, Kind
from translator.validation.coverage import GAPS, SETTINGS_GAPS, Gap, untranslated, untranslated_settings


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


def mesh_config(text: str) -> MeshConfig:
    found, violations = decode_record(yaml.safe_load(text), MeshConfig)
    assert found is not None, violations
    return found


def test_settings_of_the_mesh_that_have_no_effect_are_told_where_they_are_set() -> None:
    text = """
trustDomain: example.org
enableTracing: true
extensionProviders: [{name: otel}]
defaultProviders: {tracing: [otel]}
caCertificates: [{trustDomains: [a.org]}, {pem: x}]
defaultConfig: {concurrency: 2, discoveryAddress: 'fairlead:15012', proxyHeaders: {server: {disabled: true}}}
"""
    found = untranslated_settings(mesh_config(text))
    assert [violation.path for violation in found] == [
        "caCertificates[1].pem",
        "extensionProviders",
        "defaultProviders.tracing",
        "defaultConfig.concurrency",
    ]
    assert all(violation.severity is Severity.WARNING for violation in found)
    assert untranslated_settings(MeshConfig()) == ()


# What the sources say of MeshConfig: fields that nothing reads would be left out of the table unnoticed.
@pytest.mark.parametrize("name", [field.name for field in msgspec.structs.fields(MeshConfig)])
def test_every_setting_of_the_mesh_is_read_or_reported(project_root: Path, name: str) -> None:
    encoded = next(field.encode_name for field in msgspec.structs.fields(MeshConfig) if field.name == name)
    reported = any(path.partition("[")[0].partition(".")[0] == encoded for path in SETTINGS_GAPS)
    reads = re.compile(rf"\.{name}\b")
    packages = [path for path in (project_root / "translator").rglob("*.py") if "validation" not in path.parts]
    assert reported or any(reads.search(path.read_text()) for path in packages)


@pytest.mark.parametrize("path", SETTINGS_GAPS)
def test_every_gap_of_the_settings_names_a_field_that_exists(path: str) -> None:
    records: set[type] = {MeshConfig}
    for step in path.split("."):
        fields = [field for record in records for field in msgspec.structs.fields(record)]
        found = [field for field in fields if field.encode_name == step.removesuffix("[]")]
        assert found, f"{step} of {path}"
        records = {
            member for field in found for member in member_types(field.type) if issubclass(member, msgspec.Struct)
        }


def test_a_gap_may_be_all_values_that_begin_alike() -> None:
    conditions = [{"key": key, "values": ["a"]} for key in ("request.auth.presenter", "source.principal")]
    sources = [{"source": {"requestPrincipals": ["a"]}}, {"source": {"principals": ["a"]}}]
    document = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "policy"},
        "spec": {"rules": [{"from": sources, "when": conditions}]},
    }
    decoded = decode_object(document)
    assert decoded.object is not None, decoded.violations
    assert [violation.path for violation in untranslated(decoded.object)] == [
        "spec.rules[0].from[0].source.requestPrincipals",
        "spec.rules[0].when[0].key",
    ]
