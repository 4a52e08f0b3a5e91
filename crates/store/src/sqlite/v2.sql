-- Schema version 2: what propagation made of the priors of single cells, and a way to what a
-- trajectory has shown that does not read the candidates it has not.

-- Replaced as a whole by each propagation; can be made again from evidence and vectors.
CREATE TABLE cell_priors (
    cell INTEGER PRIMARY KEY REFERENCES cell_ids (seq),
    mean REAL NOT NULL,
    mass REAL NOT NULL,
    at   INTEGER NOT NULL
) STRICT;

CREATE INDEX decision_items_of ON decision_items (decision, position, cell) WHERE selected = 1;
