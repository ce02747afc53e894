-- Writes that callers gave an Idempotency-Key: one row per key from before the write is sent until a day later.
--
-- No transaction that takes a row here waits for an installation's row or the change counter; whoever holds those may
-- wait for rows here. So there is no foreign key: its check would wait for the installation.
CREATE TABLE keyed_writes (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  caller text NOT NULL,                          -- the caller's first service key: a rotated key is the same caller
  key_sha256 bytea NOT NULL,                     -- of the Idempotency-Key, which is kept nowhere
  fingerprint bytea NOT NULL,                    -- HMAC-SHA256 of the request under the Idempotency-Key
  claim text NOT NULL,                           -- random, of the request that may send the write; '' when none may end it
  state text NOT NULL DEFAULT 'in_flight',
  cause text,                                    -- why the outcome is unknown, a fixed word
  status integer,                                -- of BigCommerce's answer, if one came
  answer_key_id text,                            -- of the key that seals the answer
  sealed_answer bytea,                           -- null when done: too large to keep, or erased with the store
  request_id text NOT NULL,                      -- of the request that may send the write
  repeats bigint NOT NULL DEFAULT 0,
  began_at timestamptz NOT NULL DEFAULT now(),
  lease_until timestamptz NOT NULL,              -- when it has passed in flight, the sender is dead
  expires_at timestamptz NOT NULL,
  CONSTRAINT keyed_writes_pkey PRIMARY KEY (app_id, store_hash, caller, key_sha256),
  CONSTRAINT keyed_writes_state_known CHECK (state IN ('in_flight', 'done', 'unknown')),
  CONSTRAINT keyed_writes_cause CHECK ((state = 'unknown') = (cause IS NOT NULL)),
  CONSTRAINT keyed_writes_answer CHECK (
    (answer_key_id IS NULL) = (sealed_answer IS NULL) AND (sealed_answer IS NULL OR state = 'done')
    AND (state <> 'done' OR status IS NOT NULL))
);
-- Sealed bytes cannot be compressed, and what is not changed is not written again.
ALTER TABLE keyed_writes ALTER sealed_answer SET STORAGE EXTERNAL;
-- For: forgetting what is a day old.
CREATE INDEX keyed_writes_by_expiry ON keyed_writes (expires_at);

-- How much each caller holds for a store, so that no one of them fills the disk; kept true by the triggers below.
CREATE TABLE keyed_write_totals (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  caller text NOT NULL,
  keys bigint NOT NULL,
  bytes bigint NOT NULL,                         -- of sealed answers
  CONSTRAINT keyed_write_totals_pkey PRIMARY KEY (app_id, store_hash, caller)
);

-- Totals are taken in the order of their key, after the rows, so that nobody waits in a circle.
CREATE FUNCTION count_begun_writes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO keyed_write_totals AS total (app_id, store_hash, caller, keys, bytes)
  SELECT app_id, store_hash, caller, count(*), coalesce(sum(octet_length(sealed_answer)), 0) FROM new_rows
    GROUP BY app_id, store_hash, caller ORDER BY app_id, store_hash, caller
  ON CONFLICT (app_id, store_hash, caller) DO UPDATE
    SET keys = total.keys + excluded.keys, bytes = total.bytes + excluded.bytes;
  RETURN NULL;
END
$$;
CREATE TRIGGER keyed_writes_count_begun AFTER INSERT ON keyed_writes
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_begun_writes();

CREATE FUNCTION count_changed_writes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed record;
BEGIN
  FOR changed IN
    SELECT app_id, store_hash, caller, sum(bytes) AS bytes
    FROM (
      SELECT app_id, store_hash, caller, coalesce(octet_length(sealed_answer), 0) AS bytes FROM new_rows
      UNION ALL
      SELECT app_id, store_hash, caller, -coalesce(octet_length(sealed_answer), 0) FROM old_rows
    ) AS change
    GROUP BY app_id, store_hash, caller HAVING sum(bytes) <> 0 ORDER BY app_id, store_hash, caller
  LOOP
    UPDATE keyed_write_totals total SET bytes = total.bytes + changed.bytes
    WHERE (total.app_id, total.store_hash, total.caller) = (changed.app_id, changed.store_hash, changed.caller);
  END LOOP;
  RETURN NULL;
END
$$;
CREATE TRIGGER keyed_writes_count_changed AFTER UPDATE ON keyed_writes
  REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_changed_writes();

CREATE FUNCTION count_forgotten_writes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  forgotten record;
BEGIN
  FOR forgotten IN
    SELECT app_id, store_hash, caller, count(*) AS keys, coalesce(sum(octet_length(sealed_answer)), 0) AS bytes
    FROM old_rows GROUP BY app_id, store_hash, caller ORDER BY app_id, store_hash, caller
  LOOP
    UPDATE keyed_write_totals total SET keys = total.keys - forgotten.keys, bytes = total.bytes - forgotten.bytes
    WHERE (total.app_id, total.store_hash, total.caller) = (forgotten.app_id, forgotten.store_hash, forgotten.caller);
    DELETE FROM keyed_write_totals total
    WHERE (total.app_id, total.store_hash, total.caller) = (forgotten.app_id, forgotten.store_hash, forgotten.caller)
      AND total.keys <= 0;
  END LOOP;
  RETURN NULL;
END
$$;
CREATE TRIGGER keyed_writes_count_forgotten AFTER DELETE ON keyed_writes
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_forgotten_writes();
