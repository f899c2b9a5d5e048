"""Questions about many answers."""

import pytest

from fairlead.mesh.traffic import Answer, Traffic


def answer(sent: float = 0.0, status: int | None = 200, version: str = "v1", error: str = "") -> Answer:
    return Answer(sent=sent, latency=0.001, status=status, version=version, error=error)


@pytest.mark.parametrize(
    ("status", "error", "failed"),
    [
        (200, "", False),
        (404, "", False),
        (499, "", False),
        (500, "", True),
        (503, "", True),
        (None, "ConnectionResetError", True),
        (200, "reset on a kept connection", True),
        (None, "", False),  # a TCP exchange has no status
    ],
)
def test_failures_are_missing_answers_and_server_errors(status: int | None, error: str, failed: bool) -> None:  # noqa: FBT001
    assert answer(status=status, error=error).failed is failed


def test_shares_and_tallies() -> None:
    traffic = Traffic([answer(version="v1"), answer(version="v1"), answer(version="v2", status=503), answer(sent=9)])
    assert traffic.share("v1") == 0.75
    assert traffic.share("v9") == 0
    assert traffic.by_status() == {200: 3, 503: 1}
    assert len(traffic.sent_since(9)) == 1
    assert "1 of 4 requests failed" in traffic.describe_failures()


def test_the_body_is_decoded_on_request() -> None:
    assert Answer(0, 0, body=b'{"path": "/ip"}').json == {"path": "/ip"}
    with pytest.raises(ValueError, match="Expecting value"):
        _ = Answer(0, 0, body=b"no healthy upstream").json
