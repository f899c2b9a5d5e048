"""Clusters: where traffic can go, and how connections to there are made."""
