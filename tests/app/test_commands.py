"""The one table of commands: each is reachable, and does something or says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.command import CommandList

from batch_manager_tui.commands import COMMANDS, GROUPS, Command
from batch_manager_tui.display import cell_len
from batch_manager_tui.places import ALL_COMMANDS, PLACE_COMMANDS
from batch_manager_tui.screens.deeds import Deeds
from batch_manager_tui.screens.help import help_lines


def test_no_key_means_two_things() -> None:
    keys = [key for command in COMMANDS for key in command.keys]
    assert len(keys) == len(set(keys))
    assert len({command.id for command in COMMANDS}) == len(COMMANDS)


def test_each_command_has_a_deed_and_stands_in_the_help() -> None:
    page = "\n".join("".join(text for text, _ in line) for line in help_lines(120))
    for command in PLACE_COMMANDS:
        assert command.help in page
    for command in COMMANDS:
        assert command.group in GROUPS
        assert command.help in page
        assert command.shown_keys in page
        if command.group != "Move":
            assert callable(getattr(Deeds, command.id if command.id != "import" else "import_"))


@pytest.mark.parametrize("width", [54, 76, 112, 170])
def test_help_is_whole_at_every_width(width: int) -> None:
    lines = ["".join(text for text, _ in line) for line in help_lines(width)]
    assert max(map(cell_len, lines)) <= width
    words = " ".join(" ".join(lines).split())
    for command in ALL_COMMANDS if width < 150 else ():
        assert " ".join(command.help.split()) in words


def effect(driver: Any) -> tuple[object, ...]:
    """Everything that a command could change, as far as a user can tell."""
    main = driver.app.main
    return (
        driver.app.is_running,
        driver.app._exit,
        driver.app.theme,
        [type(screen).__name__ for screen in driver.app.screen_stack],
        driver.notice,
        main.items.cursor,
        main.items.range_from,
        frozenset(main.desk.selection.marks),
        main.desk.selection.wanted,
        main.pane,
        main.focused,
        str(main.desk.workspace.settings.mode),
    )


async def at_main(driver: Any) -> bool:
    """Back out of whatever is open; False when the app has ended or stays elsewhere."""
    for _ in range(4):
        if not driver.app.is_running or driver.app._exit:
            return False
        if driver.front == "MainScreen":
            return True
        await driver.press("escape")
    return False


async def does_something(driver: Any, command: Command) -> bool:
    """Press the command's key in the list's first pane and in the second, until something comes of it."""
    for start in ("1", "2"):
        await driver.press(start, *["down"] * 3)
        if start == "1":
            driver.app.main.items.go(20)
        before = effect(driver)
        await driver.press(command.keys[0])
        await driver.pilot.pause(0.2)
        if effect(driver) != before:
            return True
    return False


@pytest.mark.parametrize("which", range(4))
async def test_each_key_does_something_or_says_why(
    which: int, local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    workspace = local(tables(60))
    left = list(COMMANDS[which::4])
    while left:
        async with drives(workspace) as driver:
            fresh = True
            while left and await at_main(driver):
                if await does_something(driver, left[0]):
                    left.pop(0)
                elif fresh:
                    pytest.fail(f"{left[0].keys[0]} did nothing and said nothing")
                else:
                    break  # what came before may have done it already: once more in an app of its own
                fresh = False


async def test_a_blocked_key_says_why(opens: Callable[..., Any], drives: Callable[..., Any]) -> None:
    async with drives(opens()) as driver:
        for key in ("s", "r", "R", "p", "x", "a", "space", "slash", "enter", "S", "e", "minus"):
            await driver.press("down")  # a key takes the notice away
            assert driver.notice == "", key
            await driver.press(key)
            assert driver.front == "MainScreen", key
            assert ": " in driver.notice, key
            assert driver.notice.endswith("."), key


async def test_the_key_line_shows_only_what_works_now(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(3))) as driver:
        labels = [label for _, _, label in driver.app.main.footer()]
        assert "start" in labels
        assert "retry failed" not in labels
        assert "pause" not in labels
        assert labels[-2:] == ["help", "quit"]


async def test_the_palette_runs_commands_by_name(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(3))) as driver:
        await driver.press("ctrl+p")
        await driver.until(lambda: driver.front == "Palette")
        await driver.pilot.press(*"mark all")
        await driver.pilot.pause(0.5)
        await driver.pilot.press("enter")
        await driver.until(lambda: len(driver.app.main.desk.selection.marks) == 3)


async def test_a_palette_that_is_closed_in_the_middle_of_its_search_breaks_nothing(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(3))) as driver:
        await driver.press("ctrl+p")
        await driver.until(lambda: driver.front == "Palette")
        await driver.app.screen.query_one(CommandList).remove()  # as when it is closed, only for longer
        await driver.pilot.press("m")
        await driver.pilot.pause(0.3)
        await driver.pilot.press("escape")
        await driver.until(lambda: driver.front == "MainScreen")
        await driver.press("a")
        assert len(driver.app.main.desk.selection.marks) == 3


async def test_esc_backs_out_step_by_step(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(12))) as driver:
        selection = driver.app.main.desk.selection
        await driver.press("space", "slash", *"00", "enter", "v")
        assert (len(selection.ids), len(selection.marks)) == (10, 1)
        await driver.press("escape")
        assert driver.app.main.items.range_from is None
        await driver.press("escape")
        assert len(selection.ids) == 12
        await driver.press("escape")
        assert not selection.marks
        for key in ("question_mark", "enter", "i", "d"):
            await driver.press(key)
            assert driver.front != "MainScreen"
            await driver.press("escape")
            assert driver.front == "MainScreen"


async def test_nothing_opens_over_a_question(
    local: Callable[..., Any], drives: Callable[..., Any], tables: Callable[..., Any]
) -> None:
    async with drives(local(tables(3))) as driver:
        await driver.press("s")
        await driver.asked()
        for key in ("s", "question_mark", "enter", "i", "S", "slash"):
            await driver.press(key)
        assert [type(screen).__name__ for screen in driver.app.screen_stack][-1] == "ConfirmSpend"
        assert sum(screen.is_modal for screen in driver.app.screen_stack) == 1
