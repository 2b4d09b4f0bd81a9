"""A scan of PostgreSQL beside SQLAlchemy's own bulk inspector calls alone, in one run.

Usage: python benchmarks/scan.py [--tables 10000] [--keys 8000] [--rounds 3] [--tiny] [--json]

A server is started for it (see tests/servers.py). Each reading is a process of its own, so that its peak memory is
its own; rounds are paired (A B A B …). The inspector's calls are columns, keys, foreign keys, unique and check
constraints, indexes and comments; the scan makes documents of what it read, besides. Exits 1 above three times.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

MOST = 3.0
"""How many times the inspector's own time a scan may take."""

ASKED = (
    "columns",
    "pk_constraint",
    "foreign_keys",
    "unique_constraints",
    "check_constraints",
    "indexes",
    "table_comment",
)


def script(tables: int, keys: int) -> list[str]:
    """Tables of ten columns with comments, a check and a unique constraint; keys from one to the next.

    Each text is a transaction: one of them all would need more locks than a server has.
    """
    parts = ["CREATE TYPE state AS ENUM ('new', 'open', 'done');"]
    for number in range(tables):
        if number % 200 == 0:
            parts.append("")
        parts[-1] += (
            f"CREATE TABLE t{number} (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code VARCHAR(20) UNIQUE,"
            " state state NOT NULL DEFAULT 'new', total NUMERIC(10,2) CHECK (total >= 0), made TIMESTAMPTZ,"
            " a INT, b TEXT, c JSONB, d DATE, up BIGINT);"
            f"COMMENT ON TABLE t{number} IS 'Table {number} of many';"
            f"COMMENT ON COLUMN t{number}.code IS 'What people call it';"
        )
        if 0 < number <= keys:
            parts[-1] += f"ALTER TABLE t{number} ADD FOREIGN KEY (up) REFERENCES t{number - 1} (id);"
    return parts


def inspect_alone(url: str) -> int:
    """SQLAlchemy's bulk calls and nothing else; returns the number of tables."""
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.engine.reflection import ObjectKind

    from batch_manager.sources.database_url import parse_url

    with create_engine(parse_url(url)).connect() as connection:
        inspector = inspect(connection)
        answers = [getattr(inspector, f"get_multi_{one}")(kind=ObjectKind.ANY) for one in ASKED]
    return len(answers[0])


def scan(url: str) -> int:
    """A scan; returns the number of tables."""
    from batch_manager.sources import Found
    from batch_manager.sources.database import DatabaseSource

    return sum(isinstance(one, Found) and one.document.kind == "table" for one in DatabaseSource(url).read())


READINGS = {"inspector alone": inspect_alone, "scan": scan}


def one_reading(name: str, url: str) -> None:
    """In a process of its own: read, and print what it took as JSON."""
    import sqlalchemy  # noqa: F401  # its import is not what is measured

    started = time.perf_counter()
    tables = READINGS[name](url)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform != "darwin" else 1e6)
    print(json.dumps({"tables": tables, "seconds": seconds, "peak_mb": peak}))


def main() -> int:
    """Run the rounds and print the table; 1 when a scan takes more than `MOST` times the inspector's time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="20 tables, one round; nothing is judged")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one_reading(*arguments.one)
        return 0
    if arguments.tiny:
        arguments.tables, arguments.keys, arguments.rounds = 20, 16, 1
    import psycopg

    from servers import running_postgres

    with running_postgres() as server:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as opened:
            for part in script(arguments.tables, arguments.keys):
                opened.execute(part.encode())
            opened.execute("ANALYZE")
        rounds = [{name: _measured(name, f"{server}/postgres") for name in READINGS} for _ in range(arguments.rounds)]
    if any(one["tables"] != arguments.tables for each in rounds for one in each.values()):
        raise SystemExit(f"not all of the {arguments.tables} tables were read: {rounds}")
    if arguments.json:
        ratios = {
            f"scan over the inspector alone, {of}": statistics.median(
                each["scan"][of] / each["inspector alone"][of] for each in rounds
            )
            for of in ("seconds", "peak_mb")
        }
        print(json.dumps({"name": "scan", "ratios": ratios}))
        return int(ratios["scan over the inspector alone, seconds"] > MOST and not arguments.tiny)
    print(f"{arguments.tables} tables, {arguments.keys} foreign keys, {arguments.rounds} rounds; medians")
    print("| reading | seconds | peak MB | times the inspector |")
    print("|---|---|---|---|")
    ratio = 0.0
    for name in READINGS:
        ratio = statistics.median(each[name]["seconds"] / each["inspector alone"]["seconds"] for each in rounds)
        seconds = statistics.median(each[name]["seconds"] for each in rounds)
        peak = statistics.median(each[name]["peak_mb"] for each in rounds)
        print(f"| {name} | {seconds:.2f} | {peak:.0f} | {ratio:.2f} |")
    return int(ratio > MOST and not arguments.tiny)


def _measured(name: str, url: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", name, url]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "core"), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stderr}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


if __name__ == "__main__":
    raise SystemExit(main())
