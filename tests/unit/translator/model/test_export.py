"""Visibility between namespaces."""

import pytest

from translator.model.export import is_exported, normalize_export


@pytest.mark.parametrize(
    ("values", "default", "expected"),
    [
        ((), ("*",), ("*",)),
        ((), (".",), ("own",)),
        (("",), ("*",), ("*",)),
        (("*", "a"), (".",), ("*",)),
        (("*", "~"), (".",), ("*",)),
        (("~", "a"), ("*",), ()),
        ((".", "a"), ("*",), ("a", "own")),
        ((" b ", "a"), ("*",), ("a", "b")),
    ],
)
def test_normal_form(values: tuple[str, ...], default: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert normalize_export(values, "own", default) == expected


@pytest.mark.parametrize(
    ("export", "namespace", "expected"),
    [(("*",), "a", True), (("a",), "a", True), (("a",), "b", False), ((), "a", False)],
)
def test_is_exported(export: tuple[str, ...], namespace: str, expected: bool) -> None:  # noqa: FBT001
    assert is_exported(export, namespace) is expected
