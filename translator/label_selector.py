"""Kubernetes' label selectors."""

from collections.abc import Mapping

from translator.objects.meta import LabelSelector, LabelSelectorRequirement


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether labels meet every condition of a selector; an empty one selects everything."""
    return all(labels.get(name) == value for name, value in selector.match_labels.items()) and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def _holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    """Kubernetes: ``NotIn`` also holds where there is no such label; an unknown operator selects nothing."""
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False
