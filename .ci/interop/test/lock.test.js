// What is installed is what was read: exact versions, digests, and no address to fetch anything else from.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';

it('the lock file pins digests and names no address', () => {
  const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
  for (const [name, version] of Object.entries(read('package.json').dependencies)) {
    assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is pinned`);
  }
  const packages = Object.entries(read('package-lock.json').packages).filter(([path]) => path !== '');
  assert.ok(packages.length > 4);
  for (const [path, entry] of packages) {
    assert.equal(entry.resolved, undefined, `${path} names an address`);
    assert.match(entry.integrity ?? '', /^sha512-/, `${path} has a digest`);
  }
});
