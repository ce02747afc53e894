// Express with axios, as BigCommerce's sample apps and integration platforms call a store's API: the body is parsed and
// written again in both directions.
// Usage: NODE_PATH=/usr/share/nodejs node express-axios.js PORT UPSTREAM SERVICE_KEY STORE TOKEN
const http = require('node:http');
const express = require('express');
const axios = require('axios');

const gate = require('./gate.js')(process.argv.slice(2));
const client = (axios.default || axios).create({
  baseURL: gate.upstream.origin, httpAgent: new http.Agent({ keepAlive: true, maxSockets: 256 }),
  validateStatus: () => true });

express()
  .use(express.json({ limit: '16mb' }))
  .use('/stores', async (request, response) => {
    const token = gate.tokenFor({ headers: request.headers, url: request.originalUrl });
    if (!token) return response.status(403).json({ status: 403 });
    try {
      const hasBody = Object.keys(request.body || {}).length > 0;
      const answer = await client.request({
        method: request.method, url: request.originalUrl, data: hasBody ? request.body : undefined,
        headers: { 'X-Auth-Token': token, Accept: 'application/json' } });
      return response.status(answer.status).json(answer.data);
    } catch {
      return response.status(502).json({ status: 502 });
    }
  })
  .listen(gate.port, '127.0.0.1');
