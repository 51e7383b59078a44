// oauth2-mock-server: tokens that say anything, and keys that come and go.
import { OAuth2Server } from 'oauth2-mock-server';
import { serveCommands } from './commands.mjs';

const server = new OAuth2Server();
const { issuer } = server;
const published = issuer.keys.toJSON.bind(issuer.keys);
const removed = new Set();
let requests = 0;
issuer.keys.toJSON = (...given) => {
  requests += 1;
  return published(...given).filter((key) => !removed.has(key.kid));
};
let port = 0;

await serveCommands({
  async start() {
    await server.start(port, '127.0.0.1');
    port = server.address().port;
    issuer.url = `http://127.0.0.1:${port}`;
    return issuer.url;
  },
  stop: () => server.stop(),
  async generate({ algorithm, kid }) {
    await issuer.keys.generate(algorithm, { kid });
  },
  remove({ kid }) {
    removed.add(kid);
  },
  token({ kid, claims, header }) {
    const scopesOrTransform = (h, payload) => {
      Object.assign(h, header);
      Object.assign(payload, claims);
    };
    return issuer.buildToken({ kid, scopesOrTransform });
  },
  requests: () => requests,
});
