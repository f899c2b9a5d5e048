"""The page stands alone and shows every part of a result."""

import re
from xml.etree import ElementTree as ET

from fairlead.bench.html import render_page
from fairlead.bench.result import Distribution, Figure, Result, Second, Stage

OURS = Result(
    mode="churn",
    server="fairlead",
    settings={"services": 100},
    distributions=[Distribution(name="change -> last ACK", samples=[1.0, 2.0, 4.0, 100.0])],
    figures=[Figure("changes", 4), Figure("bytes", 1_234_567)],
    stages=[Stage("engine", 0.5), Stage("wire", 1.5)],
    seconds=[Second(1.0, 2, 20, 2_000), Second(2.0, 2, 20, 2_000)],
)
PEER = Result(mode="churn", server="<peer>", settings={}, failure="it is <gone>")


def test_it_needs_nothing_from_elsewhere() -> None:
    page = render_page([OURS])
    assert not re.search(r"<script|<link|src=|@import|url\(", page)
    assert page.count("http") == page.count("http://www.w3.org/2000/svg")


def test_every_chart_is_well_formed() -> None:
    charts = re.findall(r"<svg.*?</svg>", render_page([OURS]), re.DOTALL)
    # Histogram and cumulative distribution, three of throughput, and the stages.
    assert len(charts) == 6
    for chart in charts:
        ET.fromstring(chart)  # noqa: S314 - our own


def test_figures_and_settings_are_told() -> None:
    page = render_page([OURS])
    for text in ("services: 100", "1,234,567", "change -&gt; last ACK", "engine"):
        assert text in page


def test_a_peer_that_failed_is_told_of() -> None:
    page = render_page([OURS, PEER])
    assert "it is &lt;gone&gt;" in page
    assert "<peer>" not in page
