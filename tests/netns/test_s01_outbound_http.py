"""The scenario of tests/e2e, unchanged, with interception."""

from tests.e2e.test_s01_outbound_http import *  # noqa: F403
