"""The messages between the notebook page and the kernel over the comm."""
