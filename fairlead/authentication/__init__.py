"""Who a client of the control plane is: by a certificate of the mesh, by a token, or by being on this machine."""
