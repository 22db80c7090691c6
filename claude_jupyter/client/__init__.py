"""The connection to the service. The only package that imports the SDK, and only when needed."""
