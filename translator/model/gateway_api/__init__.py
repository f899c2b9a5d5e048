"""The Gateway API in terms of the model: its gateways as servers, its routes as routing rules."""
