-- A request with a body, for wrk: BENCH_METHOD and BENCH_BODY (bytes).
wrk.method = os.getenv("BENCH_METHOD")
local size = tonumber(os.getenv("BENCH_BODY"))
if size > 0 then
  wrk.body = string.rep("x", size)
  wrk.headers["Content-Type"] = "application/octet-stream"
end
