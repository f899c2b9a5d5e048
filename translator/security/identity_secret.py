"""The secrets by which a proxy gets its own certificate, and the roots that it verifies others by."""

from envoy.config.core.v3.base_pb2 import DataSource
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2

from translator.pb import encode
from translator.security.mesh_tls import MESH_CERTIFICATE, MESH_ROOTS
from xds.resource import Resource
from xds.types import SECRET


def certificate_secret(chain: bytes, key: bytes) -> Resource:
    """The resource of a certificate chain, leaf first, and its key, both in PEM: for one proxy alone."""
    certificate = common_pb2.TlsCertificate(
        certificate_chain=DataSource(inline_bytes=chain), private_key=DataSource(inline_bytes=key)
    )
    return Resource(
        SECRET, MESH_CERTIFICATE, encode(secret_pb2.Secret(name=MESH_CERTIFICATE, tls_certificate=certificate))
    )


def roots_secret(roots: bytes) -> Resource:
    """The resource of the mesh's roots, in PEM."""
    validation = common_pb2.CertificateValidationContext(trusted_ca=DataSource(inline_bytes=roots))
    return Resource(SECRET, MESH_ROOTS, encode(secret_pb2.Secret(name=MESH_ROOTS, validation_context=validation)))
