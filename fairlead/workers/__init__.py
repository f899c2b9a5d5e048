"""Several processes that share one port, each with its own streams and its own translator, and who looks after them."""
