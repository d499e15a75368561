// A stock oauth4webapi client that gets a token and calls the bank.
import * as oauth from 'oauth4webapi';
import { fetcher } from './call.js';

// patient runs an attempt again when the server asked for a nonce, as oauth4webapi documents it. nonces counts.
async function patient(client, attempt) {
  try {
    return await attempt();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    client.nonces += 1;
    return attempt();
  }
}

// authorize gets a token for the client registered under this id.
//   proofAlg: bind it to a new DPoP key of this algorithm
//   identity: show this certificate, to both servers
export async function authorize({ as, bank }, clientID, {
  proofAlg, identity, auth = oauth.PrivateKeyJwt({ key: as.clientKey.privateKey, kid: 'client' }),
  scope = 'accounts payments', allowH2,
}) {
  const fetch = fetcher(bank, { identity, allowH2 });
  const issuer = new URL(as.issuer);
  const server = await oauth.processDiscoveryResponse(
    issuer, await oauth.discoveryRequest(issuer, { [oauth.customFetch]: fetch }),
  );
  const registered = { client_id: clientID };
  const keyPair = proofAlg ? await oauth.generateKeyPair(proofAlg, { extractable: true }) : undefined;
  const DPoP = keyPair ? oauth.DPoP(registered, keyPair) : undefined;
  const options = { [oauth.customFetch]: fetch, DPoP };
  const client = { nonces: 0, keyPair, close: fetch.close };
  const granted = await patient(client, async () => oauth.processClientCredentialsResponse(
    server, registered, await oauth.clientCredentialsGrantRequest(server, registered, auth,
      new URLSearchParams({ scope, resource: bank.origin }), options),
  ));
  client.tokenType = granted.token_type;
  client.token = granted.access_token;
  client.noncesOfAS = client.nonces;
  bank.secrets.add(client.token);
  client.request = (method, path, { headers = {}, body = null } = {}) => patient(client, () => oauth.protectedResourceRequest(
    client.token, method, new URL(path, bank.origin), new Headers(headers), body, options,
  ));
  return client;
}

export const payment = (account) => JSON.stringify({
  debtorAccount: account, creditorAccount: 'DE89370400440532013000', creditorName: 'Erika Mustermann',
  amount: '12.30', currency: 'EUR', reference: 'invoice 4711',
});
