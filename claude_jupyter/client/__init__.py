"""The wire: the only importer of the SDK, lazily. One question's request goes out, small event values come back."""
