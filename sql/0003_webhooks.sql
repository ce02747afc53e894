-- Registration of webhooks: where each installation's arrive, and how far each store is what it should be.
--
-- Lock order: as in 0001. The trigger at the end runs while an installation's row and the change counter are held, and
-- takes rows of these tables; so nobody may wait for the counter while holding one of them, but for new rows and
-- for rotations, which take the installation's row first.

-- A path and a secret of an installation. They belong to it, not to a generation.
CREATE TABLE webhook_addresses (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  path_token text NOT NULL,                      -- random, 160 bits in base 32
  sealed_secret bytea NOT NULL,                  -- what each delivery brings in a header
  secret_key_id text NOT NULL,                   -- which key of the keyring sealed it
  secret_sha256 bytea NOT NULL,                  -- what deliveries are compared with
  created_at timestamptz NOT NULL DEFAULT now(),
  retired_at timestamptz,                        -- null: the one to register; accepted for 72 hours longer
  is_live boolean NOT NULL DEFAULT true,         -- false since the app was uninstalled
  change_number bigint NOT NULL,
  CONSTRAINT webhook_addresses_pkey PRIMARY KEY (app_id, store_hash, path_token),
  CONSTRAINT webhook_addresses_token_unique UNIQUE (path_token),
  CONSTRAINT webhook_addresses_installation_fkey FOREIGN KEY (app_id, store_hash)
    REFERENCES installations (app_id, store_hash),
  CONSTRAINT webhook_addresses_token_form CHECK (path_token ~ '^[a-z2-7]{32}$'),
  CONSTRAINT webhook_addresses_sha256_form CHECK (octet_length(secret_sha256) = 32),
  CONSTRAINT webhook_addresses_dead_are_retired CHECK (is_live OR retired_at IS NOT NULL)
);
-- One to register, also when two replicas make one.
CREATE UNIQUE INDEX webhook_addresses_current ON webhook_addresses (app_id, store_hash) WHERE retired_at IS NULL;
-- Only what replicas cache takes a number: sealing anew does not hold the counter's lock.
CREATE TRIGGER webhook_addresses_take_change_number
  BEFORE INSERT OR UPDATE OF app_id, store_hash, path_token, secret_sha256, retired_at, is_live
  ON webhook_addresses FOR EACH ROW EXECUTE FUNCTION take_change_number();
-- For: what changed since the last poll of the cache.
CREATE INDEX webhook_addresses_by_change ON webhook_addresses (change_number);
-- For: vault rewrap and the check at start that no key in use is missing.
CREATE INDEX webhook_addresses_by_secret_key ON webhook_addresses (secret_key_id, app_id, store_hash, path_token);
-- For: forgetting those whose 72 hours are over.
CREATE INDEX webhook_addresses_by_retirement ON webhook_addresses (retired_at) WHERE retired_at IS NOT NULL;

-- How an app's webhooks should be; replicas with other settings than these leave the stores alone.
ALTER TABLE apps
  ADD COLUMN webhooks text[] NOT NULL DEFAULT '{}',     -- wanted scopes
  ADD COLUMN webhooks_digest text NOT NULL DEFAULT '',  -- of all settings that they are made from
  ADD COLUMN webhooks_blocked_until timestamptz;        -- until when the platform delivers nothing to us

-- One row per installation.
CREATE TABLE webhook_states (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  next_check_at timestamptz,                     -- null: not called now, because the installation is not active
  is_urgent boolean NOT NULL DEFAULT true,       -- just installed or rotated: before all others
  is_thorough boolean NOT NULL DEFAULT true,     -- look at the store even where nothing of ours can be
  lease_until timestamptz,
  wanted_number bigint NOT NULL DEFAULT 1,       -- counts the reasons for a check
  checked_number bigint NOT NULL DEFAULT 0,      -- wanted_number as it was when the last check began
  last_checked_at timestamptz,
  failures integer NOT NULL DEFAULT 0,           -- checks in a row that failed
  failure text,                                  -- a fixed word, null when the last check left all as it should be
  hooks_wanted integer NOT NULL DEFAULT 0,
  hooks_active integer NOT NULL DEFAULT 0,       -- of ours, as the last check left them
  hooks jsonb NOT NULL DEFAULT '[]',             -- ours: id, scope, is_active
  unavailable text[] NOT NULL DEFAULT '{}',      -- wanted scopes for which others' webhooks leave no place
  deactivated_since timestamptz,                 -- from then until gap repair events may be missing
  state text NOT NULL GENERATED ALWAYS AS (
    CASE WHEN next_check_at IS NULL THEN 'parked' WHEN wanted_number > checked_number THEN 'pending'
      WHEN failure IS NOT NULL THEN 'failed' ELSE 'in_step' END) STORED,
  CONSTRAINT webhook_states_pkey PRIMARY KEY (app_id, store_hash),
  CONSTRAINT webhook_states_installation_fkey FOREIGN KEY (app_id, store_hash)
    REFERENCES installations (app_id, store_hash)
);
-- For: checks that are due, the urgent ones apart.
CREATE INDEX webhook_states_urgent ON webhook_states (next_check_at) WHERE is_urgent;
CREATE INDEX webhook_states_due ON webhook_states (next_check_at) WHERE NOT is_urgent;

-- An installation that begins to be active, or gets a token, has its webhooks looked at; one that ends to be active is
-- let alone; and an uninstall retires its addresses.
CREATE FUNCTION follow_installation() RETURNS trigger LANGUAGE plpgsql AS $$
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
    SET hooks_active = 0, hooks = '[]', unavailable = '{}', failures = 0, failure = NULL, deactivated_since = NULL
    WHERE app_id = NEW.app_id AND store_hash = NEW.store_hash;
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER installations_begin_webhooks AFTER INSERT ON installations
  FOR EACH ROW EXECUTE FUNCTION follow_installation();
CREATE TRIGGER installations_follow_webhooks AFTER UPDATE OF state, generation ON installations
  FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.generation <> NEW.generation)
  EXECUTE FUNCTION follow_installation();

-- Stores that are there already: looked at one after the other, behind new ones.
INSERT INTO webhook_states (app_id, store_hash, next_check_at, is_urgent, is_thorough)
  SELECT app_id, store_hash, CASE WHEN state = 'active' THEN now() END, false, false
  FROM installations WHERE state <> 'uninstalled';
