"""What a request used and what it cost. The only package that knows prices and the ledger."""
