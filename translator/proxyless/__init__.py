"""Resources for applications that have no proxy: gRPC's own xDS client finds services and balances calls itself."""
