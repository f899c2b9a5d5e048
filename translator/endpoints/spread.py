"""How traffic to a service is to be spread over localities: the one setting that is in force, of several places."""

from typing import Final

import msgspec

from translator.model.destination_rule import PortPolicy
from translator.model.network import NETWORK
from translator.model.service import Distribution
from translator.model.workload import HOSTNAME, REGION, SUBZONE, ZONE
from translator.objects.destination_rule import (
    LocalityDistribute,
    LocalityFailover,
    LocalityLoadBalancerSetting,
    ZoneAwareLoadBalancerSetting,
)
from translator.objects.mesh_config import MeshConfig


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """The setting in force.

    ``failover`` tells whether endpoints get priorities by how near they are; ``regions`` and ``labels`` refine that.
    ``zone_routing`` is None unless Envoy itself is to prefer its zone, then whether it really does.
    """

    distribute: tuple[LocalityDistribute, ...] = ()
    failover: bool = False
    regions: tuple[LocalityFailover, ...] = ()
    labels: tuple[str, ...] = ()
    zone_routing: bool | None = None
    min_cluster_size: int | None = None

    @property
    def weighted(self) -> bool:
        """Whether Envoy has to heed the weights of localities."""
        failover = self.failover and self.zone_routing is None
        return bool(self.distribute) or (failover and bool(self.regions or self.labels))

    @property
    def by_locality(self) -> bool:
        """Whether the outcome depends on the locality of the client."""
        return bool(self.distribute) or (self.failover and (bool(self.regions) or not self.labels))

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels of the client on which the outcome depends."""
        return tuple(label for label in self.labels if "=" not in label) if self.failover else ()


_NONE: Final = Spread()
_SAME_ZONE: Final = (NETWORK, REGION, ZONE)
_SAME_NODE: Final = (*_SAME_ZONE, SUBZONE, HOSTNAME)


def select_spread(policy: PortPolicy, distribution: Distribution, mesh: MeshConfig) -> Spread:
    """The setting in force: the DestinationRule's, else what the service wishes for, else the mesh's.

    Istio: failover works only with outlier detection in the DestinationRule, since Envoy would never notice that a
    priority is down; but then it is on by default. A service that wishes for near endpoints needs neither.
    """
    balancer = policy.load_balancer
    detects = policy.outlier_detection is not None
    if balancer and balancer.zone_aware_lb_setting:
        return _from_zone_setting(balancer.zone_aware_lb_setting, detects=detects)
    if balancer and balancer.locality_lb_setting:
        return _from_locality_setting(balancer.locality_lb_setting, detects=detects)
    if distribution is not Distribution.ANY:
        return Spread(failover=True, labels=_SAME_NODE if distribution is Distribution.SAME_NODE else _SAME_ZONE)
    if mesh.zone_aware_lb_setting:
        return _from_zone_setting(mesh.zone_aware_lb_setting, detects=detects)
    return _from_locality_setting(mesh.locality_lb_setting, detects=detects)


def _from_locality_setting(setting: LocalityLoadBalancerSetting, *, detects: bool) -> Spread:
    if setting.enabled is False:
        return _NONE
    if setting.distribute:
        return Spread(distribute=setting.distribute)
    if not detects:
        return _NONE
    return Spread(failover=True, regions=setting.failover, labels=setting.failover_priority)


def _from_zone_setting(setting: ZoneAwareLoadBalancerSetting, *, detects: bool) -> Spread:
    if setting.enabled is False:
        return Spread(zone_routing=False)
    return Spread(
        failover=detects,
        regions=setting.failover if detects else (),
        labels=setting.failover_priority if detects else (),
        zone_routing=True,
        min_cluster_size=setting.min_cluster_size,
    )
