"""What users should know about the settings of their mesh."""

from typing import Final

import msgspec

from fairlead.finding import UNTRANSLATED, Finding
from translator.diagnostics import Severity, Violation
from translator.objects.mesh_config import MeshConfig
from translator.validation.coverage import untranslated_settings
from translator.validation.mesh_config import validate_mesh_config

SUBJECT: Final = "MeshConfig"


def find_in_mesh(mesh: MeshConfig) -> tuple[Finding, ...]:
    """What is wrong with the settings of a mesh, and what they say without any effect."""
    broken = (_finding(violation) for violation in validate_mesh_config(mesh))
    idle = (msgspec.structs.replace(_finding(each), code=UNTRANSLATED) for each in untranslated_settings(mesh))
    return (*broken, *idle)


def _finding(violation: Violation) -> Finding:
    finding = Finding.of_violation(violation, SUBJECT, None)
    if violation.severity is not Severity.ERROR:
        return finding
    return msgspec.structs.replace(finding, message=f"{finding.message}; it is in force all the same")
