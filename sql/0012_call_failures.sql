-- The newest failed calls of each store, for whoever looks for the reason: no bodies, no queries, no headers.
--
-- A few of each kind are kept, so that many of one kind never push out the rare ones of another.
CREATE TABLE call_failures (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  kind text NOT NULL,                            -- the gateway's code, or the status that BigCommerce answered
  at timestamptz NOT NULL,                       -- when the call came
  request_id text NOT NULL,
  key_id text NOT NULL,                          -- of the caller
  method text NOT NULL,
  path text NOT NULL,                            -- below the store, cut to 200 bytes
  status integer NOT NULL,                       -- that the caller got
  code text,                                     -- of the gateway's refusal; null when BigCommerce answered
  outcome text NOT NULL,                         -- answered, not_sent, or unknown: a write may have happened
  duration_us bigint NOT NULL,
  -- A batch that is written again changes nothing.
  CONSTRAINT call_failures_pkey PRIMARY KEY (app_id, store_hash, kind, at, request_id),
  CONSTRAINT call_failures_outcome_known CHECK (outcome IN ('answered', 'not_sent', 'unknown'))
);
-- For: forgetting old ones.
CREATE INDEX call_failures_by_age ON call_failures (at);

-- Notes failed calls, and forgets those of the same stores and kinds behind the newest few. Element n of each array is
-- of call n; an empty code stands for null; times are in microseconds, since 1970. Nothing is noted of a store whose
-- data were deleted.
--
-- Several replicas may do so at once: each leaves alone what another is about to forget.
CREATE FUNCTION add_call_failures(
  apps text[], stores text[], ats bigint[], request_ids text[], keys text[], methods text[], paths text[],
  statuses integer[], codes text[], outcomes text[], durations bigint[], keep integer
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO call_failures
    SELECT app, store, coalesce(nullif(code, ''), status::text), timestamptz 'epoch' + at * interval '1 microsecond',
      request, key, method, path, status, nullif(code, ''), outcome, duration
    FROM unnest(apps, stores, ats, request_ids, keys, methods, paths, statuses, codes, outcomes, durations)
      AS call (app, store, at, request, key, method, path, status, code, outcome, duration)
      JOIN installations ON app_id = app AND store_hash = store AND data_purged_at IS NULL
    ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT DO NOTHING;
  WITH touched AS (
    SELECT DISTINCT app, store, coalesce(nullif(code, ''), status::text) AS of_kind
    FROM unnest(apps, stores, statuses, codes) AS call (app, store, status, code)
  ), due AS MATERIALIZED (
    SELECT old.app_id, old.store_hash, old.kind, old.at, old.request_id
    FROM touched CROSS JOIN LATERAL (
      SELECT at, request_id FROM call_failures
      WHERE app_id = app AND store_hash = store AND kind = of_kind
      ORDER BY at DESC, request_id DESC OFFSET keep LIMIT 1
    ) AS first_out JOIN call_failures AS old ON old.app_id = app AND old.store_hash = store AND old.kind = of_kind
      AND (old.at, old.request_id) <= (first_out.at, first_out.request_id)
    FOR UPDATE OF old SKIP LOCKED
  )
  DELETE FROM call_failures AS known USING due
  WHERE (known.app_id, known.store_hash, known.kind, known.at, known.request_id)
    = (due.app_id, due.store_hash, due.kind, due.at, due.request_id);
END
$$;
