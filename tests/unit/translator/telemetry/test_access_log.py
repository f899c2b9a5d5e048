"""Access logs."""

import pytest
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from google.protobuf.json_format import MessageToDict

from tests.unit.translator.listeners.listener_kit import kube_service, listeners, managers, proxies
from tests.unit.translator.mesh_kit import Mesh
from translator.objects.mesh_config import AccessLogEncoding, MeshConfig
from translator.telemetry.access_log import AccessLogFile, build_access_logs, build_listener_access_logs

MESH = (kube_service("web", "{name: http, port: 80}"), kube_service("db", "{name: tcp, port: 5432}"))


def users(listener: Listener) -> list[HttpConnectionManager | TcpProxy]:
    """What serves the connections of a listener."""
    return [*managers(listener), *proxies(listener)]


def written(log: AccessLogFile) -> file_pb2.FileAccessLog:
    """The configuration of the file."""
    (found,) = build_access_logs(log)
    return file_pb2.FileAccessLog.FromString(found.typed_config.value)


def test_without_a_file_there_is_no_log() -> None:
    assert build_access_logs(None) == []
    for listener in listeners(Mesh(*MESH)).values():
        assert not listener.access_log
        assert not any(each.access_log for each in users(listener))


def test_the_default_line_ends_itself() -> None:
    text = written(AccessLogFile("/dev/stdout")).log_format.text_format_source.inline_string
    assert text.startswith('[%START_TIME%] "%REQ(:METHOD)% ')
    assert text.endswith("%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n")
    assert len(text.split()) == 24


@pytest.mark.parametrize("text", ["%PROTOCOL%", "%PROTOCOL%\n"])
def test_a_line_of_one_s_own(text: str) -> None:
    found = written(AccessLogFile("/dev/stdout", format=text))
    assert found.log_format.text_format_source.inline_string == "%PROTOCOL%\n"


@pytest.mark.parametrize(
    ("text", "keys"),
    [("", 24), ('{"a": "%PROTOCOL%", "b": {"c": 1}}', 2), ("not json", 24), ("[1]", 24)],
)
def test_json(text: str, keys: int) -> None:
    found = written(AccessLogFile("/dev/stdout", AccessLogEncoding.JSON, text))
    assert len(MessageToDict(found.log_format.json_format)) == keys


def test_every_place_logs() -> None:
    found = listeners(Mesh(*MESH, mesh=MeshConfig(access_log_file="/dev/stdout")))
    for name, listener in found.items():
        assert [list(each.filter.response_flag_filter.flags) for each in listener.access_log] == [["NR"]]
        # The guard against loops says nothing.
        silent = 1 if name.startswith("virtual") else 0
        assert sum(not each.access_log for each in users(listener)) == silent


def test_listeners_can_be_silenced_alone() -> None:
    mesh = MeshConfig(access_log_file="/dev/stdout", disable_envoy_listener_log=True)
    for listener in listeners(Mesh(*MESH, mesh=mesh)).values():
        assert not listener.access_log
        assert any(each.access_log for each in users(listener))


def test_listener_logs_do_not_alter_others() -> None:
    log = AccessLogFile("/dev/stdout")
    build_listener_access_logs(log)
    assert not build_access_logs(log)[0].HasField("filter")
