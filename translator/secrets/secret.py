"""One secret as Envoy gets it: a certificate with its key, or roots of trust."""

from envoy.config.core.v3.base_pb2 import DataSource
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2

from translator.database import Database
from translator.engine import query
from translator.objects.core import ConfigMap, Secret
from translator.objects.registry import Kind, ObjectKey
from translator.pb import encode
from translator.secrets.material import STAPLE_KEY, KeyMaterial, MaterialError
from translator.secrets.name import SecretName, parse_secret_name
from xds.resource import Resource
from xds.types import SECRET


@query
def secret(db: Database, namespace: str, name: str) -> Resource | None:
    """The secret of a name for the proxies of a namespace; None as long as there is nothing usable behind it.

    Envoy goes on with what it has when a secret is taken away; so a certificate that becomes unusable does no harm.
    """
    wanted = parse_secret_name(name, namespace)
    source = _source(db, wanted) if wanted else None
    if wanted is None or source is None or secret_fault(db, namespace, name):
        return None
    message = secret_pb2.Secret(name=name)
    material = KeyMaterial(source)
    if wanted.wants_roots:
        message.validation_context.CopyFrom(_validation(material))
    else:
        message.tls_certificate.CopyFrom(_certificate(material))
    return Resource(SECRET, name, encode(message))


@query
def secret_fault(db: Database, namespace: str, name: str) -> str:
    """Why a proxy of a namespace cannot get the secret of a name, naming the object; empty if it can."""
    wanted = parse_secret_name(name, namespace)
    if wanted is None:
        return f"{name} leads to no Secret"
    if _is_foreign(wanted, namespace):
        return f"{wanted.objects[0]} is in another namespace: proxies of {namespace} get Secrets of their own only"
    key = _key(db, wanted)
    if key is None:
        return f"{' and '.join(map(str, wanted.objects))} do{'es' if len(wanted.objects) == 1 else ''} not exist"
    source = db.row(key)
    if not isinstance(source, Secret | ConfigMap):
        return f"{key} is not readable"
    try:
        _ = KeyMaterial(source).roots() if wanted.wants_roots else KeyMaterial(source).certificate()
    except MaterialError as error:
        return f"{key} {error}"
    return ""


def _is_foreign(wanted: SecretName, namespace: str) -> bool:
    """Istio: a proxy gets Secrets of its own namespace only; a ConfigMap holds nothing that is secret."""
    return any(each.kind is Kind.SECRET and each.namespace != namespace for each in wanted.objects)


def _key(db: Database, wanted: SecretName) -> ObjectKey | None:
    return next((key for key in wanted.objects if db.row(key) is not None), None)


def _source(db: Database, wanted: SecretName) -> Secret | ConfigMap | None:
    key = _key(db, wanted)
    source = db.row(key) if key else None
    return source if isinstance(source, Secret | ConfigMap) else None


def _certificate(material: KeyMaterial) -> common_pb2.TlsCertificate:
    chain, key = material.certificate()
    built = common_pb2.TlsCertificate(
        certificate_chain=DataSource(inline_bytes=chain), private_key=DataSource(inline_bytes=key)
    )
    staple = material.value(STAPLE_KEY)
    if staple:
        built.ocsp_staple.inline_bytes = staple
    return built


def _validation(material: KeyMaterial) -> common_pb2.CertificateValidationContext:
    built = common_pb2.CertificateValidationContext(trusted_ca=DataSource(inline_bytes=material.roots()))
    revocations = material.revocations()
    if revocations:
        built.crl.inline_bytes = revocations
    return built
