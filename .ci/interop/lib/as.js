// A stock oidc-provider over HTTPS on loopback. It issues JWT access tokens that are bound to a DPoP key or to a
// client certificate; the client's id says which algorithm signs them.
import { randomBytes } from 'node:crypto';
import https from 'node:https';
import * as jose from 'jose';
import Provider from 'oidc-provider';

const algorithms = ['ES256', 'PS256', 'EdDSA', 'Ed25519'];
const scope = 'accounts payments';

async function signingKey(kid, alg, options) {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true, ...options });
  return {
    private: { ...(await jose.exportJWK(privateKey)), kid, ...(alg === 'Ed25519' ? {} : { alg }), use: 'sig' },
    privateKey, publicKey,
  };
}

// keySet makes one key for each family; the key for EdDSA names no alg, so it serves Ed25519 too.
async function keySet(generation) {
  return {
    ES256: await signingKey(`ec-${generation}`, 'ES256'),
    PS256: await signingKey(`rsa-${generation}`, 'PS256', { modulusLength: 2048 }),
    EdDSA: await signingKey(`okp-${generation}`, 'Ed25519'),
  };
}

function registrations(pki, jwks, resourceServer) {
  const common = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope };
  const dpop = { ...common, dpop_bound_access_tokens: true, token_endpoint_auth_method: 'private_key_jwt', jwks };
  const bound = { ...common, tls_client_certificate_bound_access_tokens: true };
  return [
    ...algorithms.map((alg) => ({ ...dpop, client_id: `dpop-${alg}` })),
    { ...dpop, client_id: 'dpop-readonly', scope: 'accounts' },
    ...algorithms.map((alg) => ({
      ...bound, client_id: `mtls-${alg}`,
      token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: pki.alice.x509.subject,
    })),
    {
      ...bound, client_id: 'mtls-self-signed',
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: { keys: [{ ...pki.selfSigned.x509.publicKey.export({ format: 'jwk' }), x5c: [pki.selfSigned.x5c] }] },
    },
    { ...bound, client_id: 'mtls-private-key-jwt', token_endpoint_auth_method: 'private_key_jwt', jwks },
    ...['opaque', 'encrypted'].flatMap((form) => [
      { ...dpop, client_id: `dpop-${form}` },
      {
        ...bound, client_id: `mtls-${form}`,
        token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: pki.alice.x509.subject,
      },
    ]),
    // the resource server, which asks about opaque tokens and takes signed answers when it wants them
    {
      client_id: 'rs', grant_types: [], response_types: [], redirect_uris: [], token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [resourceServer.signing] },
    },
  ];
}

function configuration(pki, keys, audience, clients, resourceServer) {
  return {
    clients,
    jwks: { keys: keys.map((key) => key.private) },
    scopes: scope.split(' '),
    clientAuthMethods: ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'],
    clientDefaults: { id_token_signed_response_alg: 'PS256', introspection_signed_response_alg: 'ES256' },
    ttl: { ClientCredentials: 300 },
    enabledJWA: {
      clientAuthSigningAlgValues: ['ES256', 'PS256', 'Ed25519'],
      dPoPSigningAlgValues: ['ES256', 'PS256', 'Ed25519', 'EdDSA'],
      idTokenSigningAlgValues: ['ES256', 'PS256', 'Ed25519', 'EdDSA'],
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        selfSignedTlsClientAuth: true,
        getCertificate: (ctx) => ctx.req.socket.getPeerX509Certificate?.(),
        certificateAuthorized: (ctx) => ctx.req.socket.authorized,
        certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_subject_dn'
          && ctx.req.socket.getPeerX509Certificate().subject === expected,
      },
      introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId === 'rs' },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource, client) => {
          const form = client.clientId.split('-')[1];
          return {
            scope, audience: resource,
            accessTokenTTL: 300,
            accessTokenFormat: form === 'opaque' ? 'opaque' : 'jwt',
            jwt: {
              sign: { alg: form in byFamily ? form : 'ES256' },
              ...(form === 'encrypted' && { encrypt: { alg: 'RSA-OAEP-256', enc: 'A256GCM', key: resourceServer.encryption, kid: 'rs-enc' } }),
            },
          };
        },
      },
    },
  };
}

// resourceKeys are the resource server's own: one to authenticate with, one to be encrypted to.
async function resourceKeys() {
  const signing = await jose.generateKeyPair('ES256', { extractable: true });
  const encryption = await jose.generateKeyPair('RSA-OAEP-256', { extractable: true });
  const jwk = async (key, more) => ({ ...(await jose.exportJWK(key)), ...more });
  const names = [{ kid: 'rs-sig', alg: 'ES256', use: 'sig' }, { kid: 'rs-enc', alg: 'RSA-OAEP-256', use: 'enc' }];
  return {
    public: { signing: await jwk(signing.publicKey, names[0]), encryption: encryption.publicKey },
    private: { signing: await jwk(signing.privateKey, names[0]), encryption: await jwk(encryption.privateKey, names[1]) },
  };
}

const byFamily = Object.fromEntries(algorithms.map((alg) => [alg, alg === 'Ed25519' ? 'EdDSA' : alg]));

export async function startAS(pki, audience) {
  // What the clients authenticate with at the token endpoint.
  const clientKey = await jose.generateKeyPair('ES256', { extractable: true });
  const jwks = { keys: [{ ...(await jose.exportJWK(clientKey.publicKey)), kid: 'client', alg: 'ES256', use: 'sig' }] };
  const resource = await resourceKeys();
  const clients = registrations(pki, jwks, resource.public);
  let callback;
  // How the key set answers: as it should, or in one of the ways in which it can fail.
  let jwksMode = 'ok';
  let fetches = 0;
  const hanging = new Set();
  const failures = {
    error: (res) => { res.writeHead(500).end(); },
    empty: (res) => { res.writeHead(200, { 'content-type': 'application/json' }).end('{"keys":[]}'); },
    'not a key set': (res) => { res.writeHead(200, { 'content-type': 'text/html' }).end('<html>'); },
    cut: (res) => { res.socket.destroy(); },
    hang: (res) => { hanging.add(res); },
  };
  const server = https.createServer({
    key: pki.server.key, cert: pki.server.cert, ca: [pki.ca.cert], requestCert: true, rejectUnauthorized: false,
  }, (req, res) => {
    if (req.url === '/jwks') {
      fetches += 1;
      if (jwksMode !== 'ok') {
        failures[jwksMode](res);
        return;
      }
    }
    callback(req, res);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const issuer = `https://127.0.0.1:${server.address().port}`;

  const as = {
    issuer, clientKey, resource,
    jwksURI: `${issuer}/jwks`,
    keys: await keySet(1),
    get fetches() { return fetches; },
    failing(mode) {
      jwksMode = mode;
      for (const res of hanging) res.destroy();
      hanging.clear();
    },
    // rotate puts new keys into the set, in front of the old ones or in their place.
    async rotate(generation, { keepOld }) {
      const old = as.keys;
      as.keys = await keySet(generation);
      use([...Object.values(as.keys), ...(keepOld ? Object.values(old) : [])]);
    },
    // sign makes a token as the server would, with anything changed.
    async sign(claims, { alg = 'ES256', header = {}, key } = {}) {
      const own = as.keys[byFamily[alg]];
      return new jose.SignJWT(claims)
        .setProtectedHeader({ alg, typ: 'at+jwt', kid: own?.private.kid, ...header })
        .sign(key ?? own.privateKey);
    },
    stop() {
      as.failing('ok');
      server.closeAllConnections();
      return new Promise((resolve) => { server.close(resolve); });
    },
  };
  function use(keys) {
    callback = new Provider(issuer, configuration(pki, keys, audience, structuredClone(clients), resource.public)).callback();
  }
  use(Object.values(as.keys));
  return as;
}
