"""Shell completion: scripts for bash, zsh and fish, made from the parser, so that they offer what it takes.

A script is text alone: at TAB nothing of this program is started.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from batch_manager.cli import terminal
from batch_manager.cli.flags import Flags, make_parser, nonsense

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Value = Literal["none", "words", "file", "folder", "text"]

_VALUES: dict[str, Value] = {"FILE": "file", "DIR": "folder"}


@dataclass(frozen=True, slots=True)
class Option:
    """A flag, as a shell has to know it.

    Attributes:
        flag: With its dashes.
        dest: Its name among `Flags`.
        short: A second name of one letter, with its dash; or empty.
        help: One line.
        action: It is an action, of which a call takes one.
        value: What kind of value follows.
        words: The values, where they are known.
        name: What a person calls the value, such as `USD`.
        optional: The value may be left out.
    """

    flag: str
    dest: str
    short: str
    help: str
    action: bool
    value: Value
    words: tuple[str, ...]
    name: str
    optional: bool


def print_script(flags: Flags) -> int:
    """Print the script for the shell that the call names."""
    terminal.result([script(flags.argument or "").rstrip("\n")])
    return 0


def script(shell: str) -> str:
    """The script for a shell.

    Args:
        shell: bash, zsh or fish.
    """
    makers: dict[str, Callable[[Sequence[Option], dict[str, list[str]]], str]] = {
        "bash": _bash,
        "zsh": _zsh,
        "fish": _fish,
    }
    options = read_options()
    actions = [one.flag for one in options if one.action]
    return makers[shell](options, {action: fitting(action, options) for action in actions})


def read_options() -> list[Option]:
    """The parser's flags, in the order of `--help`."""
    # argparse has no public list of a parser's options; this one has not changed since Python 2.7.
    return [_option(one) for one in make_parser()._actions]


def fitting(action: str, options: Sequence[Option]) -> list[str]:
    """The action and the options that make sense with it, by the rules that refuse the others."""
    nothing: dict[str, object] = {one.dest: False if one.value == "none" else None for one in options}
    return [action] + [one.flag for one in options if not one.action and _fits(action, one, nothing)]


def _fits(action: str, option: Option, nothing: dict[str, object]) -> bool:
    if option.flag in ("--help", "--version"):
        return False  # they end the call, so nobody adds them to an action
    value = True if option.value == "none" else (option.words or ("1",))[0]
    flags = Flags(**{**nothing, "action": action.removeprefix("--"), option.dest: value})
    flags.demo |= option.flag == "--reset"  # alone it goes with nothing
    return nonsense(flags) is None


def _option(one: argparse.Action) -> Option:
    flag = next(name for name in one.option_strings if name.startswith("--"))
    short = next((name for name in one.option_strings if not name.startswith("--")), "")
    metavar = one.metavar if isinstance(one.metavar, str) else ""
    words = tuple(str(word) for word in one.choices or ())
    value: Value = "none" if one.nargs == 0 else "words" if words else _VALUES.get(metavar, "text")
    return Option(
        flag=flag,
        dest=one.dest,
        short=short,
        help=(one.help or "").split("; ")[0].split(": pretend")[0],
        action=one.dest == "argument",
        value=value,
        words=words,
        name=metavar or one.dest.upper(),
        optional=one.nargs == "?",
    )


# bash

_BASH = """\
# Completion of batch-manager for bash, made by: batch-manager --completion bash
_batch_manager() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local action= used=' ' fit= kind= words= word i
    # To bash "=" is a word of its own: --type=ta is three of them.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    COMPREPLY=()
    case $prev in
@VALUES@
    esac
    case $kind in
        text) return ;;
        file|folder)
            compopt -o filenames 2> /dev/null  # bash 3 has none
            [[ $kind == file ]] && kind=-f || kind=-d
            while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen $kind -- "$cur")
            return ;;
        words)
            for word in $words; do [[ $word == "$cur"* ]] && COMPREPLY+=("$word"); done
            return ;;
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        used+="${COMP_WORDS[i]} "
        case ${COMP_WORDS[i]} in
            @ACTIONS@) action=${COMP_WORDS[i]} ;;
        esac
    done
    case $action in
@FITTING@
    esac
    for word in $fit; do
        [[ $word == "$cur"* && $used != *" $word "* ]] && COMPREPLY+=("$word")
    done
}
complete -F _batch_manager batch-manager
"""


def _bash(options: Sequence[Option], fits: dict[str, list[str]]) -> str:
    values = []
    for kind in ("file", "folder", "text"):
        flags = [one.flag for one in options if one.value == kind and not one.optional]
        values.append(f"        {'|'.join(flags)}) kind={kind} ;;")
    values += [
        f"        {one.flag}) kind=words words='{' '.join(one.words)}' ;;" for one in options if one.value == "words"
    ]
    fitting = [f"        '') fit='{' '.join(one.flag for one in options)}' ;;"]
    fitting += [f"        {action}) fit='{' '.join(flags)}' ;;" for action, flags in fits.items()]
    return (
        _BASH.replace("@VALUES@", "\n".join(values))
        .replace("@ACTIONS@", "|".join(fits))
        .replace("@FITTING@", "\n".join(fitting))
    )


# zsh

_ZSH = """\
#compdef batch-manager
# Completion of batch-manager for zsh, made by: batch-manager --completion zsh
_batch_manager() {
    local action= word
    local -a fit specs
    local -A spec
    spec=(
@SPECS@
    )
    for word in ${words[2,CURRENT-1]}; do
        case ${word%%=*} in
            @ACTIONS@) action=${word%%=*} ;;
        esac
    done
    case $action in
@FITTING@
    esac
    for word in $fit; do specs+=("$spec[$word]"); done
    _arguments -S $specs
}
if [[ $funcstack[1] == _batch_manager ]]; then
    _batch_manager "$@"
else
    compdef _batch_manager batch-manager
fi
"""


def _zsh(options: Sequence[Option], fits: dict[str, list[str]]) -> str:
    specs = [f"        {one.flag} {_quoted(_zsh_spec(one))}" for one in options]
    fitting = [f"        '') fit=({' '.join(one.flag for one in options)}) ;;"]
    fitting += [f"        {action}) fit=({' '.join(flags)}) ;;" for action, flags in fits.items()]
    return (
        _ZSH.replace("@SPECS@", "\n".join(specs))
        .replace("@ACTIONS@", "|".join(fits))
        .replace("@FITTING@", "\n".join(fitting))
    )


def _zsh_spec(option: Option) -> str:
    words = option.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    if option.value == "none":
        return f"{option.flag}[{words}]"
    given = {"file": "_files", "folder": "_files -/", "text": " ", "words": f"({' '.join(option.words)})", "none": ""}
    return f"{option.flag}=[{words}]{'::' if option.optional else ':'}{option.name}:{given[option.value]}"


# fish

_FISH = """\
# Completion of batch-manager for fish, made by: batch-manager --completion fish
function __batch_manager_fits
    # True while the call has no action yet, or one of these.
    for word in (commandline -opc)
        set -l flag (string replace -r '=.*' '' -- $word)
        if contains -- $flag @ACTIONS@
            contains -- $flag $argv
            return
        end
    end
    true
end
complete -c batch-manager -f
"""


def _fish(options: Sequence[Option], fits: dict[str, list[str]]) -> str:
    lines = [_FISH.replace("@ACTIONS@", " ".join(fits)).rstrip("\n")]
    for one in options:
        given = {
            "none": "",
            "file": " -r -F",
            "folder": " -x -a '(__fish_complete_directories)'",
            "text": "" if one.optional else " -x",
            "words": f" -x -a {_quoted(' '.join(one.words))}",
        }[one.value]
        short = f" -s {one.short[1:]}" if one.short else ""
        actions = " ".join(action for action, flags in fits.items() if one.flag in flags)
        lines.append(
            f"complete -c batch-manager -n '__batch_manager_fits {actions}'{short}"
            f" -l {one.flag[2:]}{given} -d {_quoted(one.help)}"
        )
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """In single quotes, for zsh and fish alike: what can't stand in them is left out of help texts."""
    return "'" + text.replace("'", "’") + "'"
