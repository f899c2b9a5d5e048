#!/bin/sh
# Send all TCP traffic of this network namespace through its sidecar: what comes in to port 15006, what goes out to
# port 15001. The sidecar runs as user and group 1337; its own traffic is left alone.
set -eu
iptables-restore --noflush <<'RULES'
*nat
:MESH_INBOUND - [0:0]
:MESH_OUTPUT - [0:0]
:MESH_REDIRECT - [0:0]
:MESH_IN_REDIRECT - [0:0]
-A MESH_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A MESH_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A PREROUTING -p tcp -j MESH_INBOUND
-A MESH_INBOUND -p tcp -m multiport --dports 15090,15021,15020 -j RETURN
-A MESH_INBOUND -p tcp -j MESH_IN_REDIRECT
-A OUTPUT -j MESH_OUTPUT
# From here the sidecar delivers to the application; it must not be caught again.
-A MESH_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN
# The sidecar calls the pod's own address (the application called its own Service): treated as coming in.
-A MESH_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp -m owner --uid-owner 1337 -j MESH_IN_REDIRECT
# The application talks to itself.
-A MESH_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A MESH_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A MESH_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A MESH_OUTPUT -d 127.0.0.1/32 -j RETURN
-A MESH_OUTPUT -p tcp -j MESH_REDIRECT
COMMIT
RULES
