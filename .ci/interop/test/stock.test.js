// Stock clients with tokens from a stock authorization server are served.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import * as DPoP from 'dpop';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import * as oauth from 'oauth4webapi';
import { call } from '../lib/call.js';
import { authorize, payment } from '../lib/client.js';
import { audited, ok, refused } from '../lib/expect.js';
import { startWorld } from '../lib/world.js';

// walk visits every route as a stock client does.
async function walk(client) {
  const list = await client.request('GET', '/accounts');
  assert.equal(list.status, 200);
  const [, id] = /"id"\s*:\s*"([^"]+)"/.exec(await list.text());
  for (const path of [`/accounts/${id}`, `/accounts/${id}/transactions`, '/accounts?page=2']) {
    const answer = await client.request('GET', path);
    assert.equal(answer.status, 200, path);
    await answer.text();
  }
  const missing = await client.request('GET', '/accounts/no-such-account');
  assert.equal(missing.status, 404);
  assert.match(missing.headers.get('content-type'), /^application\/problem\+json/);
  await missing.text();
  const paid = await client.request('POST', '/payments', {
    headers: { 'content-type': 'application/json' }, body: payment(id),
  });
  assert.equal(paid.status, 201, await paid.clone().text());
  await paid.text();
  const sent = '{"b":1,  "a":"\u00e9"}\n';
  const echo = await client.request('POST', '/echo', { headers: { 'content-type': 'text/x-own' }, body: sent });
  assert.equal(echo.status, 200);
  assert.equal(echo.headers.get('content-type'), 'text/x-own');
  assert.equal(await echo.text(), sent);
}

for (const [name, flags] of Object.entries({ 'no nonce': [], 'nonces required': ['-require-nonce'] })) {
  describe(`stock clients, ${name}`, () => {
    let world;
    before(async () => { world = await startWorld(...flags); });
    after(async () => { await world?.stop(); });

    for (const [tokenAlg, proofAlg] of [['ES256', 'ES256'], ['PS256', 'PS256'], ['EdDSA', 'Ed25519'], ['Ed25519', 'ES256']]) {
      for (const allowH2 of [false, true]) {
        it(`DPoP: token ${tokenAlg}, proof ${proofAlg}, HTTP/${allowH2 ? 2 : 1.1}`, async () => {
          const client = await authorize(world, `dpop-${tokenAlg}`, { proofAlg, allowH2 });
          assert.equal(client.tokenType, 'dpop');
          assert.equal(decodeProtectedHeader(client.token).alg, tokenAlg);
          assert.ok(decodeJwt(client.token).cnf.jkt);
          await walk(client);
          assert.equal(client.nonces - client.noncesOfAS, flags.length, 'one request was asked for a nonce, if any');
          await client.close();
        });
      }
    }

    for (const tokenAlg of ['ES256', 'PS256', 'EdDSA', 'Ed25519']) {
      it(`certificate-bound: token ${tokenAlg}, tls_client_auth`, async () => {
        const identity = world.pki.alice;
        const client = await authorize(world, `mtls-${tokenAlg}`, { identity, auth: oauth.TlsClientAuth() });
        assert.equal(client.tokenType, 'bearer');
        assert.equal(decodeJwt(client.token).cnf['x5t#S256'], identity.thumbprint);
        await walk(client);
        assert.equal(client.nonces, 0, 'a certificate-bound call needs no nonce');
        await client.close();
      });
    }

    it('certificate-bound: self_signed_tls_client_auth', async () => {
      const identity = world.pki.selfSigned;
      const client = await authorize(world, 'mtls-self-signed', { identity, auth: oauth.TlsClientAuth() });
      assert.equal(decodeJwt(client.token).cnf['x5t#S256'], identity.thumbprint);
      await walk(client);
      await client.close();
    });

    it('certificate-bound: private_key_jwt, HTTP/2', async () => {
      const client = await authorize(world, 'mtls-private-key-jwt', { identity: world.pki.alice, allowH2: true });
      await walk(client);
      await client.close();
    });

    it('the dpop package', async () => {
      const { bank } = world;
      const client = await authorize(world, 'dpop-ES256', { proofAlg: 'ES256' });
      const url = `${bank.origin}/accounts`;
      let nonce;
      const send = async () => call(bank, {
        headers: [['Authorization', `DPoP ${client.token}`],
          ['DPoP', await DPoP.generateProof(client.keyPair, url, 'GET', nonce, client.token)]],
      });
      if (flags.length > 0) {
        const first = await send();
        refused(first, { scheme: 'DPoP', error: 'use_dpop_nonce' });
        nonce = first.headers['dpop-nonce'];
        assert.match(nonce, /^[\x21\x23-\x5b\x5d-\x7e]+$/);
      }
      ok(await send());
      ok(await send()); // a nonce serves again, with a new jti
      await client.close();
    });

    it('a client without the scope', async () => {
      const client = await authorize(world, 'dpop-readonly', { proofAlg: 'ES256', scope: 'accounts' });
      assert.equal((await client.request('GET', '/accounts')).status, 200);
      await assert.rejects(
        client.request('POST', '/payments', { headers: { 'content-type': 'application/json' }, body: '{}' }),
        (error) => {
          assert.equal(error.status, 403);
          const { parameters } = error.cause.find(({ scheme }) => scheme === 'dpop');
          assert.equal(parameters.error, 'insufficient_scope');
          assert.equal(parameters.scope, 'payments');
          return true;
        },
      );
      await client.close();
    });

    it('the audit file', async () => {
      const records = await audited(world.bank);
      assert.ok(records.size > 50, `${records.size} records`);
    });
  });
}
