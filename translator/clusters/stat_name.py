"""The name under which a cluster counts, where the mesh's configuration gives a pattern for it."""

from translator.model.service import Service, ServicePort


def format_stat_name(pattern: str, owner: Service, port: ServicePort, *, subset: str = "", target_port: int = 0) -> str:
    """The pattern with its placeholders filled in; empty if there is no pattern."""
    if not pattern:
        return ""
    name = f"{owner.source.name}.{owner.namespace}" if owner.kubernetes else owner.hostname
    values = {
        "%SERVICE%": name,
        "%SERVICE_NAME%": owner.source.name if owner.kubernetes else owner.hostname,
        "%SERVICE_FQDN%": owner.hostname,
        "%SERVICE_PORT%": str(port.number),
        "%SERVICE_PORT_NAME%": port.name,
        "%TARGET_PORT%": str(target_port) if target_port else "",
        "%SUBSET_NAME%": subset,
    }
    for placeholder, value in values.items():
        pattern = pattern.replace(placeholder, value)
    return pattern
