-- Subscriptions: endpoints of internal services that events are pushed to.
--
-- Fan-out walks the feed once for each subscription and writes one delivery per event that it wants; from then on a
-- delivery has its own attempts, and no other waits for it. docs/push.md draws its states.

CREATE TABLE subscriptions (
  subscription_id text NOT NULL,
  app_id text,                                   -- null: events of all apps
  stores text[],                                 -- hashes and label:…; null: all stores, and events of the app as a whole
  types text[] NOT NULL,                         -- types, and patterns that end in /*; empty: all
  name text NOT NULL,
  url text NOT NULL,
  concurrency integer NOT NULL,                  -- attempts at a time, over all replicas
  state text NOT NULL DEFAULT 'active',
  state_changed_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL,                      -- the ID of a service key; the subscription outlives it
  created_at timestamptz NOT NULL DEFAULT now(),
  fanned_out_position bigint NOT NULL,           -- everything of the feed up to here has its deliveries
  failures bigint NOT NULL DEFAULT 0,            -- attempts that failed since the last that did not
  failing_since timestamptz,                     -- the first of them
  last_failed_at timestamptz,
  last_succeeded_at timestamptz,
  paused_until timestamptz,                      -- no attempt before: it fails, or asked for it
  claim_id text,                                 -- of the statement that is taking deliveries
  claimed_at timestamptz NOT NULL DEFAULT '-infinity',
  CONSTRAINT subscriptions_pkey PRIMARY KEY (subscription_id),
  CONSTRAINT subscriptions_app_fkey FOREIGN KEY (app_id) REFERENCES apps (app_id),
  CONSTRAINT subscriptions_state_known CHECK (state IN ('active', 'disabled', 'gone')),
  CONSTRAINT subscriptions_concurrency_range CHECK (concurrency BETWEEN 1 AND 64)
);

CREATE SEQUENCE subscription_secret_numbers AS bigint;

-- The newest signs first; older ones sign beside it until they end.
CREATE TABLE subscription_secrets (
  subscription_id text NOT NULL,
  secret_number bigint NOT NULL,                 -- unique over all subscriptions: part of what the ciphertext is bound to
  sealed_secret bytea NOT NULL,
  secret_key_id text NOT NULL,                   -- which key of the keyring sealed it
  created_at timestamptz NOT NULL DEFAULT now(),
  ends_at timestamptz,
  CONSTRAINT subscription_secrets_pkey PRIMARY KEY (subscription_id, secret_number),
  CONSTRAINT subscription_secrets_subscription_fkey FOREIGN KEY (subscription_id)
    REFERENCES subscriptions (subscription_id) ON DELETE CASCADE
);
-- For: vault rewrap and the check at start that no key in use is missing.
CREATE INDEX subscription_secrets_by_key ON subscription_secrets (secret_key_id);

CREATE SEQUENCE push_numbers AS bigint;

-- One event on its way to one subscription. It holds the event itself: a dead letter may outlive the event's day.
CREATE TABLE push_deliveries (
  app_id text NOT NULL,
  store_hash text NOT NULL,
  subscription_id text NOT NULL,
  push_number bigint NOT NULL DEFAULT nextval('push_numbers'),
  position bigint NOT NULL,
  event_id text NOT NULL,
  type text NOT NULL,
  origin text NOT NULL,
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  data json NOT NULL,
  state text NOT NULL DEFAULT 'pending',         -- pending → delivered | dead; both → pending by a replay
  attempts bigint NOT NULL DEFAULT 0,            -- since it was made or last replayed
  due_at timestamptz NOT NULL DEFAULT now(),     -- while an attempt is under way: when its lease ends
  lease_id text,                                 -- of the attempt that is under way
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  log jsonb NOT NULL DEFAULT '[]',               -- the last 20 attempts, the oldest first
  -- Not led by the tenant: a subscription gets events of several stores.
  CONSTRAINT push_deliveries_pkey PRIMARY KEY (subscription_id, push_number),
  CONSTRAINT push_deliveries_once UNIQUE (subscription_id, event_id),
  CONSTRAINT push_deliveries_subscription_fkey FOREIGN KEY (subscription_id)
    REFERENCES subscriptions (subscription_id) ON DELETE CASCADE,
  CONSTRAINT push_deliveries_state_known CHECK (state IN ('pending', 'delivered', 'dead')),
  CONSTRAINT push_deliveries_finished CHECK ((state = 'pending') = (finished_at IS NULL))
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
-- For: what is due, subscription by subscription.
CREATE INDEX push_deliveries_due ON push_deliveries (subscription_id, due_at) WHERE state = 'pending';
-- For: how many attempts are under way.
CREATE INDEX push_deliveries_leased ON push_deliveries (subscription_id) WHERE lease_id IS NOT NULL;
-- For: dead letters, to be listed and replayed.
CREATE INDEX push_deliveries_dead ON push_deliveries (subscription_id, push_number) WHERE state = 'dead';
-- For: forgetting what was delivered.
CREATE INDEX push_deliveries_by_end ON push_deliveries (finished_at) WHERE state = 'delivered';
-- For: deleting a store's data.
CREATE INDEX push_deliveries_by_store ON push_deliveries (app_id, store_hash);
