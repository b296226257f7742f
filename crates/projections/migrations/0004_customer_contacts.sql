-- How customers are reached, for all nodes that share the database: sealed, under keys that are wrapped by the deployment's key. No view of the
-- log: what is lost here is lost. The keys lie apart, so that they can be rewritten (VACUUM FULL) and left out of long-lived backups.
CREATE TABLE customer_keys (
    user_id text PRIMARY KEY,
    wrapped bytea NOT NULL
);
CREATE TABLE customer_contacts (
    user_id text PRIMARY KEY,
    sealed bytea NOT NULL
);
