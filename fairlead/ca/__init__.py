"""The certificate authority of the mesh: who proves to be a workload gets a certificate that says so."""
