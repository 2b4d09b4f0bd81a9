"""An account's rate limit over HTTP: used, and hardly ever hit. `benchmarks/pacing.py` measures the whole table.

That no more is used than allowed is what the server's own bucket says, by refusing nothing. How near it comes is for
the benchmark to say, on an idle machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pacing import measure


def test_the_rate_limit_is_used_and_not_hit(tmp_path: Path) -> None:
    pace = measure(tmp_path, 300_000, 8, 5.0, batch=20, burst=2.0, settling=2.5)
    assert pace.refused == 0
    assert pace.used >= 0.5


def test_a_limit_from_the_settings_holds_where_no_headers_tell_one(tmp_path: Path) -> None:
    pace = measure(tmp_path, 60_000, 32, 7.0, headers=False, batch=5, burst=60.0, settling=4.0)
    assert pace.refused == 0
    assert pace.used >= 0.5


@pytest.mark.soak
@pytest.mark.parametrize("rate", [60_000, 1_000_000])
@pytest.mark.parametrize("concurrency", [1, 8, 32])
def test_steady_state_at_rates_of_real_accounts(tmp_path: Path, rate: int, concurrency: int) -> None:
    pace = measure(tmp_path, rate, concurrency, 40.0, batch=20 if rate < 100_000 else 50)
    assert pace.refused_share < 0.01
    assert pace.used >= 0.95
