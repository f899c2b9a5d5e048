"""The scenario of tests/e2e, unchanged, with interception."""

from tests.e2e.test_s03_scaling import *  # noqa: F403
