"""What users are told about the settings of their mesh."""

from fairlead.finding import UNTRANSLATED
from fairlead.mesh_findings import find_in_mesh
from translator.diagnostics import Severity
from translator.objects.mesh_config import MeshConfig


def test_sound_settings_pass_without_a_word() -> None:
    assert find_in_mesh(MeshConfig()) == ()


def test_what_has_no_effect_is_a_warning() -> None:
    (finding,) = find_in_mesh(MeshConfig(enable_tracing=False))
    assert (finding.subject, finding.path, finding.code) == ("MeshConfig", "enableTracing", UNTRANSLATED)
    assert finding.severity is Severity.WARNING
    assert str(finding.place) == "MeshConfig"
