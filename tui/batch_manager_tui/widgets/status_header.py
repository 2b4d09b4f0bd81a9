"""The line at the top of every screen: what this is, in which mode, with which model, sent where."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.strip import Strip
from textual.widget import Widget

from batch_manager.settings import Settings
from batch_manager_tui.display import cell_len, clip, clip_middle, home_path, shown
from batch_manager_tui.widgets.strips import strip_of

NAME = " ■ batch manager "


class StatusHeader(Widget):
    """One line; the mode's badge comes before everything else."""

    COMPONENT_CLASSES: ClassVar = {
        "status-header--name",
        "status-header--demo",
        "status-header--rehearsal",
        "status-header--looking",
        "status-header--soft",
        "status-header--strong",
    }

    def __init__(self) -> None:
        super().__init__()
        self._settings: Settings | None = None
        self._looking = False
        self._serves = ""
        self._rehearsals = False

    def show(self, settings: Settings | None, looking: bool, serves: str = "") -> None:
        """Show what is in force.

        Args:
            settings: As they hold; None while a home is opened.
            looking: This home can't be written.
            serves: The model of the index that serves, where it is another one.
        """
        if (settings, looking, serves) == (self._settings, self._looking, self._serves):
            return
        self._settings, self._looking, self._serves = settings, looking, serves
        # Opened as any other home, it would take real money for what looks like one's own items.
        self._rehearsals = settings is not None and settings.mode == "live" and _is_rehearsals(settings.home)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Name and badge at the left, model and host, home at the right."""
        width = self.size.width
        style = self.get_component_rich_style
        pieces = [(NAME, style("status-header--name"))]
        settings = self._settings
        if settings is None:
            pieces.append(("  opening…", style("status-header--soft")))
            return strip_of(pieces, width, self.rich_style)
        if settings.mode == "rehearsal":
            pieces.append((" REHEARSAL: pretend money ", style("status-header--rehearsal")))
        elif self._rehearsals:
            pieces.append((" A REHEARSAL'S HOME ", style("status-header--rehearsal")))
        elif settings.mode == "demo":
            pieces.append((" DEMO: the sample ", style("status-header--demo")))
        if self._looking:
            pieces.append((" LOOKING ONLY ", style("status-header--looking")))
        used = sum(cell_len(text) for text, _ in pieces)
        model, host = shown(settings.model), shown(settings.host)
        route = f"  {model} → {host}"
        if self._serves and used + cell_len(route) + len(self._serves) + 10 <= width:
            route += f"  index: {shown(self._serves)}"
        home = home_path(settings.home) + " "
        if used + cell_len(route) > width:
            route = clip(f"  → {host}", max(0, width - used))  # where it is sent matters most
        pieces.append((route, style("status-header--strong")))
        left = width - used - cell_len(route) - 2
        if left >= 12:
            home = clip_middle(home, left)
            gap = width - used - cell_len(route) - cell_len(home)
            pieces += [(" " * gap, self.rich_style), (home, style("status-header--soft"))]
        return strip_of(pieces, width, self.rich_style)


def _is_rehearsals(home: Path) -> bool:
    from batch_manager.home import is_rehearsals  # the first paint has no home yet

    return is_rehearsals(home)
