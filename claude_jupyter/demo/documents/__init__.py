"""What the demo reads in documents and quotes from them."""
