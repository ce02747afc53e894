// Plain Node: what a careful hand-written gateway on Node's own `http` does per call.
// Usage: node node-http.js PORT UPSTREAM SERVICE_KEY STORE TOKEN
const http = require('node:http');
const https = require('node:https');

const gate = require('./gate.js')(process.argv.slice(2));
const secure = gate.upstream.protocol === 'https:';
const { request: send, Agent } = secure ? https : http;
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
const dropped = new Set(['host', 'authorization', 'connection', 'keep-alive', 'cookie', 'x-auth-token']);

function refuse(response, status) {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ status }));
}

http.createServer((request, response) => {
  const token = gate.tokenFor(request);
  if (!token) return refuse(response, 403);
  const headers = { host: gate.upstream.host, 'x-auth-token': token };
  for (const name in request.headers) if (!dropped.has(name)) headers[name] = request.headers[name];
  const { hostname, port } = gate.upstream;
  const call = send(
    { hostname, port, path: request.url, method: request.method, headers, agent },
    (answer) => { response.writeHead(answer.statusCode, answer.headers); answer.pipe(response); });
  call.on('error', () => refuse(response, 502));
  request.pipe(call);
}).listen(gate.port, '127.0.0.1');
