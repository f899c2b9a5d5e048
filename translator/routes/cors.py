"""Cross-origin resource sharing: per-route settings of the CORS filter."""

from typing import Final

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.type.matcher.v3 import string_pb2

from translator import pb
from translator.objects.virtual_service import CorsPolicy, UnmatchedPreflights
from translator.routes.fraction import of_hundred
from translator.routes.match import build_string_matcher

CORS_FILTER: Final = "envoy.filters.http.cors"


def build_cors(policy: CorsPolicy) -> cors_pb2.CorsPolicy:
    """The CORS policy of a rule."""
    built = cors_pb2.CorsPolicy(
        allow_origin_string_match=_origins(policy),
        allow_methods=",".join(policy.allow_methods),
        allow_headers=",".join(policy.allow_headers),
        expose_headers=",".join(policy.expose_headers),
        filter_enabled=base_pb2.RuntimeFractionalPercent(default_value=of_hundred(100)),
        forward_not_matching_preflights=pb.boolean(policy.unmatched_preflights is not UnmatchedPreflights.IGNORE),
    )
    if policy.max_age is not None:
        built.max_age = str(policy.max_age.seconds)
    if policy.allow_credentials is not None:
        built.allow_credentials.value = policy.allow_credentials
    return built


def _origins(policy: CorsPolicy) -> list[string_pb2.StringMatcher]:
    """The deprecated list of exact origins counts only while the list of matchers is absent."""
    if policy.allow_origins:
        return [build_string_matcher(match) for match in policy.allow_origins]
    return [string_pb2.StringMatcher(exact=origin) for origin in policy.allow_origin]
