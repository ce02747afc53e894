-- pgbench's side: the rows of one delivery as Deliveries.record writes them, in one statement and one COMMIT.
\set store random(1, :stores)
\set number random(1, 9000000000000000000)
WITH known AS (
  INSERT INTO delivery_keys (app_id, store_hash, key)
  VALUES ('default', 'store' || lpad(:store::text, 4, '0'), sha256(('id' || chr(58) || 'msg_' || :number::text)::bytea))
), queued AS (
  INSERT INTO pending_events (app_id, store_hash, event_id, type, origin, occurred_at, data)
  VALUES ('default', 'store' || lpad(:store::text, 4, '0'), 'evt_' || md5(:number::text), 'store/order/created', 'platform',
    date_trunc('second', now()), :data::text::json)
)
INSERT INTO deliveries (app_id, store_hash, received_at, scope, webhook_id, signature, event_id, request_id, body)
VALUES ('default', 'store' || lpad(:store::text, 4, '0'), now(), 'store/order/created', 'msg_' || :number::text, 'valid',
  'evt_' || md5(:number::text), '0123456789abcdef-' || :number::text, :body::text::bytea);
