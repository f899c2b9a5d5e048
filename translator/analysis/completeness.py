"""Whether the objects at hand are a whole mesh or a part of one, whose references may lead outside."""

from translator.database import Database
from translator.diagnostics import Severity
from translator.indexes import SERVICE_NAMESPACES


def missing_severity(db: Database) -> Severity:
    """How bad a reference to something missing is: objects without any service among them are but a part."""
    return Severity.ERROR if db.members(SERVICE_NAMESPACES, "") else Severity.WARNING
