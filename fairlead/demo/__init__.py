"""The demonstration: a mesh of real Envoys on this machine, under load, following a folder of YAML."""
