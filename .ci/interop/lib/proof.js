// DPoP proofs (RFC 9449 section 4.2) with anything changed.
import { createHash, randomUUID } from 'node:crypto';
import * as jose from 'jose';

export const now = () => Math.floor(Date.now() / 1000);
export const ath = (token) => createHash('sha256').update(token).digest('base64url');

export async function proofKey(alg = 'ES256') {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = await jose.exportJWK(publicKey);
  return { alg, privateKey, publicKey, jwk, jkt: await jose.calculateJwkThumbprint(jwk) };
}

// prove makes the proof for a GET or for the method named. claims and header replace single members; undefined
// takes one away.
export function prove(key, url, token, { method = 'GET', claims = {}, header = {}, signWith } = {}) {
  return new jose.SignJWT({
    jti: randomUUID(), htm: method, htu: url, iat: now(), ath: ath(token), ...claims,
  }).setProtectedHeader({ alg: key.alg, typ: 'dpop+jwt', jwk: key.jwk, ...header }).sign(signWith ?? key.privateKey);
}
