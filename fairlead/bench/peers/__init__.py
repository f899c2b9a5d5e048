"""Other servers, given the same resources and the same changes as our own control plane."""
