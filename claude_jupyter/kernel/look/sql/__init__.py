"""SQL over frames in memory, for the tool `query`."""
