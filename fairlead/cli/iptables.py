"""``fairlead iptables``: the rules that lead a pod's traffic through its sidecar."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.cli.options import fail

if TYPE_CHECKING:
    from fairlead.iptables.settings import CaptureSettings, DnsCapture

Text = str | None


def iptables(
    *,
    envoy_port: Annotated[Text, typer.Option("-p", "--envoy-port", help="Where outbound traffic goes [15001].")] = None,
    inbound_capture_port: Annotated[
        Text, typer.Option("-z", "--inbound-capture-port", help="Where inbound traffic goes [15006].")
    ] = None,
    inbound_tunnel_port: Annotated[
        Text, typer.Option("-e", "--inbound-tunnel-port", help="Port of the mesh's tunnel, left alone [15008].")
    ] = None,
    proxy_uid: Annotated[Text, typer.Option("-u", "--proxy-uid", help="Users that the proxy runs as [1337].")] = None,
    proxy_gid: Annotated[Text, typer.Option("-g", "--proxy-gid", help="Groups that the proxy runs as [as -u].")] = None,
    mode: Annotated[
        Text, typer.Option("-m", "--istio-inbound-interception-mode", help="REDIRECT, TPROXY or NONE [REDIRECT].")
    ] = None,
    inbound_ports: Annotated[
        Text, typer.Option("-b", "--istio-inbound-ports", help="Inbound ports to catch, or * for all [*].")
    ] = None,
    exclude_inbound_ports: Annotated[
        Text,
        typer.Option("-d", "--istio-local-exclude-ports", help="Inbound ports to leave alone [15090,15021,15020]."),
    ] = None,
    include_cidrs: Annotated[
        Text, typer.Option("-i", "--istio-service-cidr", help="Destinations to catch, or * for all [*].")
    ] = None,
    exclude_cidrs: Annotated[
        Text, typer.Option("-x", "--istio-service-exclude-cidr", help="Destinations to leave alone.")
    ] = None,
    outbound_ports: Annotated[
        Text, typer.Option("-q", "--istio-outbound-ports", help="Outbound ports to catch whatever the destination.")
    ] = None,
    exclude_outbound_ports: Annotated[
        Text, typer.Option("-o", "--istio-local-outbound-ports-exclude", help="Outbound ports to leave alone.")
    ] = None,
    exclude_interfaces: Annotated[
        Text, typer.Option("-c", "--istio-exclude-interfaces", help="Interfaces to leave alone.")
    ] = None,
    virtual_interfaces: Annotated[
        Text,
        typer.Option("-k", "--kube-virt-interfaces", help="Interfaces of virtual machines, whose traffic is outbound."),
    ] = None,
    tproxy_mark: Annotated[
        int, typer.Option("-t", "--istio-inbound-tproxy-mark", min=1, help="Mark of transparent traffic.")
    ] = 1337,
    tproxy_table: Annotated[
        int, typer.Option("-r", "--istio-inbound-tproxy-route-table", min=1, help="Its routing table.")
    ] = 133,
    outbound_groups: Annotated[
        Text,
        typer.Option(
            "--outbound-owner-groups",
            envvar="ISTIO_OUTBOUND_OWNER_GROUPS",
            help="Groups whose traffic to catch, or * for all [*].",
        ),
    ] = None,
    exclude_outbound_groups: Annotated[
        Text,
        typer.Option(
            "--outbound-owner-groups-exclude",
            envvar="ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE",
            help="Groups whose traffic to leave alone.",
        ),
    ] = None,
    redirect_dns: Annotated[
        bool,
        typer.Option("--redirect-dns", envvar="ISTIO_META_DNS_CAPTURE", help="Catch queries to the pod's servers."),
    ] = False,
    capture_all_dns: Annotated[bool, typer.Option("--capture-all-dns", help="Catch queries to any server.")] = False,
    drop_invalid: Annotated[bool, typer.Option("--drop-invalid", help="Drop packets of no connection.")] = False,
    annotations: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The pod's annotations, as the downward API writes them."),
    ] = None,
    ipv6: Annotated[
        bool | None, typer.Option("--ipv6/--no-ipv6", help="Catch IPv6, too [if the pod has such an address].")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Print what would be done; needs no rights.")
    ] = False,
    cleanup_only: Annotated[bool, typer.Option("--cleanup-only", help="Take the rules out again.")] = False,
) -> None:
    """Lead the traffic of this network namespace through its sidecar, as an init container does.

    The flags and the rules are those of Istio's init container. A flag beats an annotation. Rules that are
    in place already are left alone; everything comes into force at once or not at all.

    `fairlead iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' -d 15090,15021,15020`

    `fairlead iptables --dry-run -m TPROXY` prints the rules
    """
    from fairlead.iptables.settings import CaptureSettings

    given = {
        "outbound_port": envoy_port,
        "inbound_port": inbound_capture_port,
        "tunnel_port": inbound_tunnel_port,
        "proxy_users": proxy_uid,
        "proxy_groups": proxy_gid if proxy_gid is not None else proxy_uid,
        "mode": mode,
        "include_inbound_ports": inbound_ports,
        "exclude_inbound_ports": exclude_inbound_ports,
        "include_networks": include_cidrs,
        "exclude_networks": exclude_cidrs,
        "include_outbound_ports": outbound_ports,
        "exclude_outbound_ports": exclude_outbound_ports,
        "exclude_interfaces": exclude_interfaces,
        "reroute_interfaces": virtual_interfaces,
        "include_groups": outbound_groups,
        "exclude_groups": exclude_outbound_groups,
    }
    try:
        fields = {**_annotated(annotations), **_parse_flags(given)}
        settings = CaptureSettings(
            **fields,
            dns=_dns_capture(everything=capture_all_dns) if redirect_dns or capture_all_dns else None,
            drop_invalid=drop_invalid,
            tproxy_mark=tproxy_mark,
            tproxy_table=tproxy_table,
        )
    except (ValueError, OSError) as error:
        fail(str(error))
    _intercept(settings, ipv6, dry_run=dry_run, cleanup_only=cleanup_only)


def _intercept(settings: "CaptureSettings", ipv6: bool | None, *, dry_run: bool, cleanup_only: bool) -> None:
    from fairlead.iptables.apply import InterceptionError, apply_programs, detect_versions, remove_programs
    from fairlead.iptables.program import build_programs
    from fairlead.iptables.settings import IpVersion

    versions = detect_versions() if ipv6 is None else (IpVersion.V4, IpVersion.V6) if ipv6 else (IpVersion.V4,)
    if dry_run:
        typer.echo("".join(program.text() for program in build_programs(settings, versions)), nl=False)
        return
    try:
        if cleanup_only:
            remove_programs(settings, versions)
            typer.echo("interception is removed")
        elif changed := apply_programs(settings, versions):
            typer.echo(f"interception is in force for {', '.join(f'IPv{version}' for version in changed)}")
        else:
            typer.echo("nothing to do: interception is in place, or switched off")
    except InterceptionError as error:
        fail(str(error), code=1)


def _annotated(path: Path | None) -> dict[str, Any]:
    from fairlead.iptables.annotations import annotated_settings, parse_annotations

    return annotated_settings(parse_annotations(path.read_text())) if path else {}


def _parse_flags(given: dict[str, Text]) -> dict[str, Any]:
    from fairlead.iptables import settings

    parsers: dict[str, Any] = {
        "outbound_port": settings.parse_port,
        "inbound_port": settings.parse_port,
        "tunnel_port": settings.parse_port,
        "proxy_users": settings.parse_owners,
        "proxy_groups": settings.parse_owners,
        "mode": settings.parse_capture,
        "include_inbound_ports": settings.parse_selected_ports,
        "exclude_inbound_ports": settings.parse_ports,
        "include_networks": settings.parse_selected_networks,
        "exclude_networks": settings.parse_networks,
        "include_outbound_ports": settings.parse_ports,
        "exclude_outbound_ports": settings.parse_ports,
        "exclude_interfaces": settings.parse_interfaces,
        "reroute_interfaces": settings.parse_interfaces,
        "include_groups": settings.parse_selected_owners,
        "exclude_groups": settings.parse_owners,
    }
    return {field: parsers[field](text) for field, text in given.items() if text is not None}


def _dns_capture(*, everything: bool) -> "DnsCapture":
    from fairlead.iptables.settings import DnsCapture, parse_name_servers

    return DnsCapture(servers=None if everything else parse_name_servers(Path("/etc/resolv.conf").read_text()))
