-- Schema version 1. docs/storage.md explains every table. Times are microseconds since the Unix
-- epoch, UTC; small codes are the positions in the vocabularies of memrl-types.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- Names that repeat on every row of the log (policies, reasons, models ...), written once.
CREATE TABLE strings (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE scopes (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    canonical TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE scope_pairs (
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    scope INTEGER NOT NULL REFERENCES scopes (id) ON DELETE CASCADE,
    PRIMARY KEY (key, value, scope)
) WITHOUT ROWID, STRICT;
CREATE INDEX scope_pairs_of ON scope_pairs (scope);

-- Every cell id that cells or log ever named. Outlives the cell, so that the log stays readable
-- after a purge; row numbers are never used again.
CREATE TABLE cell_ids (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    cell_id BLOB NOT NULL UNIQUE CHECK (length(cell_id) = 16)
) STRICT;

CREATE TABLE cells (
    seq             INTEGER PRIMARY KEY REFERENCES cell_ids (seq),
    kind            INTEGER NOT NULL,
    status          INTEGER NOT NULL,
    sensitivity     INTEGER NOT NULL,
    origin          INTEGER NOT NULL,
    scope           INTEGER NOT NULL REFERENCES scopes (id),
    version         INTEGER NOT NULL,
    confidence      REAL NOT NULL,
    tokens          INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    valid_from      INTEGER,
    valid_until     INTEGER,
    occurred_at     INTEGER,
    superseded_by   INTEGER REFERENCES cell_ids (seq),
    links           INTEGER NOT NULL,
    source          TEXT,
    position        INTEGER,
    speaker         TEXT,
    features        BLOB,
    content_hash    BLOB NOT NULL,
    source_refs     TEXT,
    supersedes      TEXT,
    contradicted_by TEXT,
    content         TEXT NOT NULL,
    payload         TEXT
) STRICT;
CREATE INDEX cells_by_hash ON cells (content_hash);
CREATE INDEX cells_by_scope ON cells (scope);
CREATE INDEX cells_by_source ON cells (source, position) WHERE source IS NOT NULL;

-- Earlier states of a cell, as JSON.
CREATE TABLE cell_versions (
    cell     INTEGER NOT NULL REFERENCES cells (seq) ON DELETE CASCADE,
    version  INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    snapshot TEXT NOT NULL,
    PRIMARY KEY (cell, version)
) STRICT;

CREATE TABLE cell_links (
    cell   INTEGER NOT NULL REFERENCES cells (seq) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (cell, ordinal)
) WITHOUT ROWID, STRICT;
CREATE INDEX cell_links_to ON cell_links (target);

CREATE TABLE cell_vectors (
    cell  INTEGER NOT NULL REFERENCES cells (seq) ON DELETE CASCADE,
    model INTEGER NOT NULL REFERENCES strings (id),
    bytes BLOB NOT NULL,
    PRIMARY KEY (cell, model)
) STRICT;

-- Counters change on every read of the raw view; the cell itself and its index do not.
CREATE TABLE cell_access (
    seq     INTEGER PRIMARY KEY REFERENCES cells (seq) ON DELETE CASCADE,
    count   INTEGER NOT NULL,
    last_at INTEGER
) STRICT;

CREATE TABLE idempotency (
    key         TEXT PRIMARY KEY NOT NULL,
    cell        INTEGER NOT NULL REFERENCES cells (seq) ON DELETE CASCADE,
    fingerprint BLOB NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX idempotency_of ON idempotency (cell);

-- The last change of every cell. A row without a cell is a tombstone.
CREATE TABLE changes (
    change_seq INTEGER PRIMARY KEY AUTOINCREMENT,
    seq        INTEGER NOT NULL UNIQUE REFERENCES cell_ids (seq)
) STRICT;

-- Texts of the log: queries, rendered contexts, corrections. Kept apart, so that one can be
-- erased and leave the log as it is; ids are never used again.
CREATE TABLE texts (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE trajectories (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    steps INTEGER NOT NULL
) STRICT;

CREATE TABLE decisions (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    decision_id    BLOB NOT NULL UNIQUE,
    query_id       BLOB NOT NULL,
    point          INTEGER NOT NULL,
    trajectory     INTEGER NOT NULL REFERENCES trajectories (id),
    step           INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    query          INTEGER NOT NULL,
    context        INTEGER,
    task_type      INTEGER NOT NULL REFERENCES strings (id),
    scope          INTEGER NOT NULL REFERENCES scopes (id),
    budget_tokens  INTEGER NOT NULL,
    k              INTEGER NOT NULL,
    policy         INTEGER NOT NULL REFERENCES strings (id),
    arms           INTEGER NOT NULL REFERENCES strings (id),
    arm            INTEGER NOT NULL REFERENCES strings (id),
    explore_mode   INTEGER NOT NULL,
    log_joint      REAL NOT NULL,
    epsilon        REAL NOT NULL,
    salt           INTEGER NOT NULL,
    seed           INTEGER NOT NULL,
    feature_schema INTEGER NOT NULL REFERENCES strings (id),
    tokens_used    INTEGER NOT NULL,
    latency_us     INTEGER NOT NULL,
    state          TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_by_query ON decisions (query_id);
CREATE UNIQUE INDEX decisions_by_step ON decisions (trajectory, step);
CREATE INDEX decisions_by_time ON decisions (created_at);

-- The mixture that a slate was drawn from.
CREATE TABLE decision_components (
    decision        INTEGER NOT NULL REFERENCES decisions (seq),
    ordinal         INTEGER NOT NULL,
    arm             INTEGER NOT NULL,
    mode            INTEGER NOT NULL,
    weight          REAL NOT NULL,
    log_probability REAL,
    PRIMARY KEY (decision, ordinal)
) WITHOUT ROWID, STRICT;

-- One row per candidate; `reason` is a number of `strings`, or a text that quotes a number;
-- `features` are packed (features.rs). References to cell_ids and strings are checked by `integrity`, not on
-- each insert: 400 look-ups per decision would be most of its cost.
CREATE TABLE decision_items (
    decision  INTEGER NOT NULL,
    rank      INTEGER NOT NULL,
    cell      INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    selected  INTEGER NOT NULL,
    flags     INTEGER NOT NULL,
    position  INTEGER,
    mode      INTEGER NOT NULL,
    reason    ANY NOT NULL,
    tokens    INTEGER NOT NULL,
    score     REAL NOT NULL,
    p_include REAL,
    p_step    REAL,
    features  BLOB NOT NULL,
    PRIMARY KEY (decision, rank)
) WITHOUT ROWID, STRICT;
CREATE INDEX decision_items_shown ON decision_items (cell) WHERE selected = 1;

CREATE TABLE outcomes (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    outcome_id BLOB NOT NULL UNIQUE,
    decision   INTEGER NOT NULL REFERENCES decisions (seq),
    at         INTEGER NOT NULL,
    correction INTEGER,
    body       TEXT NOT NULL
) STRICT;
CREATE INDEX outcomes_of ON outcomes (decision);

-- cell 0: the whole decision.
CREATE TABLE rewards (
    decision INTEGER NOT NULL REFERENCES decisions (seq),
    spec     INTEGER NOT NULL REFERENCES strings (id),
    cell     INTEGER NOT NULL,
    value    REAL NOT NULL,
    terms    TEXT NOT NULL,
    PRIMARY KEY (decision, spec, cell)
) WITHOUT ROWID, STRICT;

CREATE TABLE events (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id BLOB NOT NULL UNIQUE,
    at       INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    query_id BLOB,
    payload  TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_time ON events (at);
CREATE INDEX events_by_query ON events (query_id) WHERE query_id IS NOT NULL;

CREATE TABLE event_cells (
    event   INTEGER NOT NULL REFERENCES events (seq),
    ordinal INTEGER NOT NULL,
    cell    INTEGER NOT NULL REFERENCES cell_ids (seq),
    PRIMARY KEY (event, ordinal)
) WITHOUT ROWID, STRICT;
CREATE INDEX event_cells_of ON event_cells (cell);

CREATE TABLE evidence (
    cell    INTEGER NOT NULL REFERENCES cell_ids (seq),
    outcome BLOB NOT NULL,
    mass    REAL NOT NULL,
    y       REAL NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (cell, outcome)
) WITHOUT ROWID, STRICT;

CREATE TABLE cell_values (
    cell     INTEGER PRIMARY KEY REFERENCES cell_ids (seq),
    s        REAL NOT NULL,
    n        REAL NOT NULL,
    count    INTEGER NOT NULL,
    ref_time INTEGER NOT NULL
) STRICT;
