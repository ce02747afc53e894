-- What came in, went out and waited, by minute and by hour, of all stores and apps together: the fleet's charts.
--
-- Every replica adds what it counted and notes what it saw waiting, each ten seconds. So a page reads a row for each
-- step it shows, whatever there was of deliveries and events.
CREATE TABLE flow (
  grain text NOT NULL,
  starts_at timestamptz NOT NULL,                -- of the minute or hour in UTC
  deliveries_taken bigint NOT NULL,              -- requests to webhook addresses that were answered well, repetitions too
  deliveries_refused bigint NOT NULL,            -- the others
  pushes_made bigint NOT NULL,                   -- attempts that arrived
  pushes_failed bigint NOT NULL,                 -- attempts that did not
  first_position bigint NOT NULL,                -- of the feed's newest event, when it was first and last looked
  last_position bigint NOT NULL,
  pending_events bigint NOT NULL,                -- this and what follows: the most that was seen
  behind_events bigint NOT NULL,
  pushes_pending bigint NOT NULL,
  pushes_due bigint NOT NULL,
  pushes_dead bigint NOT NULL,
  feed_lag_us bigint NOT NULL,
  push_lag_us bigint NOT NULL,
  -- Not led by the tenant: it tells of all of them.
  CONSTRAINT flow_pkey PRIMARY KEY (grain, starts_at),
  CONSTRAINT flow_grain_known CHECK (grain IN ('minute', 'hour'))
);

-- Counts what a replica tells; false when the batch was counted before. numbers are in the order of the columns, with
-- the feed's position once.
--
-- Rows are written in the order of the key, so that two replicas never wait for each other in a circle.
CREATE FUNCTION add_flow(of_writer text, batch bigint, minute bigint, numbers bigint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO usage_writers AS known (writer, last_batch) VALUES (of_writer, batch)
    ON CONFLICT (writer) DO UPDATE SET last_batch = excluded.last_batch, written_at = now()
      WHERE known.last_batch < excluded.last_batch;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO flow AS known
    SELECT of_grain, date_trunc(of_grain, to_timestamp(minute * 60), 'UTC'), numbers[1], numbers[2], numbers[3],
      numbers[4], numbers[5], numbers[5], numbers[6], numbers[7], numbers[8], numbers[9], numbers[10], numbers[11],
      numbers[12]
    FROM unnest(ARRAY['hour', 'minute']) AS of_grain ORDER BY of_grain
  ON CONFLICT (grain, starts_at) DO UPDATE SET
    deliveries_taken = known.deliveries_taken + excluded.deliveries_taken,
    deliveries_refused = known.deliveries_refused + excluded.deliveries_refused,
    pushes_made = known.pushes_made + excluded.pushes_made,
    pushes_failed = known.pushes_failed + excluded.pushes_failed,
    last_position = greatest(known.last_position, excluded.last_position),
    pending_events = greatest(known.pending_events, excluded.pending_events),
    behind_events = greatest(known.behind_events, excluded.behind_events),
    pushes_pending = greatest(known.pushes_pending, excluded.pushes_pending),
    pushes_due = greatest(known.pushes_due, excluded.pushes_due),
    pushes_dead = greatest(known.pushes_dead, excluded.pushes_dead),
    feed_lag_us = greatest(known.feed_lag_us, excluded.feed_lag_us),
    push_lag_us = greatest(known.push_lag_us, excluded.push_lag_us);
  RETURN true;
END
$$;
