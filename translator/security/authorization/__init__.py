"""AuthorizationPolicies as rules of Envoy's role-based access control."""
