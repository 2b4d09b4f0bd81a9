"""Looking: the commands that open another screen."""

from __future__ import annotations

from batch_manager_tui.screens.bill import BillScreen
from batch_manager_tui.screens.check import CheckScreen
from batch_manager_tui.screens.details import DetailsScreen
from batch_manager_tui.screens.doer import Doer
from batch_manager_tui.screens.failures import FailuresScreen
from batch_manager_tui.screens.half_price import HalfPriceScreen
from batch_manager_tui.screens.search import SearchScreen
from batch_manager_tui.screens.settings import SettingsScreen
from batch_manager_tui.screens.sources import SourcesScreen


class Looking(Doer):
    """The commands that look."""

    def details(self) -> None:
        """The item under the cursor."""
        item_id = self._screen.items.current_id
        if item_id is not None:
            self._app.push_screen(DetailsScreen(item_id))

    def failures(self) -> None:
        """What failed, by cause."""
        self._app.push_screen(FailuresScreen())

    def bill(self) -> None:
        """What was estimated and billed."""
        self._app.push_screen(BillScreen())

    def half_price(self) -> None:
        """Batches at half the price."""
        self._app.push_screen(HalfPriceScreen())

    def settings(self) -> None:
        """What is in force."""
        self._app.push_screen(SettingsScreen())

    def sources(self) -> None:
        """Where documents come from."""
        self._app.push_screen(SourcesScreen())

    def search(self) -> None:
        """Ask the index."""
        self._app.push_screen(SearchScreen())

    def check(self) -> None:
        """Store and index compared."""
        self._app.push_screen(CheckScreen())

    def help(self) -> None:
        """All keys."""
        self._app.open_help()

    def palette(self) -> None:
        """All commands by typing."""
        self._app.action_command_palette()
