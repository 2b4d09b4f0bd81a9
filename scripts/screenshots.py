"""Makes the pictures of `screenshots/` from the real app on the sample: scripts/screenshots.py [NAME…].

Each picture is the app itself, driven by keys, on the rehearsal of the sample (pretend dollars, faults on purpose)
or on the plain sample, in a home that is thrown away. PNGs need the font Fira Code; without it only SVGs are made.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.pop("NO_COLOR", None)
os.environ.pop("TEXTUAL_THEME", None)
os.environ["COLORTERM"] = "truecolor"
ROOT = Path(__file__).resolve().parent.parent
for room in ("core", "tui"):
    sys.path.insert(0, str(ROOT / room))

from batch_manager.settings import load_settings  # noqa: E402 - the rooms are put on the path first
from batch_manager.workspace import Workspace  # noqa: E402
from batch_manager_tui.app import BatchManagerApp  # noqa: E402
from batch_manager_tui.widgets.hits import Hits  # noqa: E402

if TYPE_CHECKING:
    from textual.pilot import Pilot

FOLDER = ROOT / "screenshots"
FONT_DIRS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts", "/Library/Fonts")
HOW_TO_INSTALL = "Fira Code was not found: apt-get install fonts-firacode (or put its .ttf files in ~/.fonts)."

Story = Callable[["Pilot[None]", Callable[[str], None]], Awaitable[None]]


async def rehearsed(pilot: Pilot[None], shoot: Callable[[str], None]) -> None:
    """Start, marks with a price, the question, the run, what failed, details, search, bill, settings."""
    await until(pilot, lambda app: app.main.desk.quote is not None)
    shoot("start")
    await pilot.press("f", *"jj", "v", *"jjjjj", "v", *"jjj", "space", "space")
    await pilot.pause(0.6)
    shoot("marked-with-live-price")
    await pilot.press("escape", "escape")
    await pilot.pause(0.6)
    await pilot.press("s")
    await until(pilot, lambda app: type(app.screen).__name__ == "ConfirmSpend")
    await pilot.pause(0.6)
    shoot("spend-prompt")
    await pilot.press("y")
    await until(pilot, lambda app: app.main.desk.view.indexed >= 20)
    await pilot.pause(0.3)
    shoot("running")
    await until(pilot, lambda app: app.main.desk.view.state == "done")
    await pilot.pause(1.5)
    await pilot.press("f", "f", "f")
    await pilot.pause(0.6)
    shoot("failed-with-reasons")
    await pilot.press("enter")
    await pilot.pause(0.6)
    shoot("details-of-a-failure")
    await pilot.press("escape", "escape", "S", *"which customers pay late", "enter")
    await until(pilot, lambda app: bool(app.screen.query_one("#hits", Hits).hits))
    await pilot.pause(0.6)
    shoot("search")
    await pilot.press("escape", "F")
    await pilot.pause(1.5)
    await pilot.press("j")
    await pilot.pause(0.6)
    shoot("failure-desk")
    await pilot.press("escape", "B")
    await pilot.pause(0.8)
    shoot("bill")
    await pilot.press("escape", "comma", *"jjjjj")
    await pilot.pause(0.8)
    shoot("settings")
    await pilot.press("escape", "c")
    await pilot.pause(0.8)
    shoot("sources")
    await pilot.press("escape", "question_mark")
    await pilot.pause(0.6)
    shoot("help")


async def halved(pilot: Pilot[None], shoot: Callable[[str], None]) -> None:
    """The half-price lane: the question, and what is handed over."""
    await until(pilot, lambda app: app.main.desk.quote is not None)
    await pilot.press("s")
    await until(pilot, lambda app: type(app.screen).__name__ == "ConfirmSpend")
    await pilot.press("h")
    await pilot.pause(0.6)
    shoot("half-price-prompt")
    await pilot.press("y")
    await until(pilot, lambda app: any(job.state == "in progress" for job in app.main.desk.jobs))
    await pilot.press("h")
    await pilot.pause(3.0)
    shoot("half-price")


async def narrow(pilot: Pilot[None], shoot: Callable[[str], None]) -> None:
    """The same in 80 columns and 24 rows."""
    await until(pilot, lambda app: app.main.desk.quote is not None)
    await pilot.press("space", "space", "space")
    await pilot.pause(0.6)
    shoot("narrow-terminal")
    await pilot.press("escape", "s")
    await until(pilot, lambda app: type(app.screen).__name__ == "ConfirmSpend")
    await pilot.pause(0.6)
    shoot("narrow-spend-prompt")
    await pilot.press("y")
    await until(pilot, lambda app: app.main.desk.view.indexed >= 20)
    await pilot.pause(0.3)
    shoot("narrow-running")
    await until(pilot, lambda app: app.main.desk.view.state == "done")


async def light(pilot: Pilot[None], shoot: Callable[[str], None]) -> None:
    """The light theme, wide."""
    await until(pilot, lambda app: app.main.desk.quote is not None)
    await pilot.press("ctrl+t", *"jjjj", "space", "space")
    await pilot.pause(8)
    shoot("wide-and-light")


async def smallest(pilot: Pilot[None], shoot: Callable[[str], None]) -> None:
    """The least room that the app takes."""
    await until(pilot, lambda app: app.main.desk.quote is not None)
    await pilot.press(*"jjj")
    await pilot.pause(0.6)
    shoot("smallest-terminal")


async def empty(pilot: Pilot[None], shoot: Callable[[str], None]) -> None:
    """The first start of all."""
    await pilot.pause(0.8)
    shoot("nothing-yet")


STORIES: tuple[tuple[Story, tuple[int, int], bool, bool], ...] = (
    (rehearsed, (120, 40), True, True),
    (halved, (120, 40), True, True),
    (narrow, (80, 24), True, True),
    (light, (200, 50), True, False),
    (smallest, (60, 18), True, False),
    (empty, (120, 40), False, False),
)
"""(story, size, on the sample, rehearsed)"""


async def until(pilot: Pilot[None], met: Callable[[BatchManagerApp], bool], seconds: float = 60.0) -> None:
    """Wait for something to be so."""
    app = pilot.app
    assert isinstance(app, BatchManagerApp)
    for _ in range(round(seconds / 0.05)):
        if met(app):
            return
        await pilot.pause(0.05)
    raise TimeoutError("the app did not get there")


async def tell(story: Story, size: tuple[int, int], sample: bool, rehearse: bool, home: Path) -> list[Path]:
    """Run one story; returns the SVGs."""
    settings = load_settings({"BATCH_MANAGER_HOME": str(home)}, {"LOG_LEVEL": "ERROR"}, home)
    made: list[Path] = []
    with Workspace.open(settings, demo=sample, rehearse=rehearse) as workspace:
        app = BatchManagerApp(workspace)

        def shoot(name: str) -> None:
            path = FOLDER / f"{name}.svg"
            path.write_text(app.export_screenshot(title="batch manager"), encoding="utf-8")
            made.append(path)

        async with app.run_test(size=size) as pilot:
            await story(pilot, shoot)
        app.close_rooms()
    return made


def to_png(path: Path) -> None:
    """Draw an SVG without a browser."""
    import resvg_py

    svg = path.read_text(encoding="utf-8").replace("font-family: arial", "font-family: Fira Code")
    path.with_suffix(".png").write_bytes(resvg_py.svg_to_bytes(svg_string=svg, monospace_family="Fira Code"))


def has_font() -> bool:
    """Fira Code is installed."""
    folders = (Path(folder).expanduser() for folder in FONT_DIRS)
    return any(next(folder.rglob("FiraCode*"), None) for folder in folders if folder.is_dir())


def main() -> int:
    """Make all pictures, or those of the stories that are named."""
    FOLDER.mkdir(exist_ok=True)
    font = has_font()
    if not font:
        print(HOW_TO_INSTALL, file=sys.stderr)
    for story, size, sample, rehearse in STORIES:
        if sys.argv[1:] and story.__name__ not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            # The header shows the home; a person's reads better than a temporary folder.
            os.environ["HOME"] = folder
            home = Path(folder) / ".local" / "share" / "batch-manager"
            home.mkdir(parents=True)
            for path in asyncio.run(tell(story, size, sample, rehearse, home)):
                if font:
                    to_png(path)
                print(path.relative_to(ROOT))
    return 0 if font else 1


if __name__ == "__main__":
    raise SystemExit(main())
