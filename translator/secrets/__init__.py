"""Secrets for Envoy: certificates and roots of trust from the Secrets and ConfigMaps that credentials name."""
