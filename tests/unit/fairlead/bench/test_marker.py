"""Every change can be told from every other one by its address."""

import pytest

from fairlead.bench.marker import MARKERS, find_markers, marker


@pytest.mark.parametrize("number", [0, 1, 255, 256, 65_535, 65_536, MARKERS - 1])
def test_a_number_is_found_in_bytes_again(number: int) -> None:
    assert list(find_markers(b"\x0a\x0c" + marker(number).encode() + b"\x10\x01")) == [number]


def test_other_addresses_are_no_markers() -> None:
    assert list(find_markers(b"10.18.0.1 198.20.0.1 198.17.0.1 198.18.0.1.7 198.51.100.1")) == []


def test_a_run_has_an_end() -> None:
    with pytest.raises(ValueError, match="at most"):
        marker(MARKERS)
