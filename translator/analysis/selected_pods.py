"""Which pods the selector of a Gateway means, without a look at all pods."""

from collections.abc import Mapping

from translator.database import Database
from translator.indexes import PODS_WITH_LABEL


def selected_namespaces(db: Database, selector: Mapping[str, str]) -> set[str]:
    """The namespaces of the pods that have every label of a selector; none without a selector."""
    wanted = selector.items()
    fewest = min((db.members(PODS_WITH_LABEL, label) for label in wanted), key=len, default=())
    return {namespace for namespace, labels in fewest if len(wanted) == 1 or wanted <= set(labels)}
