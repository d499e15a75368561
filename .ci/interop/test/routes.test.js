// What the standards allow is served, and each route answers by the contract.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { call } from '../lib/call.js';
import { makeCaller } from '../lib/caller.js';
import { payment } from '../lib/client.js';
import { audited, ok, problem, refused } from '../lib/expect.js';
import { now, proofKey, prove } from '../lib/proof.js';
import { startWorld } from '../lib/world.js';

let world;
let key; // the client's proof key
let url; // of the accounts
let signed;
let send;

before(async () => {
  world = await startWorld();
  ({ key, url, signed, send } = await makeCaller(world));
});
after(async () => { await world?.stop(); });

describe('good calls', () => {
  it('as made here', async () => { ok(await send()); });
  it('scheme names in any case', async () => { ok(await send({ scheme: 'dPoP' })); });
  it('audience in an array', async () => { ok(await send({ token: await signed({ aud: ['other', world.bank.origin] }) })); });
  it('typ application/at+jwt', async () => {
    ok(await send({ token: await signed({}, { header: { typ: 'application/at+jwt' } }) }));
  });
  for (const iat of [-10, 9]) {
    it(`proof iat ${iat} s`, async () => { ok(await send({ prove: { claims: { iat: now() + iat } } })); });
  }
  it('htu with a query, a request with another', async () => {
    ok(await send({ path: '/accounts?page=2', prove: { claims: { htu: `${world.bank.origin}/accounts?page=1#top` } } }));
  });
  it('htu in another spelling', async () => {
    ok(await send({ prove: { claims: { htu: `${world.bank.origin.replace('https', 'HTTPS')}/x/../%61ccounts` } } }));
  });
  it('members that nobody knows', async () => {
    ok(await send({ prove: { claims: { extra: 1 }, header: { extra: { a: [] } } }, token: await signed({ extra: null }) }));
  });
  it('an interaction id that is no UUID is replaced', async () => { ok(await send({ interactionID: 'no-uuid' })); });
  it('no interaction id', async () => { ok(await send({ interactionID: null })); });
  it('both bindings, both held', async () => {
    const both = await signed({ cnf: { jkt: key.jkt, 'x5t#S256': world.pki.alice.thumbprint } });
    ok(await send({ token: both, identity: world.pki.alice }));
  });
  for (const alg of ['PS256', 'Ed25519', 'EdDSA']) {
    it(`proof with ${alg}`, async () => {
      const other = await proofKey(alg);
      const bound = await signed({ cnf: { jkt: other.jkt } });
      ok(await send({ token: bound, proof: await prove(other, url, bound) }));
    });
  }
});

describe('permissions and routes', () => {
  const lacking = (scope) => ({ status: 403, scheme: 'DPoP', error: 'insufficient_scope', scope });
  const pay = { method: 'POST', path: '/payments', headers: [['Content-Type', 'application/json']], body: payment('x') };
  it('no scope at all', async () => { refused(await send({ token: await signed({ scope: undefined }) }), lacking('accounts')); });
  it('empty scope', async () => { refused(await send({ token: await signed({ scope: '' }) }), lacking('accounts')); });
  it('a scope that begins alike', async () => {
    refused(await send({ token: await signed({ scope: 'accounts-read accountsX' }) }), lacking('accounts'));
  });
  it('missing scope as Bearer', async () => {
    refused(await send({
      token: await signed({ scope: 'payments', cnf: { 'x5t#S256': world.pki.alice.thumbprint } }),
      scheme: 'Bearer', proof: null, identity: world.pki.alice,
    }), { ...lacking('accounts'), scheme: 'Bearer' });
  });
  it('no scope is needed for /echo', async () => {
    ok(await send({ method: 'POST', path: '/echo', body: '', token: await signed({ scope: undefined }) }));
  });
  it('unknown path', async () => { problem(await send({ path: '/nowhere' }), 404); });
  it('unknown account', async () => { problem(await send({ path: '/accounts/nobody' }), 404); });
  it('another method', async () => {
    const answer = await send({ method: 'DELETE' });
    problem(answer, 405);
    assert.match(answer.headers.allow ?? '', /\bGET\b/);
  });
  it('another media type', async () => { problem(await send({ ...pay, headers: [['Content-Type', 'text/plain']] }), 415); });
  it('a body that is no JSON', async () => { problem(await send({ ...pay, body: '{' }), 400); });
  it('the body is judged after the scope', async () => {
    refused(await send({ ...pay, body: '{', token: await signed({ scope: 'accounts' }) }), lacking('payments'));
  });
  it('nothing of the request is reflected', async () => {
    const mark = 'REFLECTED-3f1c';
    for (const answer of [
      await send({ path: `/${mark}` }),
      await send({ prove: { claims: { htu: `https://${mark}.example/`, htm: mark, jti: mark } } }),
      await send({ token: await signed({ aud: mark, iss: mark }) }),
      await call(world.bank, { headers: [['Authorization', `Bearer ${mark} ${mark}`]] }),
    ]) {
      assert.ok(answer.status >= 400);
      assert.ok(!answer.text.includes(mark) && !JSON.stringify(answer.headers).includes(mark), answer.text);
    }
  });
});

describe('afterwards', () => {
  it('the audit file', async () => { await audited(world.bank); });
});
