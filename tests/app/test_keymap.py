"""Keys of the user's own: taken where they can be, told where not, shown wherever a key is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_manager_tui.commands import BY_ID
from batch_manager_tui.keymap import FILE_NAME, KeysInForce, parse_keys, read_keys
from batch_manager_tui.places import ALL_COMMANDS, PLACES, commands_of


def keys(text: str, name: str) -> tuple[str, ...]:
    """The keys of one command under this file."""
    return next(one.keys for one in parse_keys(text).commands if one.id == name)


def no_key_twice(found: KeysInForce) -> bool:
    """On no screen does a key mean two things."""
    keys = {one.id: one.keys for one in found.commands}
    screens = [[one.id for one in found.commands if not one.action]]
    screens += [[one.id for one in commands_of(place)] for place in PLACES]
    held = [[key for name in names for key in keys[name]] for names in screens]
    return all(len(one) == len(set(one)) for one in held)


def test_keys_are_laid_over_the_table() -> None:
    text = 'start = "ctrl+g"\nfilter = ["?", "F5"]\nhelp = "slash"\nsettings = "!"\nsort = ","\n'
    found = parse_keys(text.replace("F5", "f5"))
    assert found.troubles == ()
    assert found.changed == {"start", "filter", "help", "settings", "sort"}
    assert keys(text.replace("F5", "f5"), "filter") == ("question_mark", "f5")
    assert found.keymap["sort"] == "comma"
    assert no_key_twice(found)
    assert {one.id: one.shown_key for one in found.commands}["filter"] == "?"


def test_a_command_that_is_called_like_a_screen_has_a_place_beside_it() -> None:
    text = '[main]\nbill = "ctrl+b"\n\n[bill]\ncsv = "C"\n'
    assert parse_keys(text).troubles == ()
    assert keys(text, "bill") == ("ctrl+b",) and keys(text, "bill.csv") == ("C",)


def test_two_commands_may_change_places() -> None:
    found = parse_keys('start = "r"\nretry = "s"\n')
    assert not found.troubles
    assert no_key_twice(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start = 3", "it must be a key"),
        ("start = []", "it must be a key"),
        ('start = [["s"]]', "is no key"),
        ('start = "retrun"', "'retrun' is no key"),
        ('start = ""', "is no key"),
        ('begin = "s"', "there is no command 'begin'"),
        ('start = "q"', "q means quit already"),
        ('start = "ctrl+f"', "means search already"),
        ('start = "z"\nretry = "z"', "z means retry failed already"),
        ("start = ", "it isn't TOML"),
        ('failures.retry = "enter"', "means open already"),
        ('failures.begin = "z"', "there is no command 'failures.begin'"),
        ('down = "w"', "means write list already"),
        ('quit = "Q"\nstart = "ctrl+c"', "ctrl+c always quits"),
        ("[start]\nkey = 's'", "it must be a key"),
    ],
)
def test_what_cannot_be_taken_is_told_and_left(text: str, said: str) -> None:
    found = parse_keys(text)
    assert said in " ".join(found.troubles)
    assert [one for one in found.commands if one.id != "quit"] == [one for one in ALL_COMMANDS if one.id != "quit"]
    assert set(found.keymap) <= {"quit"}


def test_one_wrong_line_spoils_no_other() -> None:
    found = parse_keys('begin = "z"\nstart = "z"\n')
    assert found.changed == {"start"}


@given(
    st.dictionaries(
        st.sampled_from([*BY_ID, "nonsense"]),
        st.sampled_from(["s", "r", "q", "ctrl+c", "?", "slash", "/", "z", "enter", ["a", "b"], ["-", "minus"], "", 1]),
    )
)
def test_no_key_ever_means_two_things(wanted: dict[str, Any]) -> None:
    lines = [f"{name} = {value!r}" for name, value in wanted.items()]
    assert no_key_twice(parse_keys("\n".join(lines)))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Any) -> None:
    assert read_keys(tmp_path) == KeysInForce()
    (tmp_path / FILE_NAME).write_bytes(b"\xff")
    assert "not UTF-8" in read_keys(tmp_path).troubles[0]
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).mkdir()
    assert "can't be read" in read_keys(tmp_path).troubles[0]


async def test_the_app_lives_by_them(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(3))
    (workspace.settings.home / FILE_NAME).write_text(
        'start = "z"\nhelp = "H"\nsort = "s"\nrubbish = "\x1b"\n'.replace("\x1b", "y")
    )
    async with drives(workspace) as driver:
        assert "keys.toml: there is no command 'rubbish'." in driver.notice
        await driver.press("s")
        assert driver.app.main.desk.selection.wanted.sort == "name"
        assert ("start", "z", "start") in driver.app.main.footer()
        await driver.press("question_mark", "o")
        assert driver.front == "MainScreen"
        await driver.press("H")
        assert driver.front == "HelpScreen"
        page = driver.screen_text()
        assert any("z " in line and BY_ID["start"].help in line for line in page.split("\n"))
        await driver.press("escape", "z")
        await driver.asked()
        await driver.press("n")


async def test_the_sample_knows_them_too(opens: Any, drives: Any, tmp_path: Any) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / FILE_NAME).write_text('start = "z"\n')
    async with drives(opens(demo=True)) as driver:
        assert ("start", "z", "start") in driver.app.main.footer()
        assert "z    shows the price" in driver.screen_text()


async def test_they_hold_on_every_screen(local: Any, drives: Any, tables: Any) -> None:
    workspace = local(tables(3))
    (workspace.settings.home / FILE_NAME).write_text('back = "X"\nhelp = "H"\ndown = "z"\n[details]\nnext = "N"\n')
    async with drives(workspace) as driver:
        await driver.press("enter")
        assert driver.front == "DetailsScreen"
        assert "table_000" in driver.screen_text()
        assert " N next item" in driver.screen_text().splitlines()[-1]
        await driver.press("n", "escape")
        assert "table_000" in driver.screen_text()
        await driver.press("N")
        assert "table_001" in driver.screen_text()
        await driver.press("H")
        assert driver.front == "HelpScreen"
        assert "N             The list's next item" in driver.screen_text()
        await driver.press("z")
        assert driver.app.screen.query_one("#help-page").scroll_y == 1
        await driver.press("X", "X")
        assert driver.front == "MainScreen"
