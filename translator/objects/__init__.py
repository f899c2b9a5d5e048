"""Kubernetes and Istio API objects as frozen records: exact JSON names, API defaults, no behaviour of the mesh."""
