r"""Rewrites of path prefixes that keep the segments of a path apart.

Envoy puts the replacement in the place of the prefix, character by character. So does Istio with the two given:
``/foo`` by ``/`` makes ``//bar`` of ``/foo/bar``, and ``/`` by ``/bar`` makes ``/barfoo`` of ``/foo``. Nobody means
that. Where one of the two ends with a slash and the other does not, the slash is kept once.
"""

import re

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import regex_pb2


def mend_rewrite(route: route_components_pb2.Route) -> None:
    """Let the rewrite or redirect of a route join paths at a slash, where Envoy's own would not."""
    action = route.redirect if route.HasField("redirect") else route.route
    separated = route.match.path_separated_prefix
    if route.HasField("direct_response") or not action.prefix_rewrite or not (route.match.prefix or separated):
        return
    mended = build_rewrite(route.match, action.prefix_rewrite)
    if mended is not None:
        action.ClearField("prefix_rewrite")
        action.regex_rewrite.CopyFrom(mended)


def build_rewrite(match: route_components_pb2.RouteMatch, replacement: str) -> regex_pb2.RegexMatchAndSubstitute | None:
    """A rewrite of the matched prefix that joins paths at one slash; None where a plain one does."""
    prefix = match.prefix or match.path_separated_prefix
    if prefix.endswith("/") == replacement.endswith("/"):
        return None
    folded = match.HasField("case_sensitive") and not match.case_sensitive.value
    start = "(?i)^" if folded else "^"
    escaped = replacement.replace("\\", "\\\\")
    if replacement.endswith("/"):
        # The slash that the replacement brings along already.
        pattern, substitution = f"{start}{re.escape(prefix)}/?", escaped
    else:
        # The slash belongs to the rest, if there is any.
        pattern, substitution = f"{start}{re.escape(prefix[:-1])}(?:/$|(/))", f"{escaped}\\1"
    return regex_pb2.RegexMatchAndSubstitute(pattern=regex_pb2.RegexMatcher(regex=pattern), substitution=substitution)
