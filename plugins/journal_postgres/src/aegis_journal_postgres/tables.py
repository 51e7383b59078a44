"""The tables, step by step: a step that has been released is never changed."""

from __future__ import annotations

# Texts compare by bytes: their order must not depend on the server's language, whose rules change
# with its operating system. Streams and records are numbered from the one row of `head`, whose lock
# is held until the commit: so the order of the numbers is the order in which they become visible.
TABLES = """
CREATE TABLE aegis.head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL DEFAULT 0,
    streams bigint NOT NULL DEFAULT 0,
    dropped_to bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
INSERT INTO aegis.head DEFAULT VALUES;

CREATE TABLE aegis.streams (
    id bigint PRIMARY KEY,
    stream text COLLATE "C" NOT NULL UNIQUE,
    family text COLLATE "C" NOT NULL
        GENERATED ALWAYS AS (left(stream, strpos(stream, '/'))) STORED,
    sequence bigint NOT NULL,
    state text COLLATE "C",
    name text COLLATE "C",
    algorithm text COLLATE "C",
    owner text COLLATE "C",
    due_at bigint,
    snapshot bytea NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX streams_by_family ON aegis.streams (family, id);
CREATE INDEX streams_by_state ON aegis.streams (family, state, id);
CREATE INDEX streams_by_name ON aegis.streams (family, name, id) WHERE name IS NOT NULL;
CREATE INDEX streams_by_algorithm ON aegis.streams (family, algorithm, id)
    WHERE algorithm IS NOT NULL;
CREATE INDEX streams_by_due ON aegis.streams (family, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE aegis.stream_tags (
    stream_id bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (stream_id, key)
);
CREATE INDEX stream_tags_by_key ON aegis.stream_tags (key, stream_id);
CREATE INDEX stream_tags_by_value ON aegis.stream_tags (key, value, stream_id);

CREATE TABLE aegis.events (
    stream_id bigint NOT NULL,
    sequence bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (stream_id, sequence)
);

CREATE TABLE aegis.material (
    key_id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    root text NOT NULL,
    wrapped bytea NOT NULL,
    PRIMARY KEY (key_id, version)
);

CREATE TABLE aegis.ledger (
    event_id uuid NOT NULL,
    position bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (event_id)
) PARTITION BY RANGE (event_id);
CREATE INDEX ledger_by_position ON aegis.ledger (position);
CREATE TABLE aegis.ledger_default PARTITION OF aegis.ledger DEFAULT;

CREATE TABLE aegis.idempotency (
    scope text COLLATE "C" PRIMARY KEY,
    digest bytea NOT NULL,
    response bytea NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX idempotency_by_expiry ON aegis.idempotency (expires_at);

CREATE TABLE aegis.cursors (sink text COLLATE "C" PRIMARY KEY, position bigint NOT NULL);

CREATE TABLE aegis.leases (
    name text COLLATE "C" PRIMARY KEY,
    epoch bigint NOT NULL,
    holder uuid NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
"""

# A UUIDv7 begins with its milliseconds, so a month is a range of ids. The functions belong to the
# schema's owner: the role that serves may make a month, and cannot do anything else to the tables.
PARTITIONS = """
CREATE FUNCTION aegis.first_id(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
    SELECT rpad(lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

CREATE FUNCTION aegis.prepare_ledger(months integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month timestamp;
    name text;
BEGIN
    -- Workers that start together take turns by a lock of their own.
    PERFORM pg_advisory_xact_lock(7162233);
    FOR ahead IN 0..least(months, 24) LOOP
        month := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead);
        name := 'ledger_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'aegis' AND c.relname = name);
        BEGIN
            EXECUTE format('CREATE TABLE aegis.%I (LIKE aegis.ledger INCLUDING ALL)', name);
            EXECUTE format(
                'ALTER TABLE aegis.ledger ATTACH PARTITION aegis.%I FOR VALUES FROM (%L) TO (%L)',
                name, aegis.first_id(month AT TIME ZONE 'UTC'),
                aegis.first_id((month + interval '1 month') AT TIME ZONE 'UTC'));
        EXCEPTION WHEN check_violation THEN
            -- Records of that month are in the default partition already: there they stay.
            NULL;
        END;
    END LOOP;
END $$;

-- Positions may cross the border of a month by a little: what is gone is known by the highest one.
CREATE FUNCTION aegis.drop_ledger_before(moment timestamptz) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '2s' SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first_kept text := 'ledger_' || to_char(moment AT TIME ZONE 'UTC', 'YYYY_MM');
    part text;
    last bigint;
    behind text;
BEGIN
    PERFORM 1 FROM aegis.head FOR UPDATE;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'aegis.ledger'::regclass
        AND c.relname ~ '^ledger_[0-9]{4}_[0-9]{2}$' AND c.relname < first_kept ORDER BY c.relname
    LOOP
        EXECUTE format('SELECT coalesce(max(position), 0) FROM aegis.%I', part) INTO last;
        SELECT string_agg(k.sink, ', ') INTO behind FROM aegis.cursors k WHERE k.position < last;
        IF behind IS NOT NULL THEN
            RAISE EXCEPTION '% holds records that have not reached every sink', part
                USING HINT = 'Behind: ' || behind || '. Wait for it, or delete the row of a sink'
                    ' that is no longer used from aegis.cursors.';
        END IF;
        UPDATE aegis.head SET dropped_to = greatest(dropped_to, last);
        EXECUTE format('DROP TABLE aegis.%I', part);
    END LOOP;
    RETURN (SELECT dropped_to FROM aegis.head);
END $$;
REVOKE ALL ON FUNCTION aegis.drop_ledger_before(timestamptz) FROM PUBLIC;
"""

OWNERS = """
CREATE INDEX streams_by_owner ON aegis.streams (family, owner, id) WHERE owner IS NOT NULL"""
