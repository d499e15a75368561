// Certificates for one run, made by the openssl command line: nothing of the project has a hand in them.
import { execFileSync } from 'node:child_process';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const asAuthority = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n';
const asClient = 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n';
const asServer = 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1\n';

export function makePKI() {
  const dir = mkdtempSync(join(tmpdir(), 'tegata-interop-'));
  const path = (name) => join(dir, name);
  // A configuration of our own: the machine's may add extensions.
  writeFileSync(path('openssl.cnf'), '[req]\ndistinguished_name=dn\n[dn]\n');
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });

  function issue(name, extensions, by, days = '2') {
    const [key, request, cert, ext] = ['key', 'csr', 'pem', 'ext'].map((kind) => path(`${name}.${kind}`));
    openssl('req', '-config', path('openssl.cnf'), '-new', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
    writeFileSync(ext, extensions);
    const signer = by ? ['-CA', by.certFile, '-CAkey', by.keyFile, '-CAcreateserial'] : ['-signkey', key];
    openssl('x509', '-req', '-in', request, '-out', cert, '-days', days, '-extfile', ext, ...signer);
    return load(key, cert);
  }

  function load(keyFile, certFile) {
    const key = readFileSync(keyFile, 'utf8');
    const cert = readFileSync(certFile, 'utf8');
    const x509 = new X509Certificate(cert);
    return {
      keyFile, certFile, key, cert, x509,
      x5c: x509.raw.toString('base64'),
      privateKey: createPrivateKey(key),
      thumbprint: Buffer.from(x509.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url'),
    };
  }

  const ca = issue('ca', asAuthority);
  const stranger = issue('stranger', asAuthority);
  const pki = {
    dir, path, ca,
    server: issue('server', asServer, ca),
    alice: issue('alice', asClient, ca),
    mallory: issue('mallory', asClient, ca),
    selfSigned: issue('self-signed', asClient),
    unlisted: issue('unlisted', asClient),
    untrusted: issue('untrusted', asClient, stranger),
    // openssl takes -1 for a certificate that ended yesterday.
    expired: issue('expired', asClient, ca, '-1'),
    notForClients: issue('not-for-clients', asServer, ca),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
  writeFileSync(path('clients.pem'), ca.cert + pki.selfSigned.cert);
  return pki;
}
