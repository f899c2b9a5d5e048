"""The scenario of tests/e2e, unchanged, with interception."""

from tests.e2e.test_s08_canary import *  # noqa: F403
