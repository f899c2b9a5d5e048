"""``fairlead iptables``: the rules that lead a pod's traffic through its sidecar."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairlead.cli.options import fail

if TYPE_CHECKING:
    from fairlead.iptables.settings import CaptureSettings, DnsCapture

_PROGRAM = "Where {} traffic goes [{}]."

EnvoyPort = Annotated[
    str | None, typer.Option("-p", "--envoy-port", help=_PROGRAM.format("outbound", 15001), metavar="PORT")
]
CapturePort = Annotated[
    str | None, typer.Option("-z", "--inbound-capture-port", help=_PROGRAM.format("inbound", 15006), metavar="PORT")
]
TunnelPort = Annotated[
    str | None,
    typer.Option("-e", "--inbound-tunnel-port", help="Port of the mesh's tunnel, left alone [15008].", metavar="PORT"),
]
Users = Annotated[
    str | None, typer.Option("-u", "--proxy-uid", help="Users that the proxy runs as [1337].", metavar="UID,...")
]
Groups = Annotated[
    str | None, typer.Option("-g", "--proxy-gid", help="Groups that the proxy runs as [as -u].", metavar="GID,...")
]
Mode = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--istio-inbound-interception-mode",
        help="How inbound traffic is caught [REDIRECT].",
        metavar="REDIRECT|TPROXY|NONE",
    ),
]
InboundPorts = Annotated[
    str | None,
    typer.Option("-b", "--istio-inbound-ports", help="Inbound ports to catch, or * for all [*].", metavar="PORT,..."),
]
ExcludedInboundPorts = Annotated[
    str | None,
    typer.Option(
        "-d",
        "--istio-local-exclude-ports",
        help="Inbound ports to leave alone [15090,15021,15020].",
        metavar="PORT,...",
    ),
]
Networks = Annotated[
    str | None,
    typer.Option("-i", "--istio-service-cidr", help="Destinations to catch, or * for all [*].", metavar="CIDR,..."),
]
ExcludedNetworks = Annotated[
    str | None,
    typer.Option("-x", "--istio-service-exclude-cidr", help="Destinations to leave alone.", metavar="CIDR,..."),
]
OutboundPorts = Annotated[
    str | None,
    typer.Option("-q", "--istio-outbound-ports", help="Ports to catch whatever the destination.", metavar="PORT,..."),
]
ExcludedOutboundPorts = Annotated[
    str | None,
    typer.Option(
        "-o", "--istio-local-outbound-ports-exclude", help="Outbound ports to leave alone.", metavar="PORT,..."
    ),
]
ExcludedInterfaces = Annotated[
    str | None,
    typer.Option("-c", "--istio-exclude-interfaces", help="Interfaces to leave alone.", metavar="NAME,..."),
]
VirtualInterfaces = Annotated[
    str | None,
    typer.Option(
        "-k",
        "--kube-virt-interfaces",
        help="Interfaces of virtual machines, whose traffic is outbound.",
        metavar="NAME,...",
    ),
]
OutboundGroups = Annotated[
    str | None,
    typer.Option(
        "--outbound-owner-groups",
        envvar="ISTIO_OUTBOUND_OWNER_GROUPS",
        help="Groups whose traffic to catch, or * for all [*].",
        metavar="GID,...",
    ),
]
ExcludedOutboundGroups = Annotated[
    str | None,
    typer.Option(
        "--outbound-owner-groups-exclude",
        envvar="ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE",
        help="Groups whose traffic to leave alone.",
        metavar="GID,...",
    ),
]
Mark = Annotated[int, typer.Option("-t", "--istio-inbound-tproxy-mark", min=1, help="Mark of transparent traffic.")]
RouteTable = Annotated[
    int, typer.Option("-r", "--istio-inbound-tproxy-route-table", min=1, help="Routing table of transparent traffic.")
]
RedirectDns = Annotated[
    bool, typer.Option("--redirect-dns", envvar="ISTIO_META_DNS_CAPTURE", help="Catch queries to the pod's servers.")
]
AllDns = Annotated[bool, typer.Option("--capture-all-dns", help="Catch queries to any server.")]
DropInvalid = Annotated[bool, typer.Option("--drop-invalid", help="Drop packets of no connection.")]
AnnotationFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="The pod's annotations, as the downward API has them.")
]
Ipv6 = Annotated[bool | None, typer.Option("--ipv6/--no-ipv6", help="Catch IPv6, too [if the pod has an address].")]
DryRun = Annotated[bool, typer.Option("-n", "--dry-run", help="Print what would be done; needs no rights.")]
CleanupOnly = Annotated[bool, typer.Option("--cleanup-only", help="Take the rules out again.")]


def iptables(
    *,
    envoy_port: EnvoyPort = None,
    inbound_capture_port: CapturePort = None,
    inbound_tunnel_port: TunnelPort = None,
    proxy_uid: Users = None,
    proxy_gid: Groups = None,
    mode: Mode = None,
    inbound_ports: InboundPorts = None,
    exclude_inbound_ports: ExcludedInboundPorts = None,
    include_cidrs: Networks = None,
    exclude_cidrs: ExcludedNetworks = None,
    outbound_ports: OutboundPorts = None,
    exclude_outbound_ports: ExcludedOutboundPorts = None,
    exclude_interfaces: ExcludedInterfaces = None,
    virtual_interfaces: VirtualInterfaces = None,
    outbound_groups: OutboundGroups = None,
    exclude_outbound_groups: ExcludedOutboundGroups = None,
    tproxy_mark: Mark = 1337,
    tproxy_table: RouteTable = 133,
    redirect_dns: RedirectDns = False,
    capture_all_dns: AllDns = False,
    drop_invalid: DropInvalid = False,
    annotations: AnnotationFile = None,
    ipv6: Ipv6 = None,
    dry_run: DryRun = False,
    cleanup_only: CleanupOnly = False,
) -> None:
    """Lead the traffic of this network namespace through its sidecar, as an init container does.

    The flags and the rules are those of Istio's init container. A flag beats an annotation. Rules that are
    in place already are left alone; everything comes into force at once or not at all.

    `fairlead iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' -d 15090,15021,15020`

    `fairlead iptables --dry-run -m TPROXY` prints the rules
    """
    groups = proxy_gid if proxy_gid is not None else proxy_uid
    ports = (envoy_port, inbound_capture_port, inbound_tunnel_port)
    inbound, outbound = (inbound_ports, exclude_inbound_ports), (outbound_ports, exclude_outbound_ports)
    interfaces, owners = (exclude_interfaces, virtual_interfaces), (outbound_groups, exclude_outbound_groups)
    texts = (*ports, proxy_uid, groups, mode, *inbound, include_cidrs, exclude_cidrs, *outbound, *interfaces, *owners)
    plain = {"tproxy_mark": tproxy_mark, "tproxy_table": tproxy_table, "drop_invalid": drop_invalid}
    try:
        dns = _dns_capture(everything=capture_all_dns) if redirect_dns or capture_all_dns else None
        settings = _read_settings(annotations, texts, {**plain, "dns": dns})
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


def _read_settings(path: Path | None, texts: "tuple[str | None, ...]", plain: dict[str, Any]) -> "CaptureSettings":
    """The settings that annotations and flags come to; ``texts`` are the flags that are text, in a fixed order."""
    from fairlead.iptables import settings
    from fairlead.iptables.annotations import annotated_settings, parse_annotations

    # In the order of the texts.
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
    given = zip(parsers.items(), texts, strict=True)
    flags = {field: parse(text) for (field, parse), text in given if text is not None}
    annotated = annotated_settings(parse_annotations(path.read_text())) if path else {}
    return settings.CaptureSettings(**{**annotated, **flags, **plain})


def _dns_capture(*, everything: bool) -> "DnsCapture":
    from fairlead.iptables.settings import DnsCapture, parse_name_servers

    return DnsCapture(servers=None if everything else parse_name_servers(Path("/etc/resolv.conf").read_text()))
