// Express with http-proxy, as gateways in front of an API are commonly put together.
// Usage: NODE_PATH=/usr/share/nodejs node express-http-proxy.js PORT UPSTREAM SERVICE_KEY STORE TOKEN
const http = require('node:http');
const express = require('express');
const httpProxy = require('http-proxy');

const gate = require('./gate.js')(process.argv.slice(2));
const proxy = httpProxy.createProxyServer({
  target: gate.upstream.origin, changeOrigin: true, agent: new http.Agent({ keepAlive: true, maxSockets: 256 }) });
proxy.on('proxyReq', (call, request) => {
  call.setHeader('x-auth-token', request.token);
  call.removeHeader('authorization');
});
proxy.on('error', (error, request, response) => response.status(502).json({ status: 502 }));

express()
  .use((request, response, next) => {
    request.token = gate.tokenFor(request);
    return request.token ? next() : response.status(403).json({ status: 403 });
  })
  .use('/stores', (request, response) => {
    request.url = request.originalUrl;
    proxy.web(request, response);
  })
  .listen(gate.port, '127.0.0.1');
