"""For assistants: the index behind two read-only tools of the Model Context Protocol, over stdin and stdout.

    client ── stdio ──▶ server ──▶ library ──▶ store and engine, opened for looking
                                      │
                                    purse: what all queries of the session may cost

Only `server` needs the SDK, which is the extra `batch-manager[mcp]`.
"""
