"""``fairlead bench``: a load of objects, simulated proxies, and what both see of a control plane's speed."""
