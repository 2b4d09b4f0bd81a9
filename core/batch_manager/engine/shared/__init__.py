"""Several workers on one store: a run is packed and put into a queue once, and any worker sends from it.

    yes ──▶ handing: packed, a job for each ──▶ jobs (procrastinate) ──▶ queue ──▶ the engine's own Feeder and Sender
                                                                          │
                     watch: what everybody does, live                     └─ books, pace: shared money, shared rate

The store is the truth: a job is nothing but a batch's id. `rescue` takes what dead workers have left.
"""
