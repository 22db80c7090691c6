"""Work with Claude inside a Jupyter notebook: `%load_ext claude_jupyter`, then `%%claude`."""

__version__ = "0.1.0"
