// What every Node peer does before it passes a call on: looks the caller's key up by digest, then the store and its
// token. What it answers is the token, or null.
const { createHash } = require('node:crypto');

const digest = (text) => createHash('sha256').update(text).digest('base64');

module.exports = ([port, upstream, key, store, token]) => {
  const callers = new Map([[digest(key), { stores: new Set([store]) }]]);
  const tokens = new Map([[store, token]]);
  return {
    port: Number(port),
    upstream: new URL(upstream),
    tokenFor(request) {
      const bearer = request.headers.authorization || '';
      const caller = callers.get(digest(bearer.slice('Bearer '.length)));
      const hash = request.url.split('/', 3)[2];
      return caller && caller.stores.has(hash) ? tokens.get(hash) || null : null;
    },
  };
};
