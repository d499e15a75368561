// What the bank's answers and its audit file have to look like, whatever the request was.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { challenges } from './challenge.js';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function everyAnswer(answer) {
  assert.match(answer.interactionID ?? '', uuid, 'x-fapi-interaction-id is on every response');
  if (uuid.test(answer.asked ?? '')) assert.equal(answer.interactionID, answer.asked, 'a UUID is echoed');
  else assert.notEqual(answer.interactionID, answer.asked);
  assert.ok(Math.abs(Date.now() - Date.parse(answer.headers.date)) < 300_000, 'Date is there and right');
  assert.ok(answer.lines('dpop-nonce').length <= 1, 'at most one DPoP-Nonce (RFC 9449 section 8)');
}

export function ok(answer, status = 200) {
  everyAnswer(answer);
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['www-authenticate'], undefined, 'no challenge on success');
  return answer;
}

// problem expects an RFC 9457 body that gives nothing away.
export function problem(answer, status) {
  everyAnswer(answer);
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json(;|$)/);
  assert.ok(Buffer.byteLength(answer.text) < 2048, 'a problem is under 2 KiB');
  const body = JSON.parse(answer.text);
  assert.equal(body.status, status);
  assert.ok(typeof body.title === 'string' && body.title !== '', 'a problem has a title');
  assert.match(answer.headers['cache-control'] ?? '', /no-store/);
  return body;
}

// refused expects a problem with a challenge: the error in the scheme named, and in no other one. A malformed header
// may be answered in all schemes (RFC 9449 section 7.2).
//   want: { status, scheme, error, ...other parameters }; without error, two challenges without one
export function refused(answer, { status = 401, scheme, error, ...parameters }) {
  problem(answer, status);
  const found = challenges(answer.lines('www-authenticate'));
  for (const [name, values] of found) {
    const mine = scheme === undefined || [scheme].flat().includes(name) || (status === 400 && values.error);
    assert.equal(values.error, mine ? error : undefined, `error in ${name}: ${answer.lines('www-authenticate')}`);
  }
  for (const name of scheme ? [scheme].flat() : ['Bearer', 'DPoP']) {
    assert.ok(found.has(name), `a challenge of the scheme ${name}`);
    for (const [key, value] of Object.entries(parameters)) assert.equal(found.get(name)[key], value);
  }
  if (found.has('DPoP')) {
    assert.deepEqual(found.get('DPoP').algs?.split(' ').sort(), ['ES256', 'Ed25519', 'EdDSA', 'PS256']);
  }
  return found;
}

// audited expects one line for every request that was sent to the bank, and nothing secret in any. It gives the
// records by interaction id.
export async function audited(bank) {
  let lines = [];
  for (let i = 0; i < 100; i += 1) { // a line may follow its response
    lines = bank.audit().split('\n');
    if (lines.length > bank.answers.size) break;
    await sleep(20);
  }
  assert.equal(lines.pop(), '', 'the last line is whole');
  const records = new Map();
  for (const line of lines) {
    const record = JSON.parse(line);
    assert.ok(!records.has(record.interaction_id), `two records of one request: ${line}`);
    assert.equal(line.split(record.interaction_id).length, 2, `the interaction id stands once in: ${line}`);
    assert.match(record.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
    assert.ok(Math.abs(Date.now() - Date.parse(record.time)) < 300_000, `time: ${line}`);
    const status = bank.answers.get(record.interaction_id);
    assert.ok(status, `a record of no request: ${line}`);
    assert.equal(record.decision, status < 400 ? 'allow' : 'deny', line);
    if (record.decision === 'deny') assert.ok(typeof record.reason === 'string' && record.reason !== '', line);
    records.set(record.interaction_id, record);
  }
  assert.equal(records.size, bank.answers.size, 'one record for every request');
  for (const text of [bank.audit(), bank.output]) {
    for (const secret of bank.secrets) {
      assert.ok(!text.includes(secret), 'a token or a proof was written');
      for (const part of secret.split('.')) {
        assert.ok(part.length < 40 || !text.includes(part), 'a part of a token or of a proof was written');
      }
    }
    assert.ok(!/access_token|in-the-query/.test(text), 'a query string was written');
  }
  return records;
}
