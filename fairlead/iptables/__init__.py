"""Interception: the rules that lead the traffic of a pod through its sidecar, and how they get into the kernel."""
