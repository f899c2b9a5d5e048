"""Rules for load balancing."""

from math import isqrt
from typing import Final

from translator.objects.destination_rule import (
    ConsistentHashLB,
    HTTPCookie,
    LoadBalancerSettings,
    OutlierDetection,
    WarmupConfiguration,
)
from translator.validation.duration import check_duration
from translator.validation.locality import check_locality_setting, check_zone_aware_setting, has_failover
from translator.validation.report import Report, count_set, indexed

_MAGLEV_LIMIT: Final = 5_000_011
# Envoy: the largest ring.
_RING_LIMIT: Final = 8_388_608


def check_load_balancer(
    report: Report, path: str, settings: LoadBalancerSettings | None, outlier: OutlierDetection | None
) -> None:
    """Rule: one algorithm, one way to treat localities; failover needs outlier detection."""
    if settings is None:
        return
    if settings.simple is not None and settings.consistent_hash is not None:
        report.error(path, "only one of simple and consistentHash can be set")
    _check_hash(report, f"{path}.consistentHash", settings.consistent_hash)
    if settings.locality_lb_setting is not None and settings.zone_aware_lb_setting is not None:
        report.error(path, "only one of localityLbSetting and zoneAwareLbSetting can be set")
    check_locality_setting(report, f"{path}.localityLbSetting", settings.locality_lb_setting)
    check_zone_aware_setting(report, f"{path}.zoneAwareLbSetting", settings.zone_aware_lb_setting)
    for field, setting in (
        ("localityLbSetting", settings.locality_lb_setting),
        ("zoneAwareLbSetting", settings.zone_aware_lb_setting),
    ):
        if has_failover(setting) and outlier is None:
            report.warn(f"{path}.{field}", "failover has no effect without outlierDetection")
    if settings.warmup is not None and settings.warmup_duration_secs is not None:
        report.error(path, "only one of warmup and warmupDurationSecs can be set")
    check_duration(report, f"{path}.warmupDurationSecs", settings.warmup_duration_secs)
    _check_warmup(report, f"{path}.warmup", settings.warmup)


def _check_hash(report: Report, path: str, settings: ConsistentHashLB | None) -> None:
    if settings is None:
        return
    keys = (
        settings.http_header_name,
        settings.http_cookie,
        settings.use_source_ip,
        settings.http_query_parameter_name,
    )
    if sum(key is not None for key in keys) > 1:
        report.error(path, "only one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName can be set")
    for field, name in (("httpHeaderName", keys[0]), ("httpQueryParameterName", keys[3])):
        if name == "":
            report.error(f"{path}.{field}", "must not be empty")
    _check_cookie(report, f"{path}.httpCookie", settings.http_cookie)
    _check_algorithm(report, path, settings)


def _check_cookie(report: Report, path: str, cookie: HTTPCookie | None) -> None:
    if cookie is None:
        return
    if not cookie.name:
        report.error(f"{path}.name", "must not be empty")
    if cookie.ttl is not None and cookie.ttl < 0:
        report.error(f"{path}.ttl", "must not be negative")
    seen: set[str] = set()
    for entry, attribute in indexed(f"{path}.attributes", cookie.attributes):
        if not attribute.name:
            report.error(f"{entry}.name", "must not be empty")
        elif attribute.name in seen:
            report.error(f"{entry}.name", f"{attribute.name!r} is given twice")
        seen.add(attribute.name)


def _check_algorithm(report: Report, path: str, settings: ConsistentHashLB) -> None:
    if count_set(settings.ring_hash, settings.maglev) > 1:
        report.error(path, "only one of ringHash and maglev can be set")
    if settings.minimum_ring_size:
        report.warn(f"{path}.minimumRingSize", "is deprecated; use ringHash.minimumRingSize")
        if count_set(settings.ring_hash, settings.maglev):
            report.error(f"{path}.minimumRingSize", "cannot be combined with ringHash or maglev")
    for field, size in (
        ("minimumRingSize", settings.minimum_ring_size),
        ("ringHash.minimumRingSize", settings.ring_hash.minimum_ring_size if settings.ring_hash else 0),
    ):
        if size > _RING_LIMIT:
            report.error(f"{path}.{field}", f"{size} is more than {_RING_LIMIT}")
    if settings.maglev is not None:
        report.require(f"{path}.maglev.tableSize", _table_size_fault(settings.maglev.table_size))


def _table_size_fault(size: int) -> str:
    if size >= _MAGLEV_LIMIT:
        return f"{size} is not below {_MAGLEV_LIMIT}"
    return "" if _is_prime(size) else f"{size} is not a prime number"


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, isqrt(number) + 1))


def _check_warmup(report: Report, path: str, warmup: WarmupConfiguration | None) -> None:
    if warmup is None:
        return
    check_duration(report, f"{path}.duration", warmup.duration)
    if warmup.minimum_percent is not None and not 0 <= warmup.minimum_percent <= 100:
        report.error(f"{path}.minimumPercent", f"{warmup.minimum_percent} is not in the range 0..100")
    if warmup.aggression is not None and not warmup.aggression > 0:
        report.error(f"{path}.aggression", f"{warmup.aggression} is not greater than 0")
