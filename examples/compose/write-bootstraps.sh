#!/bin/sh
# Write the bootstrap of every Envoy of docker-compose.yml: write-bootstraps.sh FOLDER CONTROL_PLANE
# The names are those of the pods in config/pods.yaml: by its name an Envoy is known to be a pod's sidecar.
set -eu
folder=$1
control_plane=$2

fairlead bootstrap gateway --namespace istio-system --name gateway-1 --ip 172.30.0.11 \
    --labels istio=ingressgateway --xds "$control_plane" -o json >"$folder/gateway.json"
fairlead bootstrap sidecar --namespace default --name reviews-1 --ip 172.30.0.21 \
    --labels app=reviews,version=v2 --xds "$control_plane" --capture redirect -o json >"$folder/reviews.json"
fairlead bootstrap sidecar --namespace default --name ratings-1 --ip 172.30.0.22 \
    --labels app=ratings,version=v1 --xds "$control_plane" --capture redirect -o json >"$folder/ratings.json"
