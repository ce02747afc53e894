-- Gap repair: what webhooks did not tell is read from the stores and told after all. And the second signal that a
-- store is gone.
--
-- Lock order: a store's row of webhook_states, then its rows of webhook_repairs.

-- Why an event was made from a comparison, a fixed word; null for all that happened to be told.
ALTER TABLE pending_events ADD COLUMN synthetic text;
ALTER TABLE events ADD COLUMN synthetic text;
ALTER TABLE push_deliveries ADD COLUMN synthetic text;

ALTER TABLE webhook_states
  ADD COLUMN begun_at timestamptz NOT NULL DEFAULT now(),  -- since when the app is installed without a break
  ADD COLUMN off_scopes text[] NOT NULL DEFAULT '{}',      -- what was not heard of since deactivated_since
  ADD COLUMN repair_reason text,
  ADD COLUMN repair_from timestamptz,                      -- from when on that must be compared
  ADD COLUMN is_repair_planned boolean NOT NULL DEFAULT false;
UPDATE webhook_states s SET begun_at = i.installed_at FROM installations i
  WHERE i.app_id = s.app_id AND i.store_hash = s.store_hash;
UPDATE webhook_states s SET off_scopes = a.webhooks, repair_reason = 'deactivated',
    repair_from = deactivated_since - interval '49 hours', next_check_at = least(next_check_at, now())
  FROM apps a WHERE a.app_id = s.app_id AND deactivated_since IS NOT NULL;
ALTER TABLE webhook_states ADD CONSTRAINT webhook_states_repair_whole CHECK (
  (deactivated_since IS NULL) = (repair_from IS NULL) AND (repair_from IS NULL) = (repair_reason IS NULL));

-- One row per installation and resource: the repair that is to be done, or the last one that was.
CREATE TABLE webhook_repairs (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  resource text NOT NULL,
  reason text NOT NULL,
  since timestamptz NOT NULL,                    -- when the outage began, as far as is known
  compare_from timestamptz NOT NULL,             -- what changed from here on is compared; some time before since
  planned_at timestamptz NOT NULL DEFAULT now(),
  place text NOT NULL DEFAULT '',                -- behind what was compared; '' at the beginning
  next_step_at timestamptz,                      -- null: finished
  lease_id text,                                 -- a step is only written down by who still has it
  lease_until timestamptz,
  failures integer NOT NULL DEFAULT 0,           -- steps in a row that failed
  failure text,                                  -- a fixed word
  pages bigint NOT NULL DEFAULT 0,
  compared bigint NOT NULL DEFAULT 0,            -- records that were read
  emitted bigint NOT NULL DEFAULT 0,             -- events that were made
  outcome text,                                  -- null until it is finished
  finished_at timestamptz,
  is_told boolean NOT NULL DEFAULT false,        -- whether its end is in the feed
  state text NOT NULL GENERATED ALWAYS AS (
    CASE WHEN outcome IS NOT NULL THEN outcome WHEN failure IS NOT NULL THEN 'failing' WHEN pages > 0 THEN 'running'
      ELSE 'waiting' END) STORED,
  CONSTRAINT webhook_repairs_pkey PRIMARY KEY (app_id, store_hash, resource),
  CONSTRAINT webhook_repairs_installation_fkey FOREIGN KEY (app_id, store_hash)
    REFERENCES installations (app_id, store_hash),
  CONSTRAINT webhook_repairs_resource_known CHECK (resource IN ('orders', 'products', 'customers')),
  CONSTRAINT webhook_repairs_outcome_known CHECK (outcome IN ('done', 'skipped')),
  CONSTRAINT webhook_repairs_end CHECK (
    (outcome IS NULL) = (finished_at IS NULL) AND (outcome IS NULL) = (next_step_at IS NOT NULL))
);
-- For: steps that are due.
CREATE INDEX webhook_repairs_due ON webhook_repairs (next_step_at) WHERE next_step_at IS NOT NULL;

-- Outages of many stores at once, whose repairs are planned piece by piece.
CREATE TABLE webhook_outages (
  outage_id bigint GENERATED ALWAYS AS IDENTITY,
  app_id text,                                   -- null: of all apps
  reason text NOT NULL,
  since timestamptz NOT NULL,
  compare_from timestamptz NOT NULL,
  due_at timestamptz NOT NULL DEFAULT now(),
  spread_seconds double precision NOT NULL,      -- over which the repairs begin
  planned_app text NOT NULL DEFAULT '',          -- the last store that was planned for
  planned_store text NOT NULL DEFAULT '',
  -- Not led by the tenant: of no store in particular.
  CONSTRAINT webhook_outages_pkey PRIMARY KEY (outage_id)
);

-- One row: when some replica last took deliveries.
CREATE TABLE service_beat (
  only_row boolean NOT NULL DEFAULT true,
  beat_at timestamptz,                           -- null before the first
  CONSTRAINT service_beat_pkey PRIMARY KEY (only_row),
  CONSTRAINT service_beat_one_row CHECK (only_row)
);
INSERT INTO service_beat DEFAULT VALUES;

-- What a genuine webhook said of the store's end, by BigCommerce's clock; a canary decides whether it holds.
ALTER TABLE installations ADD COLUMN gone_reported_at timestamptz;

-- As in 0003; and an uninstall ends repairs, because nothing can be read any more, and a new install begins anew.
CREATE OR REPLACE FUNCTION follow_installation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state = 'active' THEN
    INSERT INTO webhook_states AS known (app_id, store_hash, next_check_at, is_thorough)
    VALUES (NEW.app_id, NEW.store_hash, now(), false)
    ON CONFLICT (app_id, store_hash) DO UPDATE
      SET next_check_at = now(), is_urgent = true, wanted_number = known.wanted_number + 1, failures = 0,
        -- A check of the time before may still be under way; nothing waits for it.
        lease_until = NULL;
  ELSE
    UPDATE webhook_states SET next_check_at = NULL
    WHERE app_id = NEW.app_id AND store_hash = NEW.store_hash AND next_check_at IS NOT NULL;
  END IF;
  IF NEW.state = 'uninstalled' THEN
    UPDATE webhook_addresses SET retired_at = coalesce(retired_at, now()), is_live = false
    WHERE app_id = NEW.app_id AND store_hash = NEW.store_hash AND is_live;
    UPDATE webhook_states
    SET hooks_active = 0, hooks = '[]', unavailable = '{}', failures = 0, failure = NULL, deactivated_since = NULL,
      off_scopes = '{}', repair_reason = NULL, repair_from = NULL, is_repair_planned = false
    WHERE app_id = NEW.app_id AND store_hash = NEW.store_hash;
    DELETE FROM webhook_repairs WHERE app_id = NEW.app_id AND store_hash = NEW.store_hash;
  ELSIF TG_OP = 'UPDATE' AND OLD.state = 'uninstalled' THEN
    UPDATE webhook_states SET begun_at = now() WHERE app_id = NEW.app_id AND store_hash = NEW.store_hash;
  END IF;
  RETURN NULL;
END
$$;
