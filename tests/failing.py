"""Makes items of a store fail, as a run would, without sending anything."""

from __future__ import annotations

from collections.abc import Sequence

from batch_manager.engine.agreement import agree
from batch_manager.quote import Scope
from batch_manager.workspace import Workspace


def fail(
    workspace: Workspace,
    names: Sequence[str],
    code: str,
    message: str,
    *,
    lasting: bool = False,
    which: Scope | None = None,
    next_step: str = "Try again later.",
) -> int:
    """Agree on a run and let these tables fail in it, one request each; returns the run's id."""
    store, engine = workspace.store, workspace.engine
    ids = tuple(found for name in names if (found := store.items.find("table", name)) is not None)
    scope = which or Scope("pending", ids=ids)
    quote = engine.quote(scope)
    agreed = agree(store, quote, lambda: engine.quote(scope))
    texts = [store._db.execute_sql("SELECT text_id FROM part WHERE item_id = ?", (one,)).fetchone() for one in ids]
    store.answers.fail(
        agreed.run_id, [row[0] for row in texts if row], code, message, next_step, tries=1, lasting=lasting
    )
    store.ledger.end_run(agreed.run_id, "done")
    return agreed.run_id
