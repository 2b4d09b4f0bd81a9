"""Random keys, clicks and sizes against the real app: does anything break, stall, or spend without a yes?

    python benchmarks/random_keys.py                       ten minutes on the sample, ten on 100,000 items
    python benchmarks/random_keys.py --seconds 60 --items 0 --seed 7

It prints the longest time for which the screen's loop stood still, and ends with 1 when the app broke or a run began
that nobody said yes to. The same seed presses the same keys.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "core"), str(ROOT / "tui")]
os.environ.pop("TEXTUAL_THEME", None)
os.environ.pop("NO_COLOR", None)

from batch_manager.cli import COLLECTOR  # noqa: E402
from batch_manager.documents import Document  # noqa: E402
from batch_manager.settings import load_settings  # noqa: E402
from batch_manager.sources.collection import IterableSource  # noqa: E402
from batch_manager.workspace import Workspace  # noqa: E402
from batch_manager_tui.app import BatchManagerApp  # noqa: E402
from batch_manager_tui.commands import COMMANDS  # noqa: E402

LEAVING = frozenset({"q", "ctrl+q", "ctrl+c", "ctrl+z"})
"""Keys that end the walk or stop the process; they have tests of their own."""

TYPED = [*"abcdehnopstuvwyz_/.0123456789-", "enter", "escape", "escape", "backspace", "tab", "space", "left", "right"]
SIZES = ((120, 40), (80, 24), (60, 18), (160, 45), (100, 30))
BEAT = 0.01
"""Seconds between two beats of the loop: what a beat comes late is the stall."""


@dataclass
class Walk:
    """What a walk saw.

    Attributes:
        steps: Keys, clicks and changes of size.
        yes: How often `y` was pressed while a question about money stood in front.
        runs: Runs that the store has beyond those before the walk.
        stalls: Seconds that the loop stood still, each over 50 ms.
        screens: How many steps each screen was in front.
    """

    steps: int = 0
    yes: int = 0
    runs: int = 0
    stalls: list[float] = field(default_factory=list)
    screens: Counter[str] = field(default_factory=Counter)


def keys_of_the_app() -> list[str]:
    """Every key of the table of commands, but those that leave."""
    return sorted({key for command in COMMANDS for key in command.keys} - LEAVING)


async def walk(
    app: BatchManagerApp, pilot: Any, seed: int, *, steps: int | None = None, seconds: float | None = None, yes: bool
) -> Walk:
    """Press random keys until `steps` or `seconds` are over; `yes` allows the key that spends."""
    chance, seen = random.Random(seed), Walk()
    keys = keys_of_the_app()
    typed = [key for key in TYPED if yes or key != "y"]
    if yes:
        keys += ["y"] * 3
    before = len(app.workspace.store.ledger.runs())
    beating = asyncio.create_task(_beat(seen))
    end = None if seconds is None else time.monotonic() + seconds
    while (steps is None or seen.steps < steps) and (end is None or time.monotonic() < end) and app.is_running:
        front = type(app.screen).__name__
        seen.screens[front] += 1
        seen.steps += 1
        dice = chance.random()
        if dice < 0.04:
            width, height = app.size
            await pilot.click(offset=(chance.randrange(max(1, width)), chance.randrange(max(1, height))))
        elif dice < 0.05:
            await pilot.resize_terminal(*chance.choice(SIZES))
        else:
            key = _key(front, chance, keys, typed)
            if key == "y" and front == "ConfirmSpend":
                seen.yes += 1
                await pilot.pause(chance.choice([0.0, 0.6]))  # a yes counts once the price could be read
            await pilot.press(key)
    beating.cancel()
    seen.runs = len(app.workspace.store.ledger.runs()) - before
    return seen


def _key(front: str, chance: random.Random, keys: list[str], typed: list[str]) -> str:
    if front == "MainScreen":
        return chance.choice(keys)
    if front == "ConfirmSpend" and "y" in typed and chance.random() < 0.3:
        return "y"
    if chance.random() < 0.2:
        return "escape"  # a person doesn't stay in one form for long
    return chance.choice(typed if chance.random() < 0.6 else keys)


async def _beat(seen: Walk) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(BEAT)
        late = time.monotonic() - before - BEAT
        if late > 0.05:
            seen.stalls.append(late)


def many(count: int) -> Iterator[Document]:
    """That many small documents."""
    for number in range(count):
        yield Document("table", f"table_{number:06d}", f"Purpose {number}", f"Row {number % 97} of area {number % 13}.")


def one_walk(items: int, seed: int, seconds: float) -> tuple[Walk, int]:
    """A walk in a home of its own: on the sample when `items` is 0. Returns it and the number of items."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # what a walk exports or writes goes there
        os.environ["HOME"] = folder
        values = {"BATCH_MANAGER_HOME": folder, "EMBEDDING_PROVIDER": "local", "LOG_LEVEL": "ERROR"}
        workspace = Workspace.open(load_settings(values, {}, Path(folder)), demo=items == 0)
        try:
            if items:
                workspace.store.items.bring(IterableSource(many(items), "words", "random keys"))
            app = BatchManagerApp(workspace)

            async def go() -> Walk:
                app.collector.begin()  # as on a terminal
                async with app.run_test(size=(120, 40)) as pilot:
                    while app.main.desk.quote is None and app.main.desk.error is None:
                        await pilot.pause(0.02)
                    return await walk(app, pilot, seed, seconds=seconds, yes=True)

            try:
                return asyncio.run(go()), items
            finally:
                app.close_rooms()
        finally:
            workspace.close()
            os.chdir(ROOT)


def main() -> int:
    """Walk, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="of each walk")
    parser.add_argument("--items", type=int, nargs="*", default=[0, 100_000], help="0 is the sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tiny", action="store_true", help="ten seconds on the sample")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    bad = 0
    gc.set_threshold(*COLLECTOR)  # as the command does
    for items in [0] if given.tiny else given.items:
        seen, _ = one_walk(items, given.seed, 10.0 if given.tiny else given.seconds)
        longest = max(seen.stalls, default=0.0)
        over = sum(stall > 0.1 for stall in seen.stalls)
        bad += seen.runs > seen.yes
        if given.json:
            print(json.dumps({"name": "random_keys", "items": items, "longest_stall": longest, "ratios": {}}))
            continue
        print(f"{f'{items:,} items' if items else 'the sample'}: {seen.steps:,} steps, seed {given.seed}")
        print(f"  longest stall {longest * 1000:.0f} ms, {over} over 100 ms; {seen.runs} runs after {seen.yes} yes")
        print("  " + ", ".join(f"{name} {count}" for name, count in seen.screens.most_common()))
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
