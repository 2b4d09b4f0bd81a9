"""The store's schema, as numbered migrations. Applied ones are never edited; a change is a new one.

    item ──< part >── text ──< answer >── space
      │                 │
     run ──< run_text ──┘        run ──< request        item ──< attempt        item ── brought
              run ──< job ──< run_text        run ──< batch ──< run_text
     generation ──< standing >── item

An answer belongs to a text in a space, not to an item: duplicates, renames and rebuilds cost nothing.
Money is whole picodollars (1e-12 USD). Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from batch_manager.store.dialect import Differs

Statement = str

MIGRATIONS: tuple[tuple[Statement, ...], ...] = (
    (
        # An item's public status is its stage, but `answered` (paid for, not yet in Chroma) shows as pending.
        """
        CREATE TABLE item (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            structure TEXT,
            structure_from TEXT,
            structure_at TEXT,
            words TEXT,
            words_from TEXT,
            words_at TEXT,
            purpose TEXT NOT NULL DEFAULT '',
            text_hash TEXT,
            layout INTEGER NOT NULL,
            tokens INTEGER NOT NULL DEFAULT 0,
            bytes INTEGER NOT NULL DEFAULT 0,
            parts INTEGER NOT NULL DEFAULT 0,
            problem TEXT,
            stage TEXT NOT NULL DEFAULT 'pending',
            space_id INTEGER,
            indexed_parts INTEGER NOT NULL DEFAULT 0,
            run_id INTEGER,
            code TEXT,
            message TEXT,
            next_step TEXT,
            tries INTEGER NOT NULL DEFAULT 0,
            changed_at TEXT NOT NULL,
            UNIQUE (kind, name)
        )
        """,
        "CREATE INDEX item_stage ON item (stage, id)",
        """
        CREATE TABLE text (
            id INTEGER PRIMARY KEY,
            hash TEXT NOT NULL UNIQUE,
            body TEXT NOT NULL,
            tokens INTEGER NOT NULL,
            bytes INTEGER NOT NULL
        )
        """,
        """
        CREATE TABLE part (
            item_id INTEGER NOT NULL,
            no INTEGER NOT NULL,
            text_id INTEGER NOT NULL,
            PRIMARY KEY (item_id, no)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX part_text ON part (text_id)",
        """
        CREATE TABLE space (
            id INTEGER PRIMARY KEY,
            provider TEXT NOT NULL,
            server TEXT NOT NULL,
            model TEXT NOT NULL,
            dimensions INTEGER NOT NULL,
            UNIQUE (provider, server, model, dimensions)
        )
        """,
        """
        CREATE TABLE answer (
            text_id INTEGER NOT NULL,
            space_id INTEGER NOT NULL,
            request_id INTEGER,
            vector BLOB NOT NULL
        )
        """,
        "CREATE UNIQUE INDEX answer_key ON answer (text_id, space_id)",
        """
        CREATE TABLE run (
            id INTEGER PRIMARY KEY,
            state TEXT NOT NULL,
            reason TEXT NOT NULL DEFAULT '',
            which TEXT NOT NULL,
            space_id INTEGER NOT NULL,
            host TEXT NOT NULL,
            lane TEXT NOT NULL DEFAULT 'now',
            price TEXT NOT NULL,
            cap_pico INTEGER,
            quote TEXT NOT NULL,
            agreed_at TEXT NOT NULL,
            ended_at TEXT
        )
        """,
        """
        CREATE TABLE run_text (
            run_id INTEGER NOT NULL,
            text_id INTEGER NOT NULL,
            state TEXT NOT NULL,
            PRIMARY KEY (run_id, text_id)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE request (
            id INTEGER PRIMARY KEY,
            run_id INTEGER NOT NULL,
            batch INTEGER NOT NULL,
            try INTEGER NOT NULL,
            state TEXT NOT NULL,
            model TEXT NOT NULL,
            inputs INTEGER NOT NULL,
            tokens_estimated INTEGER NOT NULL,
            tokens_billed INTEGER,
            price TEXT NOT NULL,
            cost_pico INTEGER NOT NULL,
            counted_by TEXT NOT NULL DEFAULT 'estimate',
            code TEXT,
            message TEXT,
            sent_at TEXT NOT NULL,
            ended_at TEXT,
            seconds REAL
        )
        """,
        "CREATE INDEX request_run ON request (run_id, state)",
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    ),
    (
        # Names are kept as words (customer_orders → customer orders); a prefix index makes `cust` quick.
        Differs(
            """
        CREATE VIRTUAL TABLE word_index USING fts5 (
            name, purpose, tokenize = 'unicode61 remove_diacritics 2', prefix = '3'
        )
        """,
            """
            CREATE TABLE word_index (
                rowid BIGINT PRIMARY KEY, name TSVECTOR NOT NULL, purpose TSVECTOR NOT NULL,
                words TSVECTOR NOT NULL GENERATED ALWAYS AS (setweight(name, 'A') || setweight(purpose, 'B')) STORED,
                size INTEGER NOT NULL GENERATED ALWAYS AS (word_count(name) + word_count(purpose)) STORED
            )
            """,
            "CREATE INDEX word_index_words ON word_index USING gin (words)",
        ),
        Differs(
            "INSERT INTO word_index (rowid, name, purpose) SELECT id, lower(replace(name, '_', ' ')), purpose FROM item"
        ),
    ),
    (
        # `lasting`: the same text would be refused again. Before this there was only the words to tell it by.
        "ALTER TABLE item ADD COLUMN lasting INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE item ADD COLUMN failed_at TEXT",
        Differs("UPDATE item SET lasting = 1 WHERE problem IS NOT NULL OR next_step LIKE 'Read the server%'"),
        """
        CREATE TABLE attempt (
            id INTEGER PRIMARY KEY,
            item_id INTEGER NOT NULL,
            run_id INTEGER,
            at TEXT NOT NULL,
            code TEXT NOT NULL,
            message TEXT NOT NULL,
            tries INTEGER NOT NULL
        )
        """,
        "CREATE INDEX attempt_item ON attempt (item_id)",
    ),
    (
        # Where an item is, for filters; filled in by the next scan or import.
        "ALTER TABLE item ADD COLUMN schema TEXT NOT NULL DEFAULT ''",
        # The words of texts in the index. A text never changes, so its words are learned once; the text itself is
        # kept elsewhere, which makes this a fifth of its size.
        Differs(
            """
        CREATE VIRTUAL TABLE text_words USING fts5 (
            body, content = '', tokenize = 'unicode61 remove_diacritics 2'
        )
        """,
            """
            CREATE TABLE text_words (
                rowid BIGINT PRIMARY KEY, body TSVECTOR NOT NULL,
                words TSVECTOR NOT NULL GENERATED ALWAYS AS (body) STORED,
                size INTEGER NOT NULL GENERATED ALWAYS AS (word_count(body)) STORED
            )
            """,
            "CREATE INDEX text_words_words ON text_words USING gin (words)",
        ),
        Differs(
            "INSERT INTO text_words (rowid, body) SELECT t.id, t.body FROM text t WHERE EXISTS"
            " (SELECT 1 FROM part p JOIN item i ON i.id = p.item_id WHERE p.text_id = t.id AND i.stage = 'indexed')"
        ),
    ),
    (
        # The half-price lane: what is handed to the server as one file, and how far that is (see `store.jobs`).
        """
        CREATE TABLE job (
            id INTEGER PRIMARY KEY,
            run_id INTEGER NOT NULL,
            key TEXT NOT NULL UNIQUE,
            state TEXT NOT NULL,
            outcome TEXT NOT NULL DEFAULT '',
            request_id INTEGER,
            texts INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            input_file TEXT,
            batch_name TEXT,
            output_file TEXT,
            error_file TEXT,
            status TEXT NOT NULL DEFAULT '',
            total INTEGER NOT NULL DEFAULT 0,
            completed INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0,
            planned_at TEXT NOT NULL,
            submitted_at TEXT,
            looked_at TEXT,
            expires_at TEXT,
            output_offset INTEGER NOT NULL DEFAULT 0,
            error_offset INTEGER NOT NULL DEFAULT 0,
            tokens_billed INTEGER NOT NULL DEFAULT 0,
            usage_tokens INTEGER,
            answered INTEGER NOT NULL DEFAULT 0,
            refused INTEGER NOT NULL DEFAULT 0,
            cancel_asked INTEGER NOT NULL DEFAULT 0,
            moved INTEGER NOT NULL DEFAULT 0,
            problem TEXT NOT NULL DEFAULT '',
            next_step TEXT NOT NULL DEFAULT '',
            left_files TEXT NOT NULL DEFAULT '[]'
        )
        """,
        "CREATE INDEX job_run ON job (run_id)",
        "CREATE INDEX run_state ON run (state)",
        "ALTER TABLE run_text ADD COLUMN job_id INTEGER",
        "CREATE INDEX run_text_job ON run_text (job_id, text_id) WHERE job_id IS NOT NULL",
    ),
    (
        # What sources brought is large and seldom read; inside the item it would be carried along by every list, count
        # and mark. A hundred thousand items are a tenth as many pages without it.
        "CREATE TABLE brought (item_id INTEGER PRIMARY KEY, structure TEXT, words TEXT)",
        "INSERT INTO brought (item_id, structure, words) SELECT id, structure, words FROM item",
        "ALTER TABLE item DROP COLUMN structure",
        "ALTER TABLE item DROP COLUMN words",
        # Lists and counts are answered by these alone. None but the first has the stage, which changes twice in a run.
        "DROP INDEX item_stage",
        "CREATE INDEX item_stage ON item (stage, id, kind)",
        Differs(
            "CREATE INDEX item_name ON item (name COLLATE NOCASE)", "CREATE INDEX item_name ON item (lower(name), id)"
        ),
        "CREATE INDEX item_tokens ON item (tokens DESC)",
        "CREATE INDEX item_problem ON item (problem) WHERE problem IS NOT NULL",
        # Sizes without bodies, for the quote.
        "CREATE INDEX text_size ON text (id, tokens, bytes, hash)",
    ),
    (
        # The source that an item's structure belongs to: its title may be written in several ways.
        "ALTER TABLE item ADD COLUMN origin TEXT",
        "UPDATE item SET origin = structure_from",
        # What a source's items are called where another source had the name first.
        """
        CREATE TABLE alias (
            source TEXT NOT NULL,
            kind TEXT NOT NULL,
            plain TEXT NOT NULL,
            name TEXT NOT NULL,
            PRIMARY KEY (source, kind, plain)
        ) WITHOUT ROWID
        """,
        # The text that an item had before it changed: the one in the index where there is one.
        "CREATE TABLE former_text (item_id INTEGER PRIMARY KEY, body TEXT NOT NULL, indexed INTEGER NOT NULL)",
    ),
    (
        # Indexes of several models beside one another. `item` tells of the one that is worked on (the one being built,
        # else the one that serves); `standing` keeps what `item` said of each other one.
        """
        CREATE TABLE generation (
            id INTEGER PRIMARY KEY,
            model TEXT NOT NULL,
            dimensions INTEGER NOT NULL,
            space_id INTEGER,
            state TEXT NOT NULL,
            begun_at TEXT NOT NULL,
            served_at TEXT,
            UNIQUE (model, dimensions)
        )
        """,
        """
        CREATE TABLE standing (
            generation_id INTEGER NOT NULL,
            item_id INTEGER NOT NULL,
            stage TEXT NOT NULL,
            space_id INTEGER,
            text_hash TEXT,
            parts INTEGER NOT NULL,
            code TEXT,
            message TEXT,
            next_step TEXT,
            tries INTEGER NOT NULL,
            lasting INTEGER NOT NULL,
            failed_at TEXT,
            PRIMARY KEY (generation_id, item_id)
        ) WITHOUT ROWID
        """,
        # Which model the index is of was a note before.
        Differs(
            "INSERT INTO generation (model, dimensions, space_id, state, begun_at, served_at)"
            " SELECT m.model, m.dimensions, (SELECT s.id FROM space s JOIN item i ON i.space_id = s.id"
            " WHERE s.model = m.model AND s.dimensions = m.dimensions AND i.indexed_parts > 0 LIMIT 1), 'serving',"
            " strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now'), strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now')"
            " FROM (SELECT substr(value, 1, instr(value, char(10)) - 1) AS model,"
            " CAST(substr(value, instr(value, char(10)) + 1) AS INTEGER) AS dimensions"
            " FROM meta WHERE key = 'index_space') m"
        ),
        "DELETE FROM meta WHERE key = 'index_space'",
    ),
    (
        # What can be sent of a stage is told by the index alone; a quote asks for it at every mark.
        "DROP INDEX item_stage",
        "CREATE INDEX item_stage ON item (stage, id, kind, problem)",
    ),
    (
        # A batch that the server doesn't show to this key: only the user can say what becomes of it.
        "ALTER TABLE job ADD COLUMN unseen INTEGER NOT NULL DEFAULT 0",
    ),
    (
        # What a day and a month have cost is asked before each request; nothing else of its row is needed for that.
        "CREATE INDEX request_sent ON request (sent_at, cost_pico)",
    ),
    (
        # Who agreed to a run, by the name that they gave; for the bill.
        "ALTER TABLE run ADD COLUMN who TEXT NOT NULL DEFAULT ''",
    ),
    (
        # Several workers: packed requests, each with the epoch of its claim (see `store.batches`), and what all of them
        # together may send (`store.rates`). `used_pico` is what a shared run's cap is held against.
        """
        CREATE TABLE batch (
            id INTEGER PRIMARY KEY,
            run_id INTEGER NOT NULL,
            number INTEGER NOT NULL,
            state TEXT NOT NULL,
            epoch INTEGER NOT NULL DEFAULT 0,
            worker TEXT NOT NULL DEFAULT '',
            inputs INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            doing TEXT NOT NULL DEFAULT 'waiting',
            waits_for TEXT NOT NULL DEFAULT '',
            tries INTEGER NOT NULL DEFAULT 0,
            answered INTEGER NOT NULL DEFAULT 0,
            delivered INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0,
            queue_id INTEGER,
            taken_at TEXT,
            ended_at TEXT,
            UNIQUE (run_id, number)
        )
        """,
        "CREATE INDEX batch_state ON batch (run_id, state)",
        "ALTER TABLE run_text ADD COLUMN batch_id INTEGER",
        "CREATE INDEX run_text_batch ON run_text (batch_id, text_id) WHERE batch_id IS NOT NULL",
        "ALTER TABLE run ADD COLUMN used_pico INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE run ADD COLUMN packed_to INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE run ADD COLUMN asked TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE run ADD COLUMN code TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE run ADD COLUMN next_step TEXT NOT NULL DEFAULT ''",
        """
        CREATE TABLE rate (
            key TEXT PRIMARY KEY,
            tokens_per_minute INTEGER,
            requests_per_minute INTEGER,
            tokens REAL NOT NULL DEFAULT 0,
            requests REAL NOT NULL DEFAULT 0,
            at REAL NOT NULL,
            not_before REAL NOT NULL DEFAULT 0,
            asked_at REAL NOT NULL DEFAULT 0,
            told INTEGER NOT NULL DEFAULT 0
        )
        """,
    ),
)
