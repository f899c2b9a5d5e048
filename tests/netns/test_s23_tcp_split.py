"""The scenario of tests/e2e, unchanged, with interception."""

from tests.e2e.test_s23_tcp_split import *  # noqa: F403
