-- wrk's requests: deliveries as BigCommerce sends them, each with an ID, a timestamp and a signature of its own.
--
-- LATCHKEY_TARGETS names a file of lines "path secret store"; LATCHKEY_CLIENT_SECRET is what signs;
-- LATCHKEY_PAD is how many bytes each body's data have beside their own.
local ffi = require("ffi")
ffi.cdef [[
  const void *EVP_sha256(void);
  unsigned char *HMAC(const void *kind, const void *key, int key_len, const unsigned char *data, size_t len,
    unsigned char *out, unsigned int *out_len);
  int EVP_EncodeBlock(unsigned char *out, const unsigned char *data, int len);
]]
local crypto = ffi.load("libcrypto.so.3")
local sha256, code, length = crypto.EVP_sha256(), ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]")
local text = ffi.new("unsigned char[48]")
local key = os.getenv("LATCHKEY_CLIENT_SECRET")
local pad = string.rep("x", tonumber(os.getenv("LATCHKEY_PAD") or "0"))

local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local targets, sent, run = {}, 0, 0
function init()
  for line in io.lines(os.getenv("LATCHKEY_TARGETS")) do
    local path, secret, store = line:match("^(%S+) (%S+) (%S+)$")
    targets[#targets + 1] = { path = path, secret = secret, store = store }
  end
  run = os.getenv("LATCHKEY_RUN") .. number
end

function request()
  sent = sent + 1
  local target = targets[sent % #targets + 1]
  local id = string.format("msg_%s_%012d", run, sent)
  local now = os.time()
  local body = string.format(
    '{"scope":"store/order/created","store_id":"1000","producer":"stores/%s","hash":"%s%012d","created_at":%d,'
      .. '"data":{"type":"order","id":%d%s}}',
    target.store, run, sent, now, sent, #pad > 0 and ',"note":"' .. pad .. '"' or "")
  local signed = id .. "." .. now .. "." .. body
  crypto.HMAC(sha256, key, #key, signed, #signed, code, length)
  crypto.EVP_EncodeBlock(text, code, 32)
  return table.concat({
    "POST ", target.path, " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Latchkey-Webhook-Secret: ",
    target.secret, "\r\nwebhook-id: ", id, "\r\nwebhook-timestamp: ", now, "\r\nwebhook-signature: v1,",
    ffi.string(text, 44), "\r\nContent-Length: ", #body, "\r\n\r\n", body })
end
