"""What users should know about the settings of their mesh."""

from typing import Final

import msgspec

from fairlead.finding import UNTRANSLATED, Finding, Place
from translator.diagnostics import Violation
from translator.objects.mesh_config import MeshConfig
from translator.validation.coverage import untranslated_settings
from translator.validation.mesh_config import validate_mesh_config

SUBJECT: Final = "MeshConfig"


def find_in_mesh(mesh: MeshConfig) -> tuple[Finding, ...]:
    """What the settings in force probably do not mean, and what they say without any effect."""
    doubtful = (_finding(violation) for violation in validate_mesh_config(mesh))
    idle = (msgspec.structs.replace(_finding(each), code=UNTRANSLATED) for each in untranslated_settings(mesh))
    return (*doubtful, *idle)


def _finding(violation: Violation) -> Finding:
    return msgspec.structs.replace(Finding.of_violation(violation, SUBJECT, None), place=Place(SUBJECT))
