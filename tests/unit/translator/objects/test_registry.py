"""Kinds, their versions, and keys of objects."""

import msgspec
import pytest

from translator.objects.meta import MeshObject
from translator.objects.registry import BY_KIND, KINDS, Kind, KindSpec, ObjectKey, find_kind


def test_every_kind_has_one_entry_and_a_record_of_its_own() -> None:
    assert {spec.kind for spec in KINDS} == set(Kind)
    assert len({spec.struct for spec in KINDS}) == len(KINDS) == len(BY_KIND)


@pytest.mark.parametrize("spec", KINDS, ids=lambda spec: spec.kind)
def test_every_kind_is_found_by_each_version_that_is_served(spec: KindSpec) -> None:
    for version in spec.versions:
        assert find_kind(f"{spec.group}/{version}" if spec.group else version, spec.kind.bare) is spec
    assert issubclass(spec.struct, MeshObject)


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
def test_all_versions_of_networking_mean_the_same(version: str) -> None:
    assert find_kind(f"networking.istio.io/{version}", "VirtualService") is BY_KIND[Kind.VIRTUAL_SERVICE]


def test_other_versions_and_kinds_are_not_found() -> None:
    assert find_kind("networking.istio.io/v2", "VirtualService") is None
    assert find_kind("v1", "VirtualService") is None


def test_a_key_reads_well() -> None:
    assert str(ObjectKey(Kind.VIRTUAL_SERVICE, "shop", "reviews")) == "VirtualService shop/reviews"
    assert str(ObjectKey(Kind.NAMESPACE, "", "shop")) == "Namespace shop"
    assert str(ObjectKey(Kind.POD, "shop", "web-1", "east")) == "Pod shop/web-1 of cluster east"


@pytest.mark.parametrize("spec", KINDS, ids=lambda spec: spec.kind)
def test_bookkeeping_of_the_api_server_is_not_kept(spec: KindSpec) -> None:
    metadata = next(field.type for field in msgspec.structs.fields(spec.struct) if field.name == "metadata")

    names = {field.encode_name for field in msgspec.structs.fields(metadata)}

    assert names.isdisjoint({"resourceVersion", "generation", "managedFields", "uid", "selfLink"})
