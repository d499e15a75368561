// A strict reader of WWW-Authenticate (RFC 9110 section 11.6.1): every parameter a quoted-string without escapes.
import assert from 'node:assert/strict';

const scheme = /([!#$%&'*+.^_`|~0-9A-Za-z-]+) /y;
const parameter = /([a-z_]+)="([\x20\x21\x23-\x5b\x5d-\x7e]*)"/y;

// challenges gives Map { 'Bearer' => { realm, error, ... }, 'DPoP' => ... }.
export function challenges(lines) {
  const found = new Map();
  for (const line of lines) {
    let at = 0;
    const read = (pattern) => {
      pattern.lastIndex = at;
      const match = pattern.exec(line);
      if (match) at = pattern.lastIndex;
      return match;
    };
    let name;
    while (at < line.length) {
      const start = read(scheme);
      if (start) {
        [, name] = start;
        assert.ok(!found.has(name), `two challenges of the scheme ${name}: ${line}`);
        found.set(name, {});
      }
      const match = read(parameter);
      assert.ok(match && name, `malformed at ${at}: ${line}`);
      const [, key, value] = match;
      assert.ok(!(key in found.get(name)), `${key} twice: ${line}`);
      found.get(name)[key] = value;
      if (at < line.length) {
        assert.ok(line.startsWith(', ', at), `malformed at ${at}: ${line}`);
        at += 2;
      }
    }
  }
  return found;
}
