// The plain Node peer: what a careful hand-written gateway on Node's own `http` does per call.
// Usage: node node-proxy.js PORT UPSTREAM_PORT SERVICE_KEY STORE TOKEN
const http = require('node:http');
const { createHash } = require('node:crypto');

const [port, upstreamPort, key, store, token] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
const digest = (text) => createHash('sha256').update(text).digest('base64');
const callers = new Map([[digest(key), { stores: new Set([store]) }]]);
const tokens = new Map([[store, token]]);
const dropped = new Set(['host', 'authorization', 'connection', 'keep-alive', 'cookie', 'x-auth-token']);

function refuse(response, status) {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ status }));
}

http.createServer((request, response) => {
  const bearer = request.headers.authorization || '';
  const caller = callers.get(digest(bearer.slice('Bearer '.length)));
  if (!caller) return refuse(response, 401);
  const hash = request.url.split('/', 3)[2];
  if (!caller.stores.has(hash) || !tokens.has(hash)) return refuse(response, 403);
  const headers = { host: 'upstream', 'x-auth-token': tokens.get(hash) };
  for (const name in request.headers) if (!dropped.has(name)) headers[name] = request.headers[name];
  const call = http.request(
    { host: '127.0.0.1', port: upstreamPort, path: request.url, method: request.method, headers, agent },
    (answer) => { response.writeHead(answer.statusCode, answer.headers); answer.pipe(response); });
  call.on('error', () => refuse(response, 502));
  request.pipe(call);
}).listen(Number(port), '127.0.0.1');
