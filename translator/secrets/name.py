"""The names by which Envoy asks for secrets, and where they lead."""

from typing import Final, NamedTuple

from translator.objects.registry import Kind, ObjectKey

# Istio: the roots by which clients are verified are asked for under the credential's name with this suffix.
ROOTS_SUFFIX: Final = "-cacert"

_SECRET: Final = "kubernetes://"  # noqa: S105 - a scheme
_REFERENCE: Final = "kubernetes-gateway://"
CONFIG_MAP: Final = "configmap://"


class SecretName(NamedTuple):
    """What a name asks for: candidate objects, of which the first that exists counts, and what of it."""

    objects: tuple[ObjectKey, ...]
    wants_roots: bool


def parse_secret_name(name: str, namespace: str) -> SecretName | None:
    """The meaning of a name for a proxy of a namespace; None for a name that no object stands behind.

    Istio: ``kubernetes://NAME`` or ``kubernetes://NAMESPACE/NAME``, ``kubernetes-gateway://NAMESPACE/NAME``,
    ``configmap://NAMESPACE/NAME``. Roots are in a Secret of the suffixed name, or else beside the certificate.
    """
    if name.startswith(CONFIG_MAP):
        owner, found = _split(name.removeprefix(CONFIG_MAP), namespace)
        return SecretName((ObjectKey(Kind.CONFIG_MAP, owner, found),), wants_roots=True)
    for scheme in (_SECRET, _REFERENCE):
        if name.startswith(scheme):
            owner, found = _split(name.removeprefix(scheme), namespace)
            wants_roots = found.endswith(ROOTS_SUFFIX)
            candidates = dict.fromkeys((found, found.removesuffix(ROOTS_SUFFIX)))
            return SecretName(tuple(ObjectKey(Kind.SECRET, owner, each) for each in candidates), wants_roots)
    return None


def _split(text: str, namespace: str) -> tuple[str, str]:
    owner, slash, name = text.partition("/")
    return (owner, name) if slash else (namespace, text)
