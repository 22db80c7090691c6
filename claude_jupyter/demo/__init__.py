"""The embedded offline demo model: a strict server of the Messages wire format, and what it answers."""
