"""What stands below the flags in `--help`: examples, settings, exit codes. Light to import."""

from __future__ import annotations

from batch_manager.known_settings import setting_lines

EXAMPLES = (
    ("--demo", "look around: no key, no network, $0"),
    ("--demo --batch-index --yes", "the whole job on the sample database"),
    ("--scan sqlite:///shop.db", "read tables and relationships"),
    ("--import docs.jsonl", "read documentation"),
    ("--estimate-costs", "the price, before anything is sent"),
    ("--batch-index --lane batch", "half price, within 24 h"),
    ("--collect --wait", "take in what is back"),
    ("--batch-index --max-cost 0.50", "index, for 50 cents at most"),
    ('--search "customers who pay late"', "ask the index"),
)

EXIT_CODES = (
    (0, "all done"),
    (1, "done, but some items failed"),
    (2, "wrong usage, settings or input"),
    (3, "declined, or no way to ask"),
    (4, "stopped by a billing or authentication error or by the cap"),
    (5, "handed over, and not back yet (the half-price lane)"),
    (130, "interrupted; what was paid for is kept"),
)
"""Every code that the command ends with, and what it means to a script."""


def below_the_flags() -> str:
    """The end of `--help`."""
    width = max(len(call) for call, _ in EXAMPLES)
    return "\n".join(
        [
            "examples:",
            *(f"  batch-manager {call.ljust(width)}  {words}" for call, words in EXAMPLES),
            "",
            "settings, from the environment or from .env; a flag wins over both (default in brackets):",
            *(f"  {line}" for line in setting_lines()),
            "",
            "exit codes:",
            *(f"  {code:<3}  {words}" for code, words in EXIT_CODES),
        ]
    )
