"""What the options about the CA and about who is believed come to."""

from pathlib import Path

import pytest

from fairlead.cli.trust import TrustOptions, trust_settings
from fairlead.settings import SettingsError

NONE = TrustOptions(None, False, "", False, "", None, "istio-ca", "24h")  # noqa: FBT003
FOLDER = Path("ca")
KEYS = Path("keys.json")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (NONE._replace(tls=True), "--tls needs the CA"),
        (NONE._replace(secure_xds=":15012"), "--secure-xds needs the CA"),
        (NONE._replace(secure_xds=":15012", tls=True, ca_dir=FOLDER), "leave out one of the two"),
        (NONE._replace(ca_optional=True), "--ca-optional is about --ca-dir"),
        (NONE._replace(ca_optional=True, ca_dir=FOLDER, tls=True), "cannot do without a CA"),
        (NONE._replace(jwks=KEYS, ca_dir=FOLDER), "--jwks needs --tls or --secure-xds"),
    ],
)
def test_what_makes_no_sense_is_refused(options: TrustOptions, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        trust_settings(options)


def test_keys_of_tokens_are_for_either_kind_of_tls() -> None:
    for options in (NONE._replace(tls=True), NONE._replace(secure_xds=":15012", ca_optional=True)):
        settings = trust_settings(options._replace(ca_dir=FOLDER, jwks=KEYS))
        assert (settings.tls, settings.ca_optional, settings.jwks) == (options.tls, options.ca_optional, KEYS)
