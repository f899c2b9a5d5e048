"""The admin interface: readiness, metrics and what goes on inside, over HTTP."""
