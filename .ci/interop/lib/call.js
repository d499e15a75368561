// Requests to the bank: raw ones, whose header lines are sent exactly as given, and a fetch for stock clients.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import https from 'node:https';
import { Agent, fetch } from 'undici';

// call sends one request on a connection of its own.
//   headers: [name, value] pairs; lines may repeat
//   identity: the client certificate to show
//   secure: more options of tls.connect
export function call(bank, {
  method = 'GET', path = '/accounts', headers = [], body, identity, secure, interactionID = randomUUID(),
} = {}) {
  const lines = [['Host', new URL(bank.origin).host], ...headers];
  if (interactionID) lines.push(['x-fapi-interaction-id', interactionID]);
  if (body !== undefined) lines.push(['Content-Length', String(Buffer.byteLength(body))]);
  remember(bank, headers);
  return new Promise((resolve, reject) => {
    const request = https.request({
      host: '127.0.0.1', port: bank.port, method, path, headers: lines, agent: false,
      ca: bank.pki.ca.cert, cert: identity?.cert, key: identity?.key, timeout: 10_000, ...secure,
    }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const answer = {
          status: response.statusCode,
          headers: response.headers,
          lines: (name) => response.headersDistinct[name] ?? [],
          resumed: response.socket.isSessionReused(),
          text: Buffer.concat(chunks).toString('utf8'),
          interactionID: response.headers['x-fapi-interaction-id'],
          asked: interactionID,
        };
        bank.answers.set(answer.interactionID, answer.status);
        resolve(answer);
      });
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', reject);
    request.end(body);
  });
}

function remember(bank, headers) {
  for (const [name, value] of headers) {
    if (/^(authorization|dpop)$/i.test(name)) {
      for (const word of value.split(/[\s,]+/)) if (word.length > 20) bank.secrets.add(word);
    }
  }
}

// fetcher is a fetch that trusts our authority and may show a certificate. It keeps the books for the bank's origin.
export function fetcher(bank, { identity, allowH2 = false } = {}) {
  const dispatcher = new Agent({
    allowH2, connect: { ca: bank.pki.ca.cert, cert: identity?.cert, key: identity?.key },
  });
  const own = async (url, options) => {
    const toBank = new URL(url).origin === bank.origin;
    const asked = randomUUID();
    const headers = new Headers(options.headers);
    if (toBank) {
      headers.set('x-fapi-interaction-id', asked);
      remember(bank, [...headers]);
    }
    const response = await fetch(url, { ...options, headers: Object.fromEntries(headers), dispatcher });
    if (toBank) {
      assert.equal(response.headers.get('x-fapi-interaction-id'), asked, 'a UUID is echoed');
      bank.answers.set(asked, response.status);
    }
    return response;
  };
  own.close = () => dispatcher.close();
  return own;
}
