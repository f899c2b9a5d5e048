"""Rules for labels and for selectors by label."""

import re
from collections.abc import Mapping
from typing import Final

from translator.validation.hostname import is_dns_label
from translator.validation.report import Report, keyed

_NAME: Final = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_MAX_NAME: Final = 63
_MAX_PREFIX: Final = 253


def check_labels(report: Report, path: str, labels: Mapping[str, str]) -> None:
    """Rule: keys and values have the form of Kubernetes labels."""
    for entry, key, value in keyed(path, labels):
        if not _is_label_key(key):
            report.error(entry, f"{key!r} is not a label key")
        if value and not _is_name(value):
            report.error(entry, f"{value!r} is not a label value")


def check_selector(report: Report, path: str, labels: Mapping[str, str]) -> None:
    """Rule: a selector compares whole values: no empty keys, no wildcards; without labels it selects everything."""
    for entry, key, value in keyed(path, labels):
        if not key:
            report.error(entry, "empty key")
        if "*" in key or "*" in value:
            report.error(entry, "wildcards are not supported in a selector")
    if not labels:
        report.warn(path, "a selector without labels selects every workload")


def _is_name(text: str) -> bool:
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None


def _is_label_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and not (len(prefix) <= _MAX_PREFIX and all(map(is_dns_label, prefix.split(".")))):
        return False
    return _is_name(name)
