"""The app's own themes: calm ink and paper, one accent, and the terminal's own colours."""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

DARK = Theme(
    name="ledger-dark",
    primary="#6fb7b0",
    secondary="#8a9bb0",
    accent="#6fb7b0",
    foreground="#cdd3da",
    background="#14181d",
    surface="#191e24",
    panel="#222931",
    success="#94c07a",
    warning="#e0b061",
    error="#e07a78",
    dark=True,
    variables={
        "line": "#39434e",
        "soft": "#7f8b98",
        "cursor-line": "#26313a",
        "cursor-blurred": "#1e252c",
        "block-cursor-background": "#26313a",
        "block-cursor-foreground": "#eef1f4",
        "block-cursor-text-style": "none",
        "input-selection-background": "#6fb7b0 35%",
        "scrollbar": "#39434e",
        "scrollbar-hover": "#53606d",
        "scrollbar-active": "#6fb7b0",
        "scrollbar-background": "#14181d",
        "scrollbar-background-hover": "#14181d",
        "scrollbar-background-active": "#14181d",
        "scrollbar-corner-color": "#14181d",
    },
)

LIGHT = Theme(
    name="ledger-light",
    primary="#1f6f69",
    secondary="#5a6775",
    accent="#1f6f69",
    foreground="#2a3037",
    background="#fbfaf7",
    surface="#f4f2ec",
    panel="#e9e6de",
    success="#3c7a2a",
    warning="#8f5b00",
    error="#b03a37",
    dark=False,
    variables={
        "line": "#c9c4b8",
        "soft": "#6a727b",
        "cursor-line": "#dfe9e6",
        "cursor-blurred": "#efede6",
        "block-cursor-background": "#dfe9e6",
        "block-cursor-foreground": "#14181d",
        "block-cursor-text-style": "none",
        "input-selection-background": "#1f6f69 25%",
        "scrollbar": "#c9c4b8",
        "scrollbar-hover": "#a9a395",
        "scrollbar-active": "#1f6f69",
        "scrollbar-background": "#fbfaf7",
        "scrollbar-background-hover": "#fbfaf7",
        "scrollbar-background-active": "#fbfaf7",
        "scrollbar-corner-color": "#fbfaf7",
    },
)

TERMINAL = Theme(
    name="terminal",
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_blue",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    dark=True,
    variables={
        **BUILTIN_THEMES["ansi-dark"].variables,
        "line": "ansi_bright_black",
        "soft": "ansi_bright_black",
        "cursor-line": "ansi_default",
        "cursor-blurred": "ansi_default",
        "scrollbar": "ansi_bright_black",
        "scrollbar-hover": "ansi_white",
        "scrollbar-active": "ansi_cyan",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "scrollbar-corner-color": "ansi_default",
    },
)

THEMES: tuple[Theme, ...] = (DARK, LIGHT, TERMINAL)
"""In the order in which the key goes through them."""

DEFAULTS = {"line": "#606060", "soft": "#909090", "cursor-line": "#303030", "cursor-blurred": "#282828"}
"""The app's own variables, for a theme that doesn't have them (Textual's, by the palette)."""
