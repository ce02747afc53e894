-- The foundation: apps, installations and their users, install attempts, callbacks, tickets, service keys, audit.
-- Words: docs/architecture.md. Every tenant table leads its key with (app_id, store_hash).
--
-- "BigCommerce's clock" marks moments taken from a callback's iat or an answer's Date; they are only compared with
-- each other. All other moments are this database's.
--
-- Lock order, so that nothing can deadlock: advisory lock of the installation (install, uninstall, remove user),
-- its attempt, its row, then the change counter, which is held to the end. A transaction that changes several
-- installations takes their rows with SKIP LOCKED.

-- One row. Every change to an installation or a service key takes the next value while it holds this row's lock,
-- so values become visible in the order of their commits and a replica can ask for "all rows above N".
CREATE TABLE change_counter (
  only_row boolean NOT NULL DEFAULT true,
  value bigint NOT NULL,
  CONSTRAINT change_counter_pkey PRIMARY KEY (only_row),
  CONSTRAINT change_counter_one_row CHECK (only_row)
);
INSERT INTO change_counter (value) VALUES (0);

CREATE FUNCTION take_change_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE change_counter SET value = value + 1 RETURNING value INTO NEW.change_number;
  RETURN NEW;
END
$$;

CREATE TABLE apps (
  app_id text NOT NULL,                          -- the app's name in settings
  client_id text NOT NULL,
  required_scopes text[] NOT NULL,
  required_scopes_changed_at timestamptz NOT NULL DEFAULT now(),
  revocations_held_at timestamptz,               -- since when the brake keeps stores from turning revoked
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT apps_pkey PRIMARY KEY (app_id),
  CONSTRAINT apps_app_id_form CHECK (app_id ~ '^[a-z][a-z0-9-]{0,31}$')
);

CREATE TABLE installations (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  state text NOT NULL,
  generation bigint NOT NULL,                    -- counts tokens; the first is 1
  sealed_token bytea,                            -- null when uninstalled
  token_key_id text,                             -- which key of the keyring sealed it
  scopes text[] NOT NULL,                        -- granted, as the token's answer named them
  labels text[] NOT NULL DEFAULT '{}',           -- operators' words, sorted; gone when the store's data are deleted
  source text NOT NULL,                          -- 'oauth', or 'import' for a token given by an operator
  authorized_at timestamptz NOT NULL,            -- BigCommerce's clock: compared with a callback's iat
  installed_at timestamptz NOT NULL DEFAULT now(),   -- first install, by our clock
  token_stored_at timestamptz NOT NULL DEFAULT now(),
  token_verified_at timestamptz,                 -- the last canary call that the platform answered with 200
  suspended_at timestamptz,                      -- outlives uninstalling and installing again: only an operator ends it
  state_changed_at timestamptz NOT NULL DEFAULT now(),
  uninstalled_at timestamptz,
  uninstall_issued_at timestamptz,               -- BigCommerce's clock: the newest uninstall that was honoured
  owner_id bigint,
  account_uuid text,                             -- of the developer account, as the token's answer named it; not checked
  data_purged_at timestamptz,
  next_canary_at timestamptz,                    -- null: no canary call is due
  canary_delay_seconds integer NOT NULL DEFAULT 0,
  canary_lease_until timestamptz,
  canary_refused_at timestamptz,                 -- when a canary was last refused while the store was active
  change_number bigint NOT NULL,
  CONSTRAINT installations_pkey PRIMARY KEY (app_id, store_hash),
  CONSTRAINT installations_app_fkey FOREIGN KEY (app_id) REFERENCES apps (app_id),
  CONSTRAINT installations_store_hash_form CHECK (store_hash ~ '^[a-z0-9]{1,32}$'),
  CONSTRAINT installations_state_known CHECK (state IN ('active', 'suspended', 'revoked', 'uninstalled')),
  CONSTRAINT installations_source_known CHECK (source IN ('oauth', 'import')),
  CONSTRAINT installations_labels_form CHECK (
    labels = '{}' OR cardinality(labels) <= 16
    AND array_to_string(labels, ',', '') ~ '^[a-z0-9][a-z0-9-]{0,31}(,[a-z0-9][a-z0-9-]{0,31})*$'),
  CONSTRAINT installations_generation_positive CHECK (generation > 0),
  CONSTRAINT installations_token_while_installed CHECK (
    (state = 'uninstalled') = (sealed_token IS NULL) AND (sealed_token IS NULL) = (token_key_id IS NULL)),
  CONSTRAINT installations_suspended_since CHECK (state <> 'suspended' OR suspended_at IS NOT NULL)
);
-- Only what replicas cache takes a number: canaries come and go without holding the counter's lock.
CREATE TRIGGER installations_take_change_number
  BEFORE INSERT OR UPDATE OF app_id, store_hash, state, generation, sealed_token, token_key_id, scopes, labels
  ON installations FOR EACH ROW EXECUTE FUNCTION take_change_number();

-- A canary is about one token of a store that may be called: another token, or no more calls, ends it.
CREATE FUNCTION forget_canary() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.next_canary_at := NULL;
  NEW.canary_delay_seconds := 0;
  NEW.canary_lease_until := NULL;
  NEW.canary_refused_at := NULL;
  RETURN NEW;
END
$$;
CREATE TRIGGER installations_forget_canary BEFORE UPDATE ON installations FOR EACH ROW
  WHEN (OLD.generation <> NEW.generation OR NEW.state IN ('suspended', 'uninstalled'))
  EXECUTE FUNCTION forget_canary();
-- For: what changed since the last poll of the cache.
CREATE INDEX installations_by_change ON installations (change_number);
-- For: canary calls that are due.
CREATE INDEX installations_by_canary ON installations (next_canary_at) WHERE next_canary_at IS NOT NULL;
-- For: vault rewrap and the check at start that no key in use is missing.
CREATE INDEX installations_by_token_key ON installations (token_key_id, app_id, store_hash)
  WHERE token_key_id IS NOT NULL;
-- For: the revocation brake and the fleet's counts by state.
CREATE INDEX installations_by_state ON installations (app_id, state, state_changed_at);
-- For: personal data of uninstalled stores whose time is over.
CREATE INDEX installations_by_uninstall ON installations (uninstalled_at)
  WHERE state = 'uninstalled' AND data_purged_at IS NULL;

CREATE TABLE store_users (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  user_id bigint NOT NULL,                       -- BigCommerce's
  email text,                                    -- null once removed
  locale text,
  is_owner boolean NOT NULL DEFAULT false,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  provisioned_at timestamptz,                    -- BigCommerce's clock: the newest install or load of this user
  removed_at timestamptz,                        -- BigCommerce's clock: the newest removal; loads not newer are refused
  CONSTRAINT store_users_pkey PRIMARY KEY (app_id, store_hash, user_id),
  CONSTRAINT store_users_installation_fkey FOREIGN KEY (app_id, store_hash)
    REFERENCES installations (app_id, store_hash)
    -- Deferred, so that the installation's row, which takes the change counter's lock, can be written last.
    DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE install_attempts (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  attempt_id bigint GENERATED ALWAYS AS IDENTITY,
  code_sha256 bytea NOT NULL,                    -- the code itself is never stored; random for an import
  claim text NOT NULL,                           -- random, of the request that may exchange the code
  state text NOT NULL,                           -- exchanging → done | failed | lost; lost → done from the spool
  failure text,                                  -- a fixed word when failed, never the platform's text
  base_generation bigint NOT NULL,               -- the installation's when the attempt began; 0: none
  generation bigint,                             -- the one that it made
  repeats bigint NOT NULL DEFAULT 0,             -- written by every repetition, so that its COMMIT means the first's is durable
  request_id text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  CONSTRAINT install_attempts_pkey PRIMARY KEY (app_id, store_hash, attempt_id),
  CONSTRAINT install_attempts_code_unique UNIQUE (code_sha256),
  CONSTRAINT install_attempts_state_known CHECK (state IN ('exchanging', 'done', 'failed', 'lost'))
);
-- For: forgetting old ones.
CREATE INDEX install_attempts_by_start ON install_attempts (started_at);
-- For: at most five attempts per minute and store.
CREATE INDEX install_attempts_by_store_start ON install_attempts (app_id, store_hash, started_at);
-- For: a load's question whether a newer token is on its way or lost.
CREATE INDEX install_attempts_unfinished ON install_attempts (app_id, store_hash, started_at)
  WHERE state IN ('exchanging', 'lost');
-- For: the sweeper that finds attempts whose replica died.
CREATE INDEX install_attempts_open ON install_attempts (started_at) WHERE state = 'exchanging';

CREATE TABLE callback_tokens (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  jti text NOT NULL,                             -- unique per token and app; the store is signed with it
  purpose text NOT NULL,                         -- of its first use: a load's token can never uninstall
  user_id bigint,                                -- whom a remove_user removes
  issued_at timestamptz NOT NULL,                -- BigCommerce's clock
  first_used_at timestamptz NOT NULL DEFAULT now(),
  uses bigint NOT NULL DEFAULT 1,                -- written by every repetition, as install_attempts.repeats is
  expires_at timestamptz NOT NULL,               -- an hour after the token's own end
  CONSTRAINT callback_tokens_pkey PRIMARY KEY (app_id, store_hash, jti),
  CONSTRAINT callback_tokens_purpose_known CHECK (purpose IN ('load', 'uninstall', 'remove_user'))
);
-- For: whether an uninstall or a user's removal is newer than what arrives now.
CREATE INDEX callback_tokens_endings ON callback_tokens (app_id, store_hash, purpose, issued_at)
  WHERE purpose <> 'load';
-- For: forgetting expired ones.
CREATE INDEX callback_tokens_by_expiry ON callback_tokens (expires_at);

CREATE TABLE tickets (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  ticket_sha256 bytea NOT NULL,
  user_id bigint,
  channel_id bigint,
  deep_link text,                                -- relative path from the payload's url
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  CONSTRAINT tickets_pkey PRIMARY KEY (app_id, store_hash, ticket_sha256),
  CONSTRAINT tickets_sha256_unique UNIQUE (ticket_sha256)
);
-- For: forgetting expired ones.
CREATE INDEX tickets_by_expiry ON tickets (expires_at);

CREATE TABLE lifecycle_events (
  app_id text NOT NULL,
  store_hash text NOT NULL,                      -- '' for an event of the app as a whole
  event_id bigint GENERATED ALWAYS AS IDENTITY,
  type text NOT NULL,                            -- app/installed, app/uninstalled, app/user_removed …
  data jsonb NOT NULL,                           -- identifiers only, no personal data
  occurred_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT lifecycle_events_pkey PRIMARY KEY (app_id, store_hash, event_id)
);

CREATE TABLE service_keys (
  key_id text NOT NULL,
  name text NOT NULL,
  secret_sha256 bytea NOT NULL,
  app_id text,                                   -- null: an operator's key for all apps
  stores text[],                                 -- hashes, and labels as 'label:vip'; null: all stores
  scopes text[] NOT NULL,                        -- {'*'}: all
  methods text[],                                -- null: all
  paths text[],                                  -- patterns of resource paths; null: all
  abilities text[] NOT NULL,
  rate bigint,                                   -- calls to stores per minute and replica; null: any number
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL,                      -- key_id of its maker, or 'bootstrap'
  expires_at timestamptz,                        -- the grant's own end; a successor has the same
  overlap_ends_at timestamptz,                   -- since when a rotated key is no longer good
  revoked_at timestamptz,
  rotated_from text,
  last_used_at timestamptz,                      -- the minute of the last call; written a minute late, in batches
  change_number bigint NOT NULL,
  CONSTRAINT service_keys_pkey PRIMARY KEY (key_id),
  CONSTRAINT service_keys_rate_positive CHECK (rate > 0),
  CONSTRAINT service_keys_app_fkey FOREIGN KEY (app_id) REFERENCES apps (app_id)
);
-- Only what replicas cache takes a number: uses are noted without holding the counter's lock.
CREATE TRIGGER service_keys_take_change_number
  BEFORE INSERT OR UPDATE OF key_id, name, secret_sha256, app_id, stores, scopes, methods, paths, abilities, rate,
    created_at, created_by, expires_at, overlap_ends_at, revoked_at, rotated_from
  ON service_keys FOR EACH ROW EXECUTE FUNCTION take_change_number();
-- For: what changed since the last poll of the cache.
CREATE INDEX service_keys_by_change ON service_keys (change_number);

CREATE TABLE audit (
  audit_id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT now(),
  actor text NOT NULL,                           -- 'bigcommerce', 'latchkey', 'bootstrap' or a key_id
  action text NOT NULL,                          -- install, uninstall, key_create …
  app_id text,
  store_hash text,
  request_id text,
  details jsonb NOT NULL DEFAULT '{}',           -- identifiers only
  CONSTRAINT audit_pkey PRIMARY KEY (audit_id)
);
-- For: the history of one store.
CREATE INDEX audit_by_store ON audit (app_id, store_hash, audit_id);

-- One sealed constant per key of the keyring: tells a wrong key from a right one before anything is opened with it.
CREATE TABLE keyring_canaries (
  key_id text NOT NULL,
  sealed bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT keyring_canaries_pkey PRIMARY KEY (key_id)
);
