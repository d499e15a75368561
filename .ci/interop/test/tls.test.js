// The listener, tried by OpenSSL through node: versions, suites, client certificates, resumption.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { call } from '../lib/call.js';
import { audited, ok, refused } from '../lib/expect.js';
import { startWorld } from '../lib/world.js';

let world;
before(async () => { world = await startWorld(); });
after(async () => { await world?.stop(); });

const bound = (identity) => world.as.sign(world.claims({ cnf: { 'x5t#S256': identity.thumbprint } }));
const present = async (token, options) => call(world.bank, { headers: [['Authorization', `Bearer ${token}`]], ...options });

describe('versions and suites', () => {
  for (const [version, ciphers] of [
    ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'], ['TLSv1.3', 'TLS_AES_256_GCM_SHA384'], ['TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256'],
    ['TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256'], ['TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    ['TLSv1.2', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ]) {
    it(`${version} ${ciphers}`, async () => {
      ok(await present(await bound(world.pki.alice), {
        identity: world.pki.alice, secure: { minVersion: version, maxVersion: version, ciphers },
      }));
    });
  }
  for (const [name, secure] of Object.entries({
    'TLS 1.0': { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' },
    'TLS 1.1': { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    CBC: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA' },
    CCM: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-CCM' },
    'RSA key exchange': { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256:AES256-GCM-SHA384' },
    DHE: { maxVersion: 'TLSv1.2', ciphers: 'DHE-RSA-AES128-GCM-SHA256' },
  })) {
    it(`${name} is refused`, async () => {
      await assert.rejects(call(world.bank, { secure }), /handshake failure|protocol version/i);
    });
  }
});

describe('client certificates', () => {
  for (const name of ['alice', 'selfSigned']) {
    it(`${name} is taken`, async () => {
      ok(await present(await bound(world.pki[name]), { identity: world.pki[name] }));
    });
  }
  for (const name of ['untrusted', 'unlisted', 'expired', 'notForClients']) {
    for (const version of ['TLSv1.2', 'TLSv1.3']) {
      it(`${name} fails the handshake, ${version}`, async () => {
        await assert.rejects(present(await bound(world.pki[name]), {
          identity: world.pki[name], secure: { minVersion: version, maxVersion: version },
        }), /alert|ECONNRESET|EPIPE/);
      });
    }
  }
});

describe('resumption', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    it(`keeps the certificate, ${version}`, async () => {
      const { alice, mallory, ca } = world.pki;
      const secure = { minVersion: version, maxVersion: version };
      const first = tls.connect({ host: '127.0.0.1', port: world.bank.port, ca: ca.cert, cert: alice.cert, key: alice.key, ...secure });
      const [session] = await once(first, 'session');
      first.destroy();
      // The session is alice's, whatever certificate would be shown now.
      const answer = ok(await present(await bound(alice), { identity: mallory, secure: { ...secure, session } }));
      assert.ok(answer.resumed, 'resumed');
      const swapped = await present(await bound(mallory), { identity: mallory, secure: { ...secure, session } });
      assert.ok(swapped.resumed, 'resumed');
      refused(swapped, { scheme: 'Bearer', error: 'invalid_token' });
    });
  }
});

describe('afterwards', () => {
  it('the audit file has no line for a handshake that failed', async () => { await audited(world.bank); });
});
