// One authorization server and one bank, and the certificates of all.
import { randomUUID } from 'node:crypto';
import { startAS } from './as.js';
import { reserveOrigin, startBank } from './bank.js';
import { makePKI } from './pki.js';
import { now } from './proof.js';

// startWorld starts both; a flag may be a function that makes flags of the world so far.
export async function startWorld(...flags) {
  const pki = makePKI();
  let as;
  try {
    const origin = await reserveOrigin();
    as = await startAS(pki, origin);
    const bank = await startBank(pki, as, origin, ...flags.flatMap((flag) => (typeof flag === 'function' ? flag({ pki, as }) : flag)));
    return {
      pki, as, bank,
      // claims are those of a good token; undefined takes one away.
      claims: (changes = {}) => ({
        iss: as.issuer, aud: origin, sub: 'interop', client_id: 'interop', jti: randomUUID(),
        iat: now(), exp: now() + 300, scope: 'accounts payments', ...changes,
      }),
      async stop() {
        try {
          await bank.stop();
        } finally {
          await as.stop();
          pki.remove();
        }
      },
    };
  } catch (error) {
    await as?.stop();
    pki.remove();
    throw error;
  }
}
