"""A rule that cannot be translated costs the virtual hosts that it is for, and no other."""

import pytest
from envoy.config.route.v3 import route_pb2

from tests.unit.translator.mesh_kit import SIDECAR, service, writes
from translator.routes import rule
from translator.routes.route import RuleInputs, build_routes
from translator.settings import Settings
from translator.translator import Translator
from translator.view import View
from xds.types import ROUTE

WEB, API = (f"{name}.default.svc.cluster.local:80" for name in ("web", "api"))
ROUTING = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}]
  http: [{{route: [{{destination: {{host: {name}}}}}], timeout: {seconds}s}}]
"""


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the VirtualServices over which the builder stumbles."""
    names: set[str] = set()

    def build(inputs: RuleInputs) -> object:
        if inputs.key.name in names:
            raise ValueError(inputs.key.name)
        return build_routes(inputs)

    monkeypatch.setattr(rule, "build_routes", build)
    return names


def apply(translator: Translator, view: View | None, **seconds: int) -> dict[str, int]:
    """Write routing rules, and bring the View up to date; the timeouts of the virtual hosts by their names."""
    for name, value in seconds.items():
        translator.apply(writes(ROUTING.format(name=name, seconds=value)))
    if view is None:
        return {}
    for _ in view.refresh():
        pass
    view.commit()
    table = route_pb2.RouteConfiguration.FromString(view.resources(ROUTE)["80"].body)
    return {host.name: host.routes[0].route.timeout.seconds for host in table.virtual_hosts}


def test_only_the_virtual_host_of_the_broken_rule_stays_as_it_was(broken: set[str]) -> None:
    translator = Translator(Settings())
    translator.apply([*writes(service("web")), *writes(service("api"))])
    view = translator.bind(SIDECAR).view
    before = apply(translator, view, web=1, api=1)
    assert (before[WEB], before[API]) == (1, 1)
    broken.add("web")
    after = apply(translator, view, web=2, api=2)
    assert (after[WEB], after[API]) == (1, 2)
    (failure,) = view.failures
    assert (failure.type_url, failure.name, failure.part) == (ROUTE, "80", "web.default.svc.cluster.local")
    assert "VirtualService default/web" in map(str, translator.blamed(failure))
    assert "VirtualService default/api" not in map(str, translator.blamed(failure))
    assert repr(failure.error.__cause__) == "ValueError('web')"
    broken.clear()
    mended = apply(translator, view, web=3)
    assert (mended[WEB], mended[API]) == (3, 2)
    assert not view.failures


def test_a_table_whose_rule_is_broken_from_the_start_has_all_other_virtual_hosts(broken: set[str]) -> None:
    broken.add("web")
    translator = Translator(Settings())
    translator.apply([*writes(service("web")), *writes(service("api"))])
    apply(translator, None, web=1, api=1)
    found = apply(translator, translator.bind(SIDECAR).view)
    assert found[API] == 1
    assert WEB not in found


def test_a_broken_host_goes_with_its_service(broken: set[str]) -> None:
    translator = Translator(Settings())
    translator.apply([*writes(service("web")), *writes(service("api"))])
    view = translator.bind(SIDECAR).view
    apply(translator, view, web=1, api=1)
    broken.add("web")
    apply(translator, view, web=2)
    translator.apply([write._replace(value=None) for write in writes(service("web"))])
    assert apply(translator, view).get(API) == 1
