-- What calls of stores came to, by minute, hour and day.
--
-- Every cell is counted in six rows: at each of three grains, for its store and for all stores of the app together
-- (store_hash ''). So no job has to sum anything up, what a replica tells late is in its hour and day too, and a
-- page about all stores reads as little as one about a single store.
--
-- Minutes are partitioned by day, because they are many and kept for a few days; the functions at the end make and
-- drop their partitions, because the service's role may not.
CREATE TABLE usage (
  app_id text NOT NULL,
  store_hash text NOT NULL,                      -- '' for all stores of the app together
  grain text NOT NULL,
  starts_at timestamptz NOT NULL,                -- of the minute, hour or day in UTC
  key_id text NOT NULL,                          -- of the caller; '' when there were too many callers to tell apart
  family text NOT NULL,                          -- of the endpoint; '' likewise
  calls bigint NOT NULL,                         -- of them each is among the following five, or fine
  rejected bigint NOT NULL,                      -- 4xx of BigCommerce but 429
  throttled bigint NOT NULL,                     -- 429 and 509 of BigCommerce, quota and rate of our own
  failed bigint NOT NULL,                        -- 5xx, or no answer
  refused bigint NOT NULL,                       -- not taken in, because too many calls were held
  abandoned bigint NOT NULL,                     -- the caller left before the answer
  waited bigint NOT NULL,                        -- calls that waited for quota
  waited_us bigint NOT NULL,
  sent_bytes bigint NOT NULL,                    -- of bodies of calls
  received_bytes bigint NOT NULL,                -- of bodies of answers
  latency_us bigint NOT NULL,                    -- of calls that BigCommerce answered, waits included
  within_10ms bigint NOT NULL,                   -- how many took at most so long and longer than the column before
  within_25ms bigint NOT NULL,
  within_50ms bigint NOT NULL,
  within_100ms bigint NOT NULL,
  within_250ms bigint NOT NULL,
  within_500ms bigint NOT NULL,
  within_1s bigint NOT NULL,
  within_2500ms bigint NOT NULL,
  within_5s bigint NOT NULL,
  within_10s bigint NOT NULL,
  within_30s bigint NOT NULL,
  longer bigint NOT NULL,
  CONSTRAINT usage_pkey PRIMARY KEY (app_id, store_hash, grain, starts_at, key_id, family),
  CONSTRAINT usage_grain_known CHECK (grain IN ('minute', 'hour', 'day'))
) PARTITION BY LIST (grain);

CREATE TABLE usage_minutes PARTITION OF usage FOR VALUES IN ('minute') PARTITION BY RANGE (starts_at);
-- Half of a page stays free: the rows of the running hour and day are written again every few seconds.
CREATE TABLE usage_hours PARTITION OF usage FOR VALUES IN ('hour') WITH (fillfactor = 50);
CREATE TABLE usage_days PARTITION OF usage FOR VALUES IN ('day') WITH (fillfactor = 50);
-- For: forgetting old ones, which are written in the order of time.
CREATE INDEX usage_hours_by_age ON usage_hours USING brin (starts_at) WITH (pages_per_range = 32);
CREATE INDEX usage_days_by_age ON usage_days USING brin (starts_at) WITH (pages_per_range = 32);

-- The last batch of each writer, so that one whose COMMIT was not heard is not counted twice.
CREATE TABLE usage_writers (
  writer text NOT NULL,                          -- random, of one start of one replica
  last_batch bigint NOT NULL,
  written_at timestamptz NOT NULL DEFAULT now(),
  -- Not led by the tenant: a writer tells of all of them.
  CONSTRAINT usage_writers_pkey PRIMARY KEY (writer)
);

-- Counts a batch of cells; false when it was counted before. counts holds the 23 numbers of each cell, one cell after
-- the other, in the order of the columns.
--
-- Rows are written in the order of the key, so that two replicas never wait for each other in a circle.
CREATE FUNCTION add_usage(
  of_writer text, batch bigint, apps text[], stores text[], minutes bigint[], keys text[], families text[],
  counts bigint[]
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO usage_writers AS known (writer, last_batch) VALUES (of_writer, batch)
    ON CONFLICT (writer) DO UPDATE SET last_batch = excluded.last_batch, written_at = now()
      WHERE known.last_batch < excluded.last_batch;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO usage AS known
    SELECT app, whose, grain, date_trunc(grain, to_timestamp(minute * 60), 'UTC') AS starts_at, key, family,
      sum(n[1]), sum(n[2]), sum(n[3]), sum(n[4]), sum(n[5]), sum(n[6]), sum(n[7]), sum(n[8]), sum(n[9]), sum(n[10]),
      sum(n[11]), sum(n[12]), sum(n[13]), sum(n[14]), sum(n[15]), sum(n[16]), sum(n[17]), sum(n[18]), sum(n[19]),
      sum(n[20]), sum(n[21]), sum(n[22]), sum(n[23])
    FROM unnest(apps, stores, minutes, keys, families) WITH ORDINALITY AS cell (app, store, minute, key, family, place)
      CROSS JOIN LATERAL (SELECT counts[(place - 1) * 23 + 1 : place * 23]) AS numbers (n)
      CROSS JOIN unnest(ARRAY['minute', 'hour', 'day']) AS grain
      CROSS JOIN LATERAL (VALUES (store), ('')) AS told (whose)
    GROUP BY 1, 2, 3, 4, 5, 6
    ORDER BY 1, 2, 3, 4, 5, 6
  ON CONFLICT (app_id, store_hash, grain, starts_at, key_id, family) DO UPDATE SET
    calls = known.calls + excluded.calls,
    rejected = known.rejected + excluded.rejected,
    throttled = known.throttled + excluded.throttled,
    failed = known.failed + excluded.failed,
    refused = known.refused + excluded.refused,
    abandoned = known.abandoned + excluded.abandoned,
    waited = known.waited + excluded.waited,
    waited_us = known.waited_us + excluded.waited_us,
    sent_bytes = known.sent_bytes + excluded.sent_bytes,
    received_bytes = known.received_bytes + excluded.received_bytes,
    latency_us = known.latency_us + excluded.latency_us,
    within_10ms = known.within_10ms + excluded.within_10ms,
    within_25ms = known.within_25ms + excluded.within_25ms,
    within_50ms = known.within_50ms + excluded.within_50ms,
    within_100ms = known.within_100ms + excluded.within_100ms,
    within_250ms = known.within_250ms + excluded.within_250ms,
    within_500ms = known.within_500ms + excluded.within_500ms,
    within_1s = known.within_1s + excluded.within_1s,
    within_2500ms = known.within_2500ms + excluded.within_2500ms,
    within_5s = known.within_5s + excluded.within_5s,
    within_10s = known.within_10s + excluded.within_10s,
    within_30s = known.within_30s + excluded.within_30s,
    longer = known.longer + excluded.longer;
  RETURN true;
END
$$;

-- Makes the partitions of the last days, today and the next days that are missing; days are UTC. A day before today
-- may be asked for by what a replica tells late.
CREATE FUNCTION make_usage_days(behind integer, ahead integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET lock_timeout = '2s' AS $$
DECLARE
  day date;
  child text;
  made integer := 0;
BEGIN
  -- One at a time; the number is "used" in ASCII.
  PERFORM pg_advisory_xact_lock(1970496868);
  FOR day IN
    SELECT (now() AT TIME ZONE 'UTC')::date + n FROM generate_series(-least(behind, 60), least(ahead, 60)) AS n
  LOOP
    child := 'usage_minutes' || to_char(day, '_YYYYMMDD');
    CONTINUE WHEN to_regclass(quote_ident(child)) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE usage_minutes INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child);
    EXECUTE format('ALTER TABLE usage_minutes ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', child,
      day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
    made := made + 1;
  END LOOP;
  RETURN made;
END
$$;
REVOKE ALL ON FUNCTION make_usage_days(integer, integer) FROM PUBLIC;

-- Drops the minutes that are older than so many days; never today's, nor yesterday's. Returns how many partitions.
--
-- Waits for readers but a moment: the next round tries again.
CREATE FUNCTION drop_usage_days(keep integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET lock_timeout = '500ms' AS $$
DECLARE
  found text;
  dropped integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(1970496868);
  FOR found IN
    SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid
    WHERE inhparent = 'usage_minutes'::regclass
      AND right(relname, 8)::date < (now() AT TIME ZONE 'UTC')::date - greatest(1, keep)
    ORDER BY right(relname, 8)
  LOOP
    EXECUTE format('DROP TABLE %I', found);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END
$$;
REVOKE ALL ON FUNCTION drop_usage_days(integer) FROM PUBLIC;

-- They work in this schema, whoever calls them.
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION make_usage_days(integer, integer) SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION drop_usage_days(integer) SET search_path = %I, pg_temp', current_schema());
END
$$;

SELECT make_usage_days(1, 14);
