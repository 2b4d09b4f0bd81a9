"""The real app with probes in it, for `hundred_thousand.py` and `awake.py`; on a signal it tells what they saw.

Usage: python benchmarks/probed_app.py RESULT.json

Settings come from the environment, as for the program. Times are `time.monotonic`, which all processes share. A probe
notes the moment and goes on; the paint is the driver's write to the terminal that follows.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from batch_manager.cli import COLLECTOR
from batch_manager.settings import load_settings
from batch_manager_tui.app import BatchManagerApp
from batch_manager_tui.screens.main import MainScreen
from batch_manager_tui.widgets.cost_panel import CostPanel
from batch_manager_tui.widgets.item_list import ItemList

BEAT = 0.01
"""Seconds between two beats of the app's loop: what a beat comes late is a stall."""


class Probes:
    """What happened when, in the order in which it did.

    Attributes:
        seen: (seconds, what): `act` a command was done, `list` rows are others, `cost` the price is another one,
            `paint` the terminal was written to.
        stalls: (seconds, how long) of beats that came over 20 ms late.
        cpu: (seconds, CPU seconds of the app's thread).
    """

    def __init__(self) -> None:
        self.seen: list[tuple[float, str]] = []
        self.stalls: list[tuple[float, float]] = []
        self.cpu: list[tuple[float, float]] = []

    def after(self, owner: Any, method: str, what: str) -> None:
        """Note each end of a method."""
        original: Callable[..., Any] = getattr(owner, method)

        def noted(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self.seen.append((time.monotonic(), what))
            return result

        setattr(owner, method, noted)

    async def beat(self) -> None:
        """Look at the loop and at the thread's CPU time."""
        due = time.monotonic() + BEAT
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late = time.monotonic() - due
            if late > 0.02:
                self.stalls.append((time.monotonic(), late))
            if not self.cpu or time.monotonic() - self.cpu[-1][0] > 0.5:
                self.cpu.append((time.monotonic(), time.thread_time()))
            due = time.monotonic() + BEAT


def main(result: str) -> None:
    """Open the app; tell on SIGUSR1."""
    gc.set_threshold(*COLLECTOR)  # as the command does
    probes = Probes()
    probes.after(MainScreen, "action_command", "act")
    probes.after(ItemList, "_shown", "list")
    probes.after(CostPanel, "show_lines", "cost")

    def opener() -> Any:
        from batch_manager.workspace import Workspace

        return Workspace.open(load_settings())

    class Probed(BatchManagerApp):
        def on_mount(self) -> None:  # beside the app's own, which Textual calls as well
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
            self.beating = asyncio.create_task(probes.beat())

    app = Probed(opener)
    driver = app.driver_class

    class Writing(driver):  # type: ignore[misc, valid-type]
        def write(self, data: str) -> None:
            probes.seen.append((time.monotonic(), "paint"))
            super().write(data)

    app.driver_class = Writing

    def tell() -> None:
        place = Path(result)
        part = place.with_suffix(".part")
        part.write_text(json.dumps(vars(probes)))
        part.rename(place)

    try:
        app.run()
    finally:
        app.close_rooms()


if __name__ == "__main__":
    main(sys.argv[1])
