// oidc-provider: a certified OpenID provider; its clients get access tokens (RFC 9068) by client_credentials.
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';
import { serveCommands } from './commands.mjs';

const key = (kid, alg, kind, options) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }),
  kid, alg, use: 'sig',
});
const keys = [
  key('rsa-1', 'RS256', 'rsa', { modulusLength: 2048 }),
  key('ec-1', 'ES256', 'ec', { namedCurve: 'P-256' }),
  key('ed-1', 'EdDSA', 'ed25519', {}),
];
const client = (alg) => ({
  client_id: `robot-${alg}`,
  client_secret: 'a secret of the tests alone',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
});
const configuration = {
  jwks: { keys },
  clients: ['RS256', 'ES256', 'EdDSA'].map(client),
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource, { clientId }) => ({
        scope: 'use', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 600,
        jwt: { sign: { alg: clientId.replace('robot-', '') } },
      }),
    },
  },
  extraTokenClaims: () => ({ kind: 'machine', realm_access: { roles: ['robots', 'kms admins'] } }),
};

let url;

await serveCommands({
  async start() {
    // The provider must know its address before it listens, so a plain server takes the port.
    const { createServer } = await import('node:http');
    const server = createServer();
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    url = `http://127.0.0.1:${server.address().port}`;
    server.on('request', new Provider(url, configuration).callback());
    return url;
  },
  async token({ algorithm, audience }) {
    const answer = await fetch(`${url}/token`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${btoa(`robot-${algorithm}:${encodeURIComponent('a secret of the tests alone')}`)}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience, scope: 'use' }),
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(JSON.stringify(body));
    return body.access_token;
  },
});
