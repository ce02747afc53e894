-- Deliveries from BigCommerce, and one ordered feed of everything that happened.
--
-- An event is first pending, in the transaction that made it; the sequencer then moves it into the feed and gives it
-- its position. So positions have no gaps, and nothing ever becomes visible below a position that was read.
--
-- deliveries and events are partitioned by day; retention drops days. The functions at the end make and drop them,
-- because the service's role may not.

-- What is known of deliveries for 96 hours: BigCommerce sends one again for 48.
CREATE TABLE delivery_keys (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  key bytea NOT NULL,                            -- SHA-256 of the webhook-id, or of the body when it has none
  first_received_at timestamptz NOT NULL DEFAULT now(),
  repeats bigint NOT NULL DEFAULT 0,             -- written by every repetition, so that its COMMIT means the first's is durable
  CONSTRAINT delivery_keys_pkey PRIMARY KEY (app_id, store_hash, key)
);
-- For: forgetting old ones.
CREATE INDEX delivery_keys_by_age ON delivery_keys (first_received_at);

CREATE SEQUENCE delivery_ids AS bigint;

-- The intake log. No foreign key: a delivery is kept whatever happens to its installation.
CREATE TABLE deliveries (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  delivery_id bigint NOT NULL DEFAULT nextval('delivery_ids'),
  received_on date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
  received_at timestamptz NOT NULL,              -- by the clock of the replica that took it
  scope text,                                    -- null when the body does not say
  webhook_id text,
  signature text NOT NULL,                       -- what became of the check: valid, absent, off …
  quarantine text,                               -- why it is not in the feed, a fixed word
  event_id text,                                 -- of the event that it became
  request_id text NOT NULL,
  body bytea NOT NULL,                           -- byte for byte
  CONSTRAINT deliveries_pkey PRIMARY KEY (app_id, store_hash, delivery_id, received_on),
  CONSTRAINT deliveries_event_or_quarantine CHECK ((event_id IS NULL) <> (quarantine IS NULL))
) PARTITION BY RANGE (received_on);
-- For: the newest deliveries of all stores.
CREATE INDEX deliveries_by_id ON deliveries (delivery_id);

-- Events that have no position yet; empty but for a moment.
CREATE TABLE pending_events (
  pending_id bigint GENERATED ALWAYS AS IDENTITY,
  app_id text NOT NULL,
  store_hash text NOT NULL,                      -- '' for an event of the app as a whole
  event_id text NOT NULL DEFAULT 'evt_' || replace(gen_random_uuid()::text, '-', ''),
  type text NOT NULL,                            -- store/order/created …, or app/installed … of our own
  origin text NOT NULL DEFAULT 'lifecycle',
  occurred_at timestamptz NOT NULL DEFAULT now(),
  data json NOT NULL,                            -- of a delivery: its data as they were sent
  -- Not led by the tenant: the one reader takes the oldest of all.
  CONSTRAINT pending_events_pkey PRIMARY KEY (pending_id),
  CONSTRAINT pending_events_origin_known CHECK (origin IN ('platform', 'lifecycle', 'repair'))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE events (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  position bigint NOT NULL,
  recorded_on date NOT NULL,
  recorded_at timestamptz NOT NULL,
  event_id text NOT NULL,
  type text NOT NULL,
  origin text NOT NULL,
  occurred_at timestamptz NOT NULL,
  data json NOT NULL,
  -- Not led by the tenant: the feed is one order over all of them.
  CONSTRAINT events_pkey PRIMARY KEY (position, recorded_on)
) PARTITION BY RANGE (recorded_on);
-- For: one store's events in order.
CREATE INDEX events_by_store ON events (app_id, store_hash, position);
-- For: one event by its ID.
CREATE INDEX events_by_id ON events (event_id);

-- The first position of each day, so that a reader looks at no day before its cursor.
CREATE TABLE event_days (
  day date NOT NULL,
  first_position bigint NOT NULL,
  CONSTRAINT event_days_pkey PRIMARY KEY (day)
);

-- One row: the end of the feed, and who may move it.
CREATE TABLE feed (
  only_row boolean NOT NULL DEFAULT true,
  feed_id bigint NOT NULL,                       -- random: tells this feed's cursors from another's
  last_position bigint NOT NULL DEFAULT 0,
  server text NOT NULL DEFAULT '',               -- which history of which server it was last moved on; '' before the first
  lease_holder text,
  lease_until timestamptz,
  CONSTRAINT feed_pkey PRIMARY KEY (only_row),
  CONSTRAINT feed_one_row CHECK (only_row)
);
INSERT INTO feed (feed_id) VALUES (('x' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 8))::bit(32)::bigint);

-- A backup that is restored, or a standby that takes over, may lack the last events that somebody has read. From then
-- on another epoch counts: a cursor of an older one is good up to where the next began.
CREATE TABLE feed_epochs (
  epoch bigint NOT NULL,
  begins_after bigint NOT NULL,                  -- the last position of the epoch before
  began_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT feed_epochs_pkey PRIMARY KEY (epoch)
);
INSERT INTO feed_epochs (epoch, begins_after) VALUES (1, 0);

INSERT INTO pending_events (app_id, store_hash, type, occurred_at, data)
  SELECT app_id, store_hash, type, occurred_at, data FROM lifecycle_events ORDER BY event_id;
DROP TABLE lifecycle_events;

-- Makes the partitions of today and the next days that are missing; days are UTC.
--
-- A partition is made apart and attached, because making it in place would lock out writers.
CREATE FUNCTION make_event_days(ahead integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET lock_timeout = '2s' AS $$
DECLARE
  parent text;
  day date;
  child text;
  made integer := 0;
BEGIN
  -- One at a time; the number is "days" in ASCII.
  PERFORM pg_advisory_xact_lock(1684109683);
  FOREACH parent IN ARRAY ARRAY['deliveries', 'events'] LOOP
    FOR day IN SELECT (now() AT TIME ZONE 'UTC')::date + n FROM generate_series(0, least(ahead, 60)) AS n LOOP
      child := parent || to_char(day, '_YYYYMMDD');
      CONTINUE WHEN to_regclass(quote_ident(child)) IS NOT NULL;
      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, day, day + 1);
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END
$$;
REVOKE ALL ON FUNCTION make_event_days(integer) FROM PUBLIC;

-- Drops what is older than so many days; never today, nor yesterday. Returns how many partitions.
--
-- Waits for readers but a moment: the next round tries again.
CREATE FUNCTION drop_event_days(keep_events integer, keep_deliveries integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET lock_timeout = '500ms' AS $$
DECLARE
  found record;
  dropped integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(1684109683);
  FOR found IN
    SELECT child.relname AS name, parent.relname AS parent, right(child.relname, 8) AS day
    FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE inhparent IN ('deliveries'::regclass, 'events'::regclass)
      AND right(child.relname, 8)::date < (now() AT TIME ZONE 'UTC')::date
        - greatest(1, CASE parent.relname WHEN 'events' THEN keep_events ELSE keep_deliveries END)
    ORDER BY right(child.relname, 8)
  LOOP
    EXECUTE format('DROP TABLE %I', found.name);
    IF found.parent = 'events' THEN
      DELETE FROM event_days WHERE event_days.day = found.day::date;
    END IF;
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END
$$;
REVOKE ALL ON FUNCTION drop_event_days(integer, integer) FROM PUBLIC;

-- They work in this schema, whoever calls them.
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION make_event_days(integer) SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION drop_event_days(integer, integer) SET search_path = %I, pg_temp', current_schema());
END
$$;

SELECT make_event_days(14);
