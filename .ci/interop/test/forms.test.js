// The same authorization server issues opaque, encrypted and signed tokens, and stock clients use them.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import { call } from '../lib/call.js';
import { authorize, payment } from '../lib/client.js';
import { audited, ok, refused } from '../lib/expect.js';
import { proofKey, prove } from '../lib/proof.js';
import { startWorld } from '../lib/world.js';

function extensions({ pki, as }) {
  writeFileSync(pki.path('rs.json'), JSON.stringify(as.resource.private.signing));
  writeFileSync(pki.path('token-keys.json'), JSON.stringify({ keys: [as.resource.private.encryption] }));
  return ['-introspect', `${as.issuer}/token/introspection`, '-introspect-client', 'rs', '-introspect-key', pki.path('rs.json'),
    '-token-keys', pki.path('token-keys.json')];
}

for (const [name, flags] of Object.entries({ 'plain answers': [], 'signed answers': ['-introspect-signed'] })) {
  describe(`forms of tokens, ${name}`, () => {
    let world;
    before(async () => {
      // a server that has been told to sign answers in that form only does so when asked to
      world = await startWorld(extensions, ...flags);
    });
    after(async () => { await world?.stop(); });

    for (const form of ['opaque', 'encrypted', 'ES256']) {
      it(`${form}, bound to a DPoP key`, async () => {
        const client = await authorize(world, `dpop-${form}`, { proofAlg: 'ES256' });
        assert.equal(client.token.split('.').length, { opaque: 1, encrypted: 5, ES256: 3 }[form]);
        assert.equal((await client.request('GET', '/accounts')).status, 200);
        const paid = await client.request('POST', '/payments', { headers: { 'content-type': 'application/json' }, body: payment('acc-1001') });
        assert.equal(paid.status, 201);
        const { bank } = world;
        refused(await call(bank, { headers: [['Authorization', `Bearer ${client.token}`]] }), { scheme: 'Bearer', error: 'invalid_token' });
        const thief = await proofKey();
        refused(await call(bank, {
          headers: [['Authorization', `DPoP ${client.token}`], ['DPoP', await prove(thief, `${bank.origin}/accounts`, client.token)]],
        }), { scheme: 'DPoP', error: 'invalid_token' });
        await client.close();
      });

      it(`${form}, bound to a certificate`, async () => {
        const { bank, pki } = world;
        const client = await authorize(world, `mtls-${form}`, { identity: pki.alice, auth: oauth.TlsClientAuth() });
        assert.equal((await client.request('GET', '/accounts')).status, 200);
        const headers = [['Authorization', `Bearer ${client.token}`]];
        ok(await call(bank, { headers, identity: pki.alice }));
        refused(await call(bank, { headers }), { scheme: 'Bearer', error: 'invalid_token' });
        refused(await call(bank, { headers, identity: pki.selfSigned }), { scheme: 'Bearer', error: 'invalid_token' });
        await client.close();
      });
    }

    it('an opaque token that the server does not know', async () => {
      refused(await call(world.bank, { headers: [['Authorization', 'Bearer bm90LWEtdG9rZW4tYXQtYWxsLTEyMzQ1Njc4']] }), { scheme: 'Bearer', error: 'invalid_token' });
    });

    it('encrypted by anybody, signed by nobody', async () => {
      const { as, bank, claims, pki } = world;
      const encrypt = (text) => new jose.CompactEncrypt(new TextEncoder().encode(text))
        .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'rs-enc', cty: 'JWT' }).encrypt(as.resource.public.encryption);
      const bound = claims({ cnf: { 'x5t#S256': pki.alice.thumbprint } });
      const send = (token) => call(bank, { headers: [['Authorization', `Bearer ${token}`]], identity: pki.alice });
      ok(await send(await encrypt(await as.sign(bound))));
      refused(await send(await encrypt(JSON.stringify(bound))), { scheme: 'Bearer', error: 'invalid_token' });
      const { privateKey } = await jose.generateKeyPair('ES256');
      refused(await send(await encrypt(await as.sign(bound, { key: privateKey }))), { scheme: 'Bearer', error: 'invalid_token' });
      const good = await encrypt(await as.sign(bound));
      refused(await send(`${good.slice(0, -6)}AAAAAA`), { scheme: 'Bearer', error: 'invalid_token' });
    });

    it('the audit file', async () => { await audited(world.bank); });
  });
}
