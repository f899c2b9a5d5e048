"""Delegation: the rule of a root VirtualService joined with the rules of the delegate that it refers to.

Istio: HTTP only, one level. What the delegate leaves unset is taken from the root; conditions of both have to
hold, and a delegate's rule that could reach beyond the root's conditions is dropped as a whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from translator.objects.virtual_service import HTTPMatchRequest, HTTPRoute, StringMatch

V = TypeVar("V")

# Taken from the root as a whole where the delegate has nothing; in particular headers are not joined by name.
_INHERITED: Final = (
    "rewrite",
    "direct_response",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrors",
    "mirror_percent",
    "mirror_percentage",
    "cors_policy",
    "headers",
)


def merge_rules(root: HTTPRoute, rules: Iterable[HTTPRoute]) -> Iterator[HTTPRoute]:
    """The delegate's rules, in order, as they apply under one rule of the root."""
    for rule in rules:
        match = _merge_matches(root.match, rule.match)
        if match is None:
            continue
        inherited = {field: getattr(root, field) for field in _INHERITED if getattr(rule, field) in (None, ())}
        yield msgspec.structs.replace(rule, name=_join_names(root.name, rule.name), match=match, **inherited)


def _merge_matches(
    roots: tuple[HTTPMatchRequest, ...], delegates: tuple[HTTPMatchRequest, ...]
) -> tuple[HTTPMatchRequest, ...] | None:
    """All compatible pairs; None when a match of the delegate goes with none of the root's."""
    if not roots or not delegates:
        return roots or delegates
    merged: list[HTTPMatchRequest] = []
    for own in delegates:
        compatible = [root for root in roots if _is_compatible(root, own)]
        if not compatible:
            return None
        merged += [_merge_match(root, own) for root in compatible]
    return tuple(merged)


def _merge_match(root: HTTPMatchRequest, own: HTTPMatchRequest) -> HTTPMatchRequest:
    return HTTPMatchRequest(
        name=_join_names(root.name, own.name),
        uri=own.uri or root.uri,
        scheme=own.scheme or root.scheme,
        method=own.method or root.method,
        authority=own.authority or root.authority,
        headers={**root.headers, **own.headers},
        without_headers={**root.without_headers, **own.without_headers},
        query_params={**root.query_params, **own.query_params},
        port=own.port or root.port,
        source_labels={**root.source_labels, **own.source_labels},
        gateways=own.gateways or root.gateways,
        ignore_uri_case=own.ignore_uri_case,
        source_namespace=own.source_namespace or root.source_namespace,
        stat_prefix=own.stat_prefix or root.stat_prefix,
    )


def _is_compatible(root: HTTPMatchRequest, own: HTTPMatchRequest) -> bool:
    comparisons = (
        (root.uri, own.uri),
        (root.scheme, own.scheme),
        (root.method, own.method),
        (root.authority, own.authority),
        *_same_keys(root.headers, own.headers),
        *_same_keys(root.without_headers, own.without_headers),
        *_same_keys(root.query_params, own.query_params),
    )
    return (
        all(_is_narrower(one, other) for one, other in comparisons)
        and root.ignore_uri_case == own.ignore_uri_case
        and (not root.port or not own.port or root.port == own.port)
        and root.source_namespace in ("", own.source_namespace)
        and all(one == other for one, other in _same_keys(root.source_labels, own.source_labels))
        and (not root.gateways or set(own.gateways) <= set(root.gateways))
    )


def _same_keys(root: Mapping[str, V], own: Mapping[str, V]) -> Iterator[tuple[V, V]]:
    return ((value, own[key]) for key, value in root.items() if key in own)


def _is_narrower(root: StringMatch | None, own: StringMatch | None) -> bool:
    """Whether everything that the delegate's comparison accepts is accepted by the root's, as far as can be told."""
    if root is None or own is None:
        return True
    if root.regex is not None or own.regex is not None:
        return False
    if root.exact is not None:
        return own.exact == root.exact
    if root.prefix is not None:
        return (own.exact if own.exact is not None else own.prefix or "").startswith(root.prefix)
    return False


def _join_names(root: str, own: str) -> str:
    return f"{root}-{own}" if root and own else root or own
