"""Who calls: the matchers of a rule's sources."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec
from envoy.config.rbac.v3 import rbac_pb2
from envoy.type.matcher.v3 import metadata_pb2, string_pb2, value_pb2

from translator.objects.security import Source
from translator.security.authorization.attribute import (
    Attribute,
    UnusableError,
    bracketed,
    build_header,
    build_range,
    build_regex,
    build_string,
    quote,
)

Principal = rbac_pb2.Principal
_Value = value_pb2.ValueMatcher

_SPIFFE: Final = "spiffe://"
_SEGMENTS: Final = 5
_DEFAULT_DOMAIN: Final = "cluster.local"
# Where Envoy's filter for tokens leaves what a token claims.
_TOKENS: Final = "envoy.filters.http.jwt_authn"
_CLAIMS: Final = "payload"
_HEADERS: Final = "request.headers"
_CLAIM: Final = "request.auth.claims"


class PrincipalScope(msgspec.Struct, frozen=True):
    """What the meaning of a source depends on beside itself. ``http``: requests are judged, and not connections."""

    namespace: str
    trust_domains: tuple[str, ...]
    http: bool


def source_attributes(source: Source, scope: PrincipalScope) -> Iterator[Attribute[Principal]]:
    """The fields of a source, in Istio's order."""
    for key, values, excluded in (
        ("source.principal", source.principals, source.not_principals),
        ("request.auth.principal", source.request_principals, source.not_request_principals),
        ("source.serviceAccount", source.service_accounts, source.not_service_accounts),
        ("source.trustDomain", source.trust_domains, source.not_trust_domains),
        ("source.namespace", source.namespaces, source.not_namespaces),
        ("remote.ip", source.remote_ip_blocks, source.not_remote_ip_blocks),
        ("source.ip", source.ip_blocks, source.not_ip_blocks),
    ):
        yield source_attribute(key, values, excluded, scope)


def source_attribute(
    key: str, values: tuple[str, ...], excluded: tuple[str, ...], scope: PrincipalScope
) -> Attribute[Principal]:
    """What a condition asks of the caller; every value of an unknown key is unusable."""
    return Attribute(values, excluded, lambda value: list(_principals(key, value, scope)))


def _principals(key: str, value: str, scope: PrincipalScope) -> Iterator[Principal]:
    match key:
        case "source.principal":
            for each in _all_domains(value, scope.trust_domains):
                yield _authenticated(_identity(each))
        case "source.namespace":
            yield _authenticated(build_regex(f".*/ns/{_any_at_stars(value)}/.*"))
        case "source.serviceAccount":
            namespace, _, account = value.rpartition("/")
            owner = quote(namespace or scope.namespace)
            yield _authenticated(build_regex(f"{_SPIFFE}.+/ns/{owner}/(.+/|)sa/{quote(account)}(/.+)?"))
        case "source.trustDomain":
            for each in scope.trust_domains if value in scope.trust_domains else (value,):
                yield _authenticated(_domain(each))
        case "source.ip":
            yield Principal(direct_remote_ip=build_range(value))
        case "remote.ip":
            yield Principal(remote_ip=build_range(value))
        case _:
            if not scope.http:
                raise UnusableError(key)
            yield _request_principal(key, value)


def _request_principal(key: str, value: str) -> Principal:
    """What only a request can show: headers, and the token that it carries."""
    match key:
        case "request.auth.principal":
            return _token_principal(value)
        case "request.auth.audiences":
            return _claim(["aud"], _one_of(build_string(value)))
        case "request.auth.presenter":
            return _claim(["azp"], _Value(string_match=build_string(value)))
        case _ if key.startswith(_CLAIM):
            return _claim(bracketed(key, _CLAIM).split("]["), _one_of(build_string(value)))
        case _:
            return Principal(header=build_header(bracketed(key, _HEADERS), value))


def _authenticated(name: string_pb2.StringMatcher) -> Principal:
    return Principal(authenticated=Principal.Authenticated(principal_name=name))


def _identity(value: str) -> string_pb2.StringMatcher:
    """Identities stand in policies without their scheme."""
    if value == "*":
        return build_regex(".+")
    if value.startswith("*"):
        return build_regex(f"{_SPIFFE}.*{quote(value[1:])}")
    return build_string(_SPIFFE + value)


def _domain(value: str) -> string_pb2.StringMatcher:
    before, star, after = value.partition("*")
    if not star:
        return string_pb2.StringMatcher(prefix=f"{_SPIFFE}{value}/")
    if not before and not after:
        return string_pb2.StringMatcher(prefix=_SPIFFE)
    return build_regex(f"{_SPIFFE}{quote(before)}[^/]*{quote(after)}/.*")


def _all_domains(value: str, domains: tuple[str, ...]) -> list[str]:
    """An identity of one of the mesh's trust domains, in all of them."""
    named, slash, rest = value.partition("/")
    if value.count("/") != _SEGMENTS - 1 or named == "*":
        return [value]
    pattern = re.compile(_any_at_stars(named))
    covered = [domain for domain in domains if pattern.fullmatch(domain)]
    if not covered and named != _DEFAULT_DOMAIN:
        return [value]
    kept = {domain for domain in covered if domain != named}
    return list(dict.fromkeys(value if domain in kept else f"{domain}{slash}{rest}" for domain in domains))


def _any_at_stars(value: str) -> str:
    return ".*".join(quote(part) for part in value.split("*"))


def _token_principal(value: str) -> Principal:
    """Istio: issuer and subject of a token, with the last slash between them."""
    issuer, subject = _issuer_and_subject(value)
    claims = (("iss", issuer), ("sub", subject))
    ids = [_claim([name], _Value(string_match=matcher)) for name, matcher in claims]
    return Principal(and_ids=Principal.Set(ids=ids))


def _issuer_and_subject(value: str) -> tuple[string_pb2.StringMatcher, string_pb2.StringMatcher]:
    """A text without slash that has a wildcard says nothing of the other part; one without any is an issuer alone."""
    anything = build_regex(".+")
    issuer, slash, subject = value.rpartition("/")
    if slash:
        by_prefix = subject.endswith("*") and not value.startswith("*")
        exact = string_pb2.StringMatcher(exact=subject)
        of_issuer = build_string(issuer) if value.startswith("*") else string_pb2.StringMatcher(exact=issuer)
        return of_issuer, build_string(subject) if by_prefix else exact
    if value.startswith("*"):
        return anything, build_string(value)
    if value.endswith("*"):
        return build_string(value), anything
    return string_pb2.StringMatcher(exact=value), string_pb2.StringMatcher(exact="")


def _one_of(matcher: string_pb2.StringMatcher) -> value_pb2.ValueMatcher:
    """A claim is a text, or a list of texts."""
    text = _Value(string_match=matcher)
    listed = _Value(list_match=value_pb2.ListMatcher(one_of=text))
    return _Value(or_match=value_pb2.OrMatcher(value_matchers=[listed, text]))


def _claim(path: list[str], value: value_pb2.ValueMatcher) -> Principal:
    segments = [metadata_pb2.MetadataMatcher.PathSegment(key=key) for key in (_CLAIMS, *path)]
    matcher = metadata_pb2.MetadataMatcher(filter=_TOKENS, path=segments, value=value)
    return Principal(sourced_metadata=rbac_pb2.SourcedMetadata(metadata_matcher=matcher))
