"""The commit, on the server: one call, one round trip, one transaction."""

from __future__ import annotations

# The order is the law of the release fence. A VOLATILE function takes a new snapshot for each of
# its statements under READ COMMITTED, so what is read after the locks is what stands under them.
# Everything before the locks only looks at parameters and takes no transaction id.
#
# The answer has one number an entry: 0 committed, n > 0 lost by stream n, -1 lost by its scope.
COMMIT = """
CREATE FUNCTION aegis.commit_1(
    locks bigint[], is_exclusive boolean[], again boolean, now_given bigint, entries integer,
    names text[], x_entry integer[], x_stream integer[], x_sequence bigint[],
    r_entry integer[], r_id uuid[], r_body bytea[],
    a_entry integer[], a_stream integer[], a_events integer[], a_snapshot bytea[],
    a_state text[], a_name text[], a_algorithm text[], a_owner text[], a_due bigint[],
    v_append integer[], v_number integer[], v_body bytea[],
    t_append integer[], t_key text[], t_value text[],
    m_entry integer[], m_kind integer[], m_key text[], m_version integer[],
    m_root text[], m_wrapped bytea[], m_old_root text[], m_old_wrapped bytea[],
    i_entry integer[], i_scope text[], i_digest bytea[], i_response bytea[], i_expires bigint[]
) RETURNS integer[] LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_variable
DECLARE
    now_here bigint := least(now_given, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    held bigint[];
    ids bigint[];
    taken text[] := '{}';
    present integer[] := '{}';
    verdicts integer[] := array_fill(0, ARRAY[entries]);
    won boolean[] := array_fill(false, ARRAY[entries]);
    a_start bigint[] := array_fill(0::bigint, ARRAY[cardinality(a_entry)]);
    last_append integer[] := array_fill(0, ARRAY[cardinality(names)]);
    created bigint := 0;
    records bigint := 0;
    has_moved boolean := false;
    before record;
    verdict integer;
    x integer := 1;
    a integer := 1;
    i integer := 1;
    r integer := 1;
    has_scope boolean;
BEGIN
    FOR n IN 1..cardinality(locks) LOOP
        IF is_exclusive[n] THEN
            PERFORM pg_advisory_xact_lock(locks[n]);
        ELSE
            PERFORM pg_advisory_xact_lock_shared(locks[n]);
        END IF;
    END LOOP;

    SELECT array_agg(coalesce(s.sequence, 0) ORDER BY u.n), array_agg(s.id ORDER BY u.n)
        INTO held, ids
        FROM unnest(names) WITH ORDINALITY AS u (stream, n)
        LEFT JOIN aegis.streams s ON s.stream = u.stream;
    IF cardinality(i_scope) > 0 THEN
        SELECT coalesce(array_agg(k.scope), '{}') INTO taken FROM aegis.idempotency k
            WHERE k.scope = ANY (i_scope) AND k.expires_at > now_here;
    END IF;
    IF again THEN
        present := aegis.present_1(
            names, x_entry, x_stream, x_sequence, r_entry, r_id,
            a_entry, a_stream, v_append, v_number, v_body);
    END IF;

    FOR n IN 1..entries LOOP
        verdict := 0;
        has_scope := false;
        WHILE x_entry[x] = n LOOP
            IF verdict = 0 AND held[x_stream[x]] <> x_sequence[x] THEN
                verdict := x_stream[x];
            END IF;
            x := x + 1;
        END LOOP;
        IF i_entry[i] = n THEN
            has_scope := true;
            IF verdict = 0 AND i_scope[i] = ANY (taken) THEN
                verdict := -1;
            END IF;
            i := i + 1;
        END IF;
        IF again AND n = ANY (present) THEN
            CONTINUE;
        END IF;
        verdicts[n] := verdict;
        IF verdict <> 0 THEN
            CONTINUE;
        END IF;
        won[n] := true;
        IF has_scope THEN
            taken := taken || i_scope[i - 1];
        END IF;
        WHILE a_entry[a] < n LOOP
            a := a + 1;
        END LOOP;
        WHILE a_entry[a] = n LOOP
            IF held[a_stream[a]] = 0 THEN
                created := created + 1;
                -- Below zero: the number is known when the head row is held.
                ids[a_stream[a]] := -created;
            END IF;
            a_start[a] := held[a_stream[a]];
            held[a_stream[a]] := held[a_stream[a]] + a_events[a];
            last_append[a_stream[a]] := a;
            has_moved := true;
            a := a + 1;
        END LOOP;
        WHILE r_entry[r] < n LOOP
            r := r + 1;
        END LOOP;
        WHILE r_entry[r] = n LOOP
            records := records + 1;
            r := r + 1;
        END LOOP;
    END LOOP;

    IF cardinality(m_entry) > 0 THEN
        PERFORM aegis.change_material_1(
            won, m_entry, m_kind, m_key, m_version, m_root, m_wrapped, m_old_root, m_old_wrapped);
    END IF;
    IF cardinality(i_scope) > 0 THEN
        PERFORM aegis.keep_1(won, now_here, i_entry, i_scope, i_digest, i_response, i_expires);
    END IF;

    -- A second try always writes: its commit waits until all before it is durable, replicas included.
    IF records > 0 OR created > 0 OR again THEN
        UPDATE aegis.head h SET position = h.position + records, streams = h.streams + created
            RETURNING h.position - records AS position, h.streams - created AS streams INTO before;
    END IF;
    IF has_moved THEN
        FOR n IN 1..cardinality(names) LOOP
            IF ids[n] < 0 THEN
                ids[n] := before.streams - ids[n];
                has_scope := true;
                INSERT INTO aegis.streams
                    (id, stream, sequence, state, name, algorithm, owner, due_at, snapshot)
                VALUES (ids[n], names[n], held[n], a_state[last_append[n]], a_name[last_append[n]],
                    a_algorithm[last_append[n]], a_owner[last_append[n]], a_due[last_append[n]],
                    a_snapshot[last_append[n]]);
            ELSIF last_append[n] > 0 THEN
                UPDATE aegis.streams s SET sequence = held[n], state = a_state[last_append[n]],
                    name = a_name[last_append[n]], algorithm = a_algorithm[last_append[n]],
                    owner = a_owner[last_append[n]], due_at = a_due[last_append[n]],
                    snapshot = a_snapshot[last_append[n]]
                WHERE s.id = ids[n];
                DELETE FROM aegis.stream_tags g WHERE g.stream_id = ids[n];
            END IF;
        END LOOP;
        INSERT INTO aegis.events (stream_id, sequence, body)
            SELECT ids[a_stream[v.append]], a_start[v.append] + v.number, v.body
            FROM unnest(v_append, v_number, v_body) AS v (append, number, body)
            WHERE won[a_entry[v.append]];
        INSERT INTO aegis.stream_tags (stream_id, key, value)
            SELECT ids[a_stream[t.append]], t.key, t.value
            FROM unnest(t_append, t_key, t_value) AS t (append, key, value)
            WHERE last_append[a_stream[t.append]] = t.append;
    END IF;
    IF records > 0 THEN
        INSERT INTO aegis.ledger (event_id, position, body)
            SELECT u.id, before.position + row_number() OVER (ORDER BY u.n), u.body
            FROM unnest(r_entry, r_id, r_body) WITH ORDINALITY AS u (entry, id, body, n)
            WHERE won[u.entry];
    END IF;
    RETURN verdicts;
END $$;
"""

# Which entries of a second try are there already. An entry is known by the ids of its records. One
# that has none is known by its events, byte for byte, at the sequences that it expected.
PRESENT = """
CREATE FUNCTION aegis.present_1(
    names text[], x_entry integer[], x_stream integer[], x_sequence bigint[],
    r_entry integer[], r_id uuid[],
    a_entry integer[], a_stream integer[], v_append integer[], v_number integer[], v_body bytea[]
) RETURNS integer[] LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(array_agg(DISTINCT found.entry), '{}') FROM (
        SELECT r.entry FROM unnest(r_entry, r_id) AS r (entry, id)
            CROSS JOIN LATERAL (SELECT 1 FROM aegis.ledger l WHERE l.event_id = r.id) AS stored
        UNION ALL
        SELECT a_entry[v.append]
            FROM unnest(v_append, v_number, v_body) AS v (append, number, body)
            JOIN unnest(x_entry, x_stream, x_sequence) AS x (entry, stream, sequence)
                ON x.entry = a_entry[v.append] AND x.stream = a_stream[v.append]
            LEFT JOIN aegis.streams s ON s.stream = names[x.stream]
            LEFT JOIN aegis.events e
                ON e.stream_id = s.id AND e.sequence = x.sequence + v.number AND e.body = v.body
            WHERE a_entry[v.append] <> ALL (r_entry)
            GROUP BY a_entry[v.append] HAVING bool_and(e.body IS NOT NULL)
    ) AS found
$$;
"""

# Kinds: 0 put, 1 delete, 2 replace. The old value decides, so a replacement never inserts.
MATERIAL = """
CREATE FUNCTION aegis.change_material_1(
    won boolean[], m_entry integer[], m_kind integer[], m_key text[], m_version integer[],
    m_root text[], m_wrapped bytea[], m_old_root text[], m_old_wrapped bytea[]
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    FOR n IN 1..cardinality(m_entry) LOOP
        CONTINUE WHEN NOT won[m_entry[n]];
        IF m_kind[n] = 0 THEN
            INSERT INTO aegis.material (key_id, version, root, wrapped)
                VALUES (m_key[n], m_version[n], m_root[n], m_wrapped[n]);
        ELSIF m_kind[n] = 1 THEN
            DELETE FROM aegis.material o WHERE o.key_id = m_key[n];
        ELSE
            UPDATE aegis.material o SET root = m_root[n], wrapped = m_wrapped[n]
                WHERE o.key_id = m_key[n] AND o.version = m_version[n]
                AND o.root = m_old_root[n] AND o.wrapped = m_old_wrapped[n];
        END IF;
    END LOOP;
END $$;
"""

KEEP = """
CREATE FUNCTION aegis.keep_1(
    won boolean[], now_here bigint, i_entry integer[], i_scope text[], i_digest bytea[],
    i_response bytea[], i_expires bigint[]
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Two workers clear different rows, and neither waits for the other.
    DELETE FROM aegis.idempotency o WHERE o.scope IN (
        SELECT e.scope FROM aegis.idempotency e WHERE e.expires_at <= now_here
        ORDER BY e.expires_at LIMIT 64 FOR UPDATE SKIP LOCKED);
    INSERT INTO aegis.idempotency (scope, digest, response, expires_at)
        SELECT k.scope, k.digest, k.response, k.expires
        FROM unnest(i_entry, i_scope, i_digest, i_response, i_expires)
            AS k (entry, scope, digest, response, expires)
        WHERE won[k.entry]
        ON CONFLICT (scope) DO UPDATE SET digest = excluded.digest,
            response = excluded.response, expires_at = excluded.expires_at;
END $$;
"""
