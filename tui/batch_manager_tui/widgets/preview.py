"""The preview: the exact text of the item under the cursor, and why it failed when it did."""

from __future__ import annotations

from batch_manager.store.items import ItemDetail
from batch_manager_tui.display import count, shown, wrap
from batch_manager_tui.widgets.detail_lines import failure_lines
from batch_manager_tui.widgets.strips import Line
from batch_manager_tui.widgets.text_pane import TextPane


class Preview(TextPane):
    """Follows the list's cursor."""

    def show_item(self, detail: ItemDetail | None) -> None:
        """Show this item, or nothing."""
        if detail is None:
            self.border_subtitle = None
            self.show("")
            return
        width = max(10, self.line_width - 1)
        head: list[Line] = []
        if detail.row.code or detail.row.problem:
            head = [[(line, "strong")] for line in wrap(shown(detail.row.name), width)]
            head += [*failure_lines(detail, width), []]
        self.border_subtitle = count(detail.row.tokens, "token") if detail.row.tokens else None
        self.show(detail.text, head, detail.breaks)
