"""The way back: which flags and settings make an index the one that is worked on. Pure."""

from __future__ import annotations

from batch_manager.quote import Space
from batch_manager.store.generations import Generation


def is_local(generation: Generation) -> bool:
    """Whether the model on this machine made it."""
    from batch_manager.settings import LOCAL_MODEL

    return generation.provider == "local" or (generation.provider is None and generation.model == LOCAL_MODEL)


def told_size(model: str, dimensions: int | None) -> int | None:
    """What `OPENAI_EMBEDDING_DIMENSIONS` has to be for vectors of this size; None where the model's own is that."""
    from batch_manager.pricing import NATIVE_DIMENSIONS

    return None if dimensions == NATIVE_DIMENSIONS.get(model, 0) else dimensions or None


def way_back(to: Generation, now: Space) -> str:
    """What of the settings in force is to be others, as a person does it: `use --model … and unset …`."""
    if is_local(to):
        return "use --provider local"
    flags = [] if now.provider == "openai" else ["--provider openai"]
    if to.model != now.model:
        flags.append(f"--model {to.model}")
    deeds = [f"use {' '.join(flags)}"] if flags else []
    size, set_now = told_size(to.model, to.dimensions), told_size(now.model, now.dimensions)
    if size is not None and (size != set_now or now.provider == "local"):
        deeds.append(f"set OPENAI_EMBEDDING_DIMENSIONS={size}")
    elif size is None and set_now is not None and now.provider == "openai":
        deeds.append("unset OPENAI_EMBEDDING_DIMENSIONS")
    return " and ".join(deeds) or "set its server as it was"
