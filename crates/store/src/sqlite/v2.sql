-- Schema version 2: what propagation made of the priors of single cells, a way to what a
-- trajectory has shown that does not read the candidates it has not, and one from an outcome to
-- the evidence it has given.

-- Replaced as a whole by each propagation; can be made again from evidence and vectors.
CREATE TABLE cell_priors (
    cell INTEGER PRIMARY KEY REFERENCES cell_ids (seq),
    mean REAL NOT NULL,
    mass REAL NOT NULL,
    at   INTEGER NOT NULL
) STRICT;

CREATE INDEX decision_items_of ON decision_items (decision, position, cell) WHERE selected = 1;

CREATE INDEX evidence_of ON evidence (outcome);
