"""Figures of caching: what a conversation over a 50,000-token attachment costs, against the same without caching.

`python tests/benchmarks/bench_caching.py`; counted by the published rules (`oracle/caching.py`). Prints, judges nothing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if __name__ == "__main__":
    from support.long_talk import dollars, talk

    for turns in (2, 5, 20, 50):
        whole = dollars(talk(turns, 50_000, cache="off"))
        for cache in ("5m", "1h"):
            usage = talk(turns, 50_000, cache=cache)
            cost = dollars(usage, ttl=cache)
            print(
                f"{turns:2} turns, {cache}: ${cost:.4f} of ${whole:.4f} = {cost / whole:.2%}; read {usage.cache_read:,}, "
                f"written {usage.cache_write:,}, uncached {usage.input:,}, output {usage.output:,}"
            )
