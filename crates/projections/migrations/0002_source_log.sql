-- The log that the tables are made of: positions mean nothing in another.
CREATE TABLE source_log (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    log_id text NOT NULL
);
