// What is wrong in one respect is refused, with exactly the answer of the contract and a reason of its own.
import assert from 'node:assert/strict';
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import { call } from '../lib/call.js';
import { makeCaller } from '../lib/caller.js';
import { authorize } from '../lib/client.js';
import { audited, ok, problem, refused } from '../lib/expect.js';
import { ath, now, proofKey, prove } from '../lib/proof.js';
import { startWorld } from '../lib/world.js';

const invalidToken = (scheme) => ({ scheme, error: 'invalid_token' });
const invalidProof = { scheme: 'DPoP', error: 'invalid_dpop_proof' };
const base64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

let world;
let key; // the client's proof key
let token; // a good one, bound to it
let url; // of the accounts
let signed;
let send;
const causes = new Map(); // interaction id -> what was wrong

before(async () => {
  world = await startWorld();
  ({ key, token, url, signed, send } = await makeCaller(world));
});
after(async () => { await world?.stop(); });

// expects makes a test of a call: cause names what is wrong with it.
function expects(cause, want, make) {
  it(cause, async () => {
    const answer = await make();
    causes.set(answer.interactionID, cause);
    refused(answer, want);
  });
}

describe('no credentials', () => {
  expects('no credentials', {}, () => call(world.bank));
  expects('another scheme', {}, () => call(world.bank, { headers: [['Authorization', 'Basic dXNlcjpwYXNz']] }));
  expects('token in a cookie', {}, () => call(world.bank, { headers: [['Cookie', `access_token=${token}`]] }));
  it('token in the query', async () => {
    const answer = await call(world.bank, { path: `/accounts?access_token=in-the-query-${token}` });
    causes.set(answer.interactionID, 'token in the query');
    refused(answer, {});
  });
  it('token in the body', async () => {
    refused(await call(world.bank, {
      method: 'POST', path: '/echo', body: `access_token=${token}`,
      headers: [['Content-Type', 'application/x-www-form-urlencoded']],
    }), {});
  });
  it('unknown path', async () => { refused(await call(world.bank, { path: '/nowhere' }), {}); });
});

describe('envelope', () => {
  const both = (error) => ({ status: 400, scheme: ['Bearer', 'DPoP'], error });
  expects('two Authorization lines', both('invalid_request'), () => send({ headers: [['Authorization', `Bearer ${token}`]] }));
  expects('two equal Authorization lines', both('invalid_request'), () => send({ headers: [['Authorization', `DPoP ${token}`]] }));
  for (const [name, value] of Object.entries({
    'scheme alone': 'Bearer', 'two words': 'Bearer a b', quotes: 'Bearer "a"', comma: 'Bearer a,b', percent: 'Bearer a%20b',
  })) {
    it(`malformed: ${name}`, async () => {
      refused(await call(world.bank, { headers: [['Authorization', value]] }), { status: 400, scheme: 'Bearer', error: 'invalid_request' });
    });
  }
  expects('not a JWT', invalidToken('DPoP'), () => send({ token: 'not.a.jwt' }));
  expects('token as Bearer that is not a JWT', invalidToken('Bearer'), () => send({ scheme: 'Bearer', token: 'abc', proof: null }));
  it('token longer than is served', async () => {
    const answer = await send({ token: `${token}${'A'.repeat(24_000)}` });
    if (answer.status === 431) problem(answer, 431);
    else refused(answer, invalidToken('DPoP'));
  });
});

describe('tokens', () => {
  const bad = (cause, changes, options) => expects(cause, invalidToken('DPoP'), async () => send({ token: await signed(changes, options) }));
  bad('expired', { iat: now() - 600, exp: now() - 120 });
  bad('not valid yet', { nbf: now() + 120 });
  bad('no exp', { exp: undefined });
  bad('exp a string', { exp: String(now() + 300) });
  bad('wrong audience', { aud: 'https://other.example' });
  bad('no audience', { aud: undefined });
  bad('wrong issuer', { iss: 'https://127.0.0.1:1' });
  bad('no kid', {}, { header: { kid: undefined } });
  bad('unknown kid', {}, { header: { kid: 'nobody' } });
  bad('typ JWT', {}, { header: { typ: 'JWT' } });
  bad('no typ', {}, { header: { typ: undefined } });
  bad('unbound', { cnf: undefined });
  bad('cnf a string', { cnf: 'jkt' });
  bad('jkt too short', { cnf: { jkt: 'abc' } });
  bad('scope an array', { scope: ['accounts'] });
  expects('RS256', invalidToken('DPoP'), async () => {
    const { private: jwk } = world.as.keys.PS256;
    const rs256 = await jose.importJWK({ ...jwk, alg: 'RS256' }, 'RS256');
    return send({ token: await signed({}, { alg: 'RS256', key: rs256, header: { kid: jwk.kid } }) });
  });
  for (const alg of ['none', 'NONE']) {
    expects(`alg ${alg}`, invalidToken('DPoP'), async () => {
      const [, payload] = (await signed()).split('.');
      return send({ token: `${base64({ alg, typ: 'at+jwt', kid: 'ec-1' })}.${payload}.` });
    });
  }
  expects('HS256 with the public key', invalidToken('DPoP'), async () => {
    const spki = await jose.exportSPKI(world.as.keys.PS256.publicKey);
    const input = `${base64({ alg: 'HS256', typ: 'at+jwt', kid: 'rsa-1' })}.${(await signed()).split('.')[1]}`;
    return send({ token: `${input}.${createHmac('sha256', spki).update(input).digest('base64url')}` });
  });
  expects('signature of a stranger', invalidToken('DPoP'), async () => send({ token: await signed({}, { key: (await proofKey()).privateKey }) }));
  expects('alg of another key', invalidToken('DPoP'), async () => send({ token: await signed({}, { alg: 'PS256', header: { kid: 'ec-1' } }) }));
  expects('payload changed', invalidToken('DPoP'), async () => {
    const [header, , signature] = token.split('.');
    return send({ token: `${header}.${base64(world.claims({ cnf: { jkt: key.jkt }, scope: 'everything' }))}.${signature}` });
  });
  expects('key in the header', invalidToken('DPoP'), async () => {
    const own = await proofKey();
    return send({ token: await signed({}, { key: own.privateKey, header: { jwk: own.jwk, kid: undefined } }) });
  });
  expects('crit', invalidToken('DPoP'), async () => {
    const input = `${base64({ alg: 'ES256', typ: 'at+jwt', kid: 'ec-1', crit: ['exp'], exp: 1 })}.${token.split('.')[1]}`;
    const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, world.as.keys.ES256.privateKey, Buffer.from(input));
    return send({ token: `${input}.${Buffer.from(signature).toString('base64url')}` });
  });
});

describe('proofs', () => {
  const bad = (cause, changes, want = invalidProof) => expects(cause, want, () => send({
    prove: typeof changes === 'function' ? changes() : changes,
  }));
  expects('no proof', invalidProof, () => send({ proof: null }));
  bad('htm of another method', { claims: { htm: 'POST' } });
  bad('htm in lower case', { claims: { htm: 'get' } });
  bad('htu of another path', () => ({ claims: { htu: `${world.bank.origin}/payments` } }));
  bad('htu of another host', { claims: { htu: 'https://other.example/accounts' } });
  bad('htu of another scheme', () => ({ claims: { htu: `${world.bank.origin.replace('https', 'http')}/accounts` } }));
  bad('ath of another token', { claims: { ath: ath('another token') } });
  bad('no ath', { claims: { ath: undefined } });
  bad('no jti', { claims: { jti: undefined } });
  bad('jti too long', { claims: { jti: 'x'.repeat(10_240) } });
  bad('proof too old', () => ({ claims: { iat: now() - 3600 } }));
  bad('proof of the future', () => ({ claims: { iat: now() + 120 } }));
  bad('iat a string', () => ({ claims: { iat: String(now()) } }));
  bad('typ of a proof', { header: { typ: 'JWT' } });
  bad('no jwk', { header: { jwk: undefined } });
  bad('private key inside', () => ({ header: { jwk: { ...key.jwk, d: randomBytes(32).toString('base64url') } } }));
  expects('proof signed by another key', invalidProof, async () => send({ prove: { signWith: (await proofKey()).privateKey } }));
  expects('proof with RS256', invalidProof, async () => {
    const other = await proofKey('RS256');
    return send({ proof: await prove(other, url, token) });
  });
  expects('proof with alg none', invalidProof, async () => {
    const [, payload] = (await prove(key, url, token)).split('.');
    return send({ proof: `${base64({ alg: 'none', typ: 'dpop+jwt', jwk: key.jwk })}.${payload}.` });
  });
  expects('proof by another key', invalidToken('DPoP'), async () => {
    const other = await proofKey();
    return send({ proof: await prove(other, url, token) });
  });
  expects('two proofs in two lines', invalidProof, async () => send({
    headers: [['DPoP', await prove(key, url, token)]],
  }));
  expects('two proofs in one line', invalidProof, async () => {
    const [a, b] = [await prove(key, url, token), await prove(key, url, token)];
    return send({ proof: `${a}, ${b}` });
  });
  expects('proof that is no JWT', invalidProof, () => send({ proof: 'no-jwt' }));
  expects('empty proof', invalidProof, () => send({ proof: '' }));
  it('replayed', async () => {
    const proof = await prove(key, url, token);
    ok(await send({ proof }));
    const again = await send({ proof });
    causes.set(again.interactionID, 'replayed');
    refused(again, invalidProof);
  });
  it('replayed jti on another URL', async () => {
    const jti = randomUUID();
    ok(await send({ prove: { claims: { jti } } }));
    refused(await send({ prove: { claims: { jti } }, method: 'POST', path: '/echo', body: 'x' }), invalidProof);
  });
  it('the same proof ten times at once', async () => {
    const proof = await prove(key, url, token);
    const answers = await Promise.all(Array.from({ length: 10 }, () => send({ proof })));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const answer of answers) if (answer.status !== 200) refused(answer, invalidProof);
  });
  it('a refused proof does not use its jti up', async () => {
    const jti = randomUUID();
    refused(await send({ prove: { claims: { jti }, signWith: (await proofKey()).privateKey } }), invalidProof);
    ok(await send({ prove: { claims: { jti } } }));
  });
});

describe('bindings', () => {
  const bound = (thumbprint) => signed({ cnf: { 'x5t#S256': thumbprint } });
  const bearer = async (cnf, identity) => send({ token: await signed({ cnf }), scheme: 'Bearer', proof: null, identity });
  it('a token stolen from a stock client', async () => {
    const client = await authorize(world, 'mtls-ES256', { identity: world.pki.alice, auth: oauth.TlsClientAuth() });
    await client.close();
    const present = (identity) => send({ token: client.token, scheme: 'Bearer', proof: null, identity });
    ok(await present(world.pki.alice));
    for (const [cause, identity] of [['no certificate', undefined], ['another certificate', world.pki.mallory]]) {
      const answer = await present(identity);
      causes.set(answer.interactionID, cause);
      refused(answer, invalidToken('Bearer'));
    }
  });
  it('a DPoP-bound token as Bearer', async () => {
    const client = await authorize(world, 'dpop-ES256', { proofAlg: 'ES256' });
    await client.close();
    const answer = await send({ token: client.token, scheme: 'Bearer', proof: null });
    causes.set(answer.interactionID, 'downgrade');
    refused(answer, invalidToken('Bearer'));
    const withProof = await send({ scheme: 'Bearer' });
    assert.ok([400, 401].includes(withProof.status));
  });
  expects('certificate-bound with the scheme DPoP', invalidToken('DPoP'), async () => send({
    token: await bound(world.pki.alice.thumbprint), identity: world.pki.alice,
  }));
  expects('unbound as Bearer', invalidToken('Bearer'), () => bearer(undefined, world.pki.alice));
  expects('thumbprint in hex', invalidToken('Bearer'), () => bearer({
    'x5t#S256': world.pki.alice.x509.fingerprint256.replaceAll(':', '').toLowerCase(),
  }, world.pki.alice));
  expects('thumbprint padded', invalidToken('Bearer'), () => bearer({ 'x5t#S256': `${world.pki.alice.thumbprint}=` }, world.pki.alice));
  expects('SHA-1 thumbprint only', invalidToken('Bearer'), () => bearer({
    x5t: Buffer.from(world.pki.alice.x509.fingerprint.replaceAll(':', ''), 'hex').toString('base64url'),
  }, world.pki.alice));
  it('a certificate in a header is not believed', async () => {
    const header = `:${world.pki.alice.x5c}:`;
    const answer = await send({
      token: await bound(world.pki.alice.thumbprint), scheme: 'Bearer', proof: null,
      headers: [['Client-Cert', header], ['X-Forwarded-Client-Cert', `Hash=${world.pki.alice.thumbprint}`]],
    });
    refused(answer, invalidToken('Bearer'));
  });
  describe('both', () => {
    const both = () => signed({ cnf: { jkt: key.jkt, 'x5t#S256': world.pki.alice.thumbprint } });
    it('without the certificate', async () => { refused(await send({ token: await both() }), invalidToken('DPoP')); });
    it('with another certificate', async () => {
      refused(await send({ token: await both(), identity: world.pki.mallory }), invalidToken('DPoP'));
    });
    it('without the proof', async () => {
      refused(await send({ token: await both(), identity: world.pki.alice, proof: null }), invalidProof);
    });
    it('as Bearer', async () => {
      refused(await send({ token: await both(), identity: world.pki.alice, proof: null, scheme: 'Bearer' }), invalidToken('Bearer'));
    });
  });
});

describe('permissions', () => {
  expects('missing scope', { status: 403, scheme: 'DPoP', error: 'insufficient_scope', scope: 'payments' }, async () => send({
    method: 'POST', path: '/payments', headers: [['Content-Type', 'application/json']], body: '{}',
    token: await signed({ scope: 'accounts' }),
  }));
});

describe('afterwards', () => {
  it('one record for every request, and a reason for every cause', async () => {
    const records = await audited(world.bank);
    const byReason = new Map();
    for (const [id, cause] of causes) {
      const { reason } = records.get(id);
      byReason.set(reason, [...(byReason.get(reason) ?? []), cause]);
    }
    // These are told apart by their reasons; of the others, two may share one.
    const distinct = ['no credentials', 'two Authorization lines', 'expired', 'wrong audience', 'wrong issuer', 'unknown kid',
      'signature of a stranger', 'unbound', 'no certificate', 'another certificate', 'downgrade', 'no proof', 'htm of another method',
      'htu of another path', 'ath of another token', 'proof too old', 'proof signed by another key', 'proof by another key',
      'two proofs in two lines', 'replayed', 'missing scope'];
    for (const [reason, found] of byReason) {
      const shared = found.filter((cause) => distinct.includes(cause));
      assert.ok(shared.length <= 1, `one reason, ${reason}, for: ${shared.join('; ')}`);
    }
    for (const cause of distinct) assert.ok([...causes.values()].includes(cause), `no test for: ${cause}`);
  });
});
