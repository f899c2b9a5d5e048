"""The xDS server library: streams, subscriptions, ACK/NACK and push; knows nothing of Kubernetes or Istio.

The ``xds-protos`` distribution installs the cncf/xds messages under this same import name, so the
package path is extended instead of shadowed and this module defines nothing else.
"""

import pkgutil

__path__ = pkgutil.extend_path(__path__, __name__)
