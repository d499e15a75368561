// The bank follows the authorization server's keys: new ones, removed ones, and none for a while.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { reserveOrigin, startBank } from '../lib/bank.js';
import { call } from '../lib/call.js';
import { audited, ok, problem, refused } from '../lib/expect.js';
import { startWorld } from '../lib/world.js';

const flags = ['-jwks-ttl', '1s', '-jwks-min-refresh', '1s'];
const lifetime = 1000;

let world;
before(async () => { world = await startWorld(...flags); });
after(async () => { await world?.stop(); });

const signed = (changes, options) => world.as.sign(
  world.claims({ cnf: { 'x5t#S256': world.pki.alice.thumbprint }, ...changes }), options,
);
const present = (token, bank = world.bank) => call(bank, {
  headers: [['Authorization', `Bearer ${token}`]], identity: world.pki.alice,
});

// eventually repeats a call until it has the status: keys are fetched again after a second.
async function eventually(status, token, bank) {
  const began = Date.now();
  for (;;) {
    const answer = await present(token, bank);
    if (answer.status === status) return answer;
    assert.ok(Date.now() - began < 5 * lifetime, `still ${answer.status} after ${Date.now() - began} ms: ${answer.text}`);
    await sleep(100);
  }
}

describe('keys of the authorization server', () => {
  it('a new key is found, the old one still verifies', async () => {
    const old = await signed();
    ok(await present(old));
    await world.as.rotate(2, { keepOld: true });
    for (const alg of ['ES256', 'PS256', 'Ed25519']) ok(await eventually(200, await signed({}, { alg })));
    ok(await present(old));
  });

  it('a removed key is refused, also for a token that was good before', async () => {
    const old = await signed();
    ok(await present(old));
    await world.as.rotate(3, { keepOld: false });
    refused(await eventually(401, old), { scheme: 'Bearer', error: 'invalid_token' });
    ok(await eventually(200, await signed()));
  });

  for (const mode of ['error', 'empty', 'not a key set', 'cut', 'hang']) {
    it(`the keys continue while the endpoint fails: ${mode}`, async () => {
      const token = await signed();
      ok(await eventually(200, token));
      const before = world.as.fetches;
      world.as.failing(mode);
      try {
        const until = Date.now() + 2 * lifetime;
        while (Date.now() < until || world.as.fetches === before) {
          ok(await present(token)); // verified before
          ok(await present(await signed())); // and never seen
          assert.ok(Date.now() < until + 5 * lifetime, 'no fetch after the keys went stale');
          await sleep(150);
        }
      } finally {
        world.as.failing('ok');
      }
      ok(await present(await signed()));
    });
  }

  it('unknown kids do not flood the endpoint', async () => {
    const [before, began] = [world.as.fetches, Date.now()];
    for (let i = 0; i < 40; i += 1) {
      refused(await present(await signed({}, { header: { kid: `nobody-${i}` } })), { scheme: 'Bearer', error: 'invalid_token' });
    }
    const allowed = 2 + (Date.now() - began) / lifetime;
    assert.ok(world.as.fetches - before <= allowed, `${world.as.fetches - before} fetches, ${allowed} allowed`);
  });

  it('a bank that starts before the keys can be had', async () => {
    world.as.failing('error');
    let bank;
    try {
      bank = await startBank(world.pki, world.as, await reserveOrigin(), ...flags);
      const token = await signed({ aud: bank.origin });
      const answer = await present(token, bank);
      problem(answer, 503);
      assert.match(answer.headers['retry-after'] ?? '', /^[1-9]\d*$/);
      world.as.failing('ok');
      ok(await eventually(200, token, bank));
      await audited(bank);
    } finally {
      world.as.failing('ok');
      await bank?.stop();
    }
  });

  it('the audit file', async () => { await audited(world.bank); });
});
