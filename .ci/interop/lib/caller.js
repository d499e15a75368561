// Calls that are good but for what is changed.
import { call } from './call.js';
import { proofKey, prove } from './proof.js';

// makeCaller gives a caller with a proof key and a good token bound to it.
export async function makeCaller({ as, bank, claims }) {
  const key = await proofKey();
  const url = `${bank.origin}/accounts`;
  // signed makes a token; changes replace single claims.
  const signed = (changes = {}, options) => as.sign(claims({ cnf: { jkt: key.jkt }, ...changes }), options);
  const token = await signed();

  // send makes a call with the good token and a new proof.
  //   token, scheme, proof: other ones than the good ones; proof null leaves it out
  //   prove: changes for the proof, see prove
  //   headers: more lines; the rest as for call
  async function send({
    token: other, scheme = 'DPoP', proof, prove: changes, method = 'GET', path = '/accounts', headers = [], ...rest
  } = {}) {
    const shown = other ?? token;
    const own = [['Authorization', `${scheme} ${shown}`]];
    if (proof !== null) {
      own.push(['DPoP', proof ?? await prove(key, bank.origin + path.split('?')[0], shown, { method, ...changes })]);
    }
    return call(bank, { method, path, headers: [...own, ...headers], ...rest });
  }
  return { key, token, url, signed, send };
}
