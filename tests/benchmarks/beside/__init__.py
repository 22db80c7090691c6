"""This project beside the released packages that people would pick instead: one stub server, the same answers, one table."""
