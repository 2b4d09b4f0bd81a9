"""The program beside its peers: the same documents, the same server, embedded Chroma, in paired rounds of one run.

Usage: python benchmarks/peers.py [--documents 5000] [--rounds 2] [--latency 150] [--only NAME …] [--tiny] [--here]

Peers are pinned in `peers/requirements.txt` and get an environment of their own below the user's cache folder, made at
the first run (`--venv` for another place). `--here` takes this interpreter instead, with whichever peers it has.
`--only` names some, in part. A round is our run, then each peer's; ratios are against our run of the same round. Memory
is the peak of a process and its children; calls are counted by the server. Those that would take minutes get fewer
documents, which flatters them: Chroma is faster while it is small.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from index import Measured, measured
from platformdirs import user_cache_path

from batch_manager.rehearsal import RehearsalOptions, RehearsalServer

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "peers" / "requirements.txt"
OURS = "batch-manager"
PEERS = (
    "LangChain from_texts",
    "LangChain index()",
    "LlamaIndex arun, 8 workers",
    "llm embed-multi (no vector index)",
    "Chroma's own embedding function",
    "LiteLLM aembedding, 8 at once",
    "Haystack",
    "one document a call",
)
FEWER = {"Haystack": 500, "one document a call": 100}
"""Documents at most of those that are slow."""

SERVER = {"requests_per_minute": None, "tokens_per_minute": None, "rate_headers": False, "keep_hashes": False}


def interpreter(folder: Path | None) -> str:
    """The interpreter of the peers' environment, which is made when it isn't there or its pins are others."""
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    place = folder or user_cache_path("batch-manager-benchmarks") / f"peers-{pins}"
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = place / f"installed-{pins}"
    if not done.exists():
        print(f"making {place} from {REQUIREMENTS.name}, some minutes …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(REQUIREMENTS)], check=True, stdout=sys.stderr)
        done.touch()
    return str(python)


def one(name: str, python: str, documents: Path, count: int, server: RehearsalServer, place: Path) -> Measured | None:
    """One run of one of them, checked; None (and why, on stderr) when it can't."""
    if name == OURS:
        command = [sys.executable, str(HERE / "one_run.py"), str(documents), server.base_url, str(place)]
    else:
        command = [python, str(HERE / "peers" / "runs.py"), name, str(documents), server.base_url, str(place)]
    quiet = {"LOG_LEVEL": "ERROR", "ANONYMIZED_TELEMETRY": "False", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    loopback = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    try:
        run = measured(command, {**os.environ, **quiet, **loopback})
    except SystemExit as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        print(f"{name}: left out: {lines[-1] if lines else error}", file=sys.stderr)
        return None
    if run.output["rows"] != count:
        print(f"{name}: left out: {run.output['rows']} rows of {count}", file=sys.stderr)
        return None
    return run


def main() -> int:
    """Run the rounds and print the table; 1 when our own run failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--latency", type=float, default=150.0, help="milliseconds a request")
    parser.add_argument("--only", nargs="+", default=[], help="names of peers, or parts of them")
    parser.add_argument("--venv", type=Path, help="where the peers' environment is or shall be")
    parser.add_argument("--here", action="store_true", help="take this interpreter, with whichever peers it has")
    parser.add_argument("--tiny", action="store_true", help="60 documents, one round, no latency: does it run?")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.documents, arguments.rounds, arguments.latency = 60, 1, 0.0
    wanted = [name for name in PEERS if not arguments.only or any(part in name for part in arguments.only)]
    python = sys.executable if arguments.here else interpreter(arguments.venv)
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (OURS, *wanted)}
    calls: dict[str, int] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        RehearsalServer.start(RehearsalOptions(latency_ms=arguments.latency, **SERVER)) as server,
    ):
        left_out: set[str] = set()
        for number in range(arguments.rounds):
            ours = 0.0
            for name in (OURS, *wanted):
                count = min(arguments.documents, FEWER.get(name, arguments.documents))
                documents = corpus.write(Path(folder) / f"{count}.jsonl", count)
                before = server.totals()["requests"]
                place = Path(folder) / f"{[OURS, *PEERS].index(name)}-{number}"
                run = None if name in left_out else one(name, python, documents, count, server, place)
                if run is None:
                    left_out.add(name)
                    if name == OURS:
                        return 1
                    continue
                calls[name] = server.totals()["requests"] - before
                rate = count / float(str(run.output["seconds"]))
                ours = rate if name == OURS else ours
                runs[name].append((rate, rate / ours, run.peak_mb))
                print(f"round {number + 1}: {name}: {rate:.0f} docs/s, {rate / ours:.2f}", file=sys.stderr)
    print(f"{arguments.documents:,} documents, {arguments.latency:.0f} ms a request, rounds: {arguments.rounds}\n")
    print("| | docs/s against ours | docs/s | peak MB | calls | documents |")
    print("|---|---|---|---|---|---|")
    for name, rounds in runs.items():
        if rounds:
            rate, ratio, peak = (statistics.median(one[at] for one in rounds) for at in range(3))
            count = min(arguments.documents, FEWER.get(name, arguments.documents))
            print(f"| {name} | {ratio:.2f} | {rate:.0f} | {peak:.0f} | {calls[name]} | {count:,} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
