"""The stable codes of findings. Where Istio's analyzers know the same condition, its code is used."""

from typing import Final

MISSING_REFERENCE: Final = "IST0101"
CONFLICTING_HOSTS: Final = "IST0109"
AMBIGUOUS_PORT: Final = "IST0112"
HOST_NOT_OFFERED: Final = "IST0132"
GATEWAY_CONFLICT: Final = "IST0145"
EMPTY_SUBSET: Final = "IST0173"
UNKNOWN_RULE_HOST: Final = "IST0174"
RELATIVE_WEIGHTS: Final = "FL0101"
NO_CERTIFICATES: Final = "FL0102"
SUPERSEDED_POLICY: Final = "FL0103"
PORT_CONFLICT: Final = "FL0104"
UNUSED_TLS: Final = "FL0105"
