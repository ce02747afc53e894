-- Deliveries are kept by a function, because its plan stays with the connection: to plan the statement anew for each
-- batch took as long as to keep twenty deliveries.

-- Puts a batch into the log, and what is an event among the pending ones. Element n of each array is of delivery n; an
-- empty text stands for null; times are in microseconds since 1970. A repetition only counts at the first's key. It
-- writes all the same: after its COMMIT the first is durable, whoever wrote it. Returns how many were no repetitions.
--
-- Lock order: keys are written in their order, so that two batches never wait for each other in a circle.
CREATE FUNCTION keep_deliveries(
  apps text[], stores text[], keys bytea[], received_ats bigint[], scopes text[], webhook_ids text[], signatures text[],
  quarantines text[], request_ids text[], bodies bytea[], occurred_ats bigint[], payloads text[]
) RETURNS bigint LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  kept bigint;
BEGIN
  WITH incoming AS MATERIALIZED (
    SELECT DISTINCT ON (app_id, store_hash, key) *,
      count(*) OVER (PARTITION BY app_id, store_hash, key) AS copies
    FROM unnest(apps, stores, keys, received_ats, scopes, webhook_ids, signatures, quarantines, request_ids, bodies,
        occurred_ats, payloads) WITH ORDINALITY
      AS row (app_id, store_hash, key, received_at, scope, webhook_id, signature, quarantine, request_id, body,
        occurred_at, data, number)
    ORDER BY app_id, store_hash, key, number
  ), known AS (
    INSERT INTO delivery_keys AS known (app_id, store_hash, key, repeats)
    SELECT app_id, store_hash, key, copies - 1 FROM incoming ORDER BY 1, 2, 3
    ON CONFLICT (app_id, store_hash, key) DO UPDATE SET repeats = known.repeats + excluded.repeats + 1
    RETURNING app_id, store_hash, key, repeats
  ), fresh AS MATERIALIZED (
    SELECT incoming.*, CASE WHEN quarantine = '' THEN 'evt_' || replace(gen_random_uuid()::text, '-', '') END
      AS event_id
    FROM incoming JOIN known USING (app_id, store_hash, key) WHERE repeats < copies ORDER BY number
  ), queued AS (
    INSERT INTO pending_events (app_id, store_hash, event_id, type, origin, occurred_at, data)
    SELECT app_id, store_hash, event_id, scope, 'platform',
      timestamptz 'epoch' + occurred_at * interval '1 microsecond', data::json
    FROM fresh WHERE event_id IS NOT NULL ORDER BY number
  )
  INSERT INTO deliveries (app_id, store_hash, received_at, scope, webhook_id, signature, quarantine, event_id,
    request_id, body)
  SELECT app_id, store_hash, timestamptz 'epoch' + received_at * interval '1 microsecond', nullif(scope, ''),
    nullif(webhook_id, ''), signature, nullif(quarantine, ''), event_id, request_id, body
  FROM fresh;
  GET DIAGNOSTICS kept = ROW_COUNT;
  RETURN kept;
END
$$;
