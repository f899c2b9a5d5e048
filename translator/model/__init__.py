"""The mesh as the translation sees it: services, endpoints, proxies, scopes and the rules that apply to them."""
