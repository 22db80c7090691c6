"""Structured answers (`-r`) in readable form."""
