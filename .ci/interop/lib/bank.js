// The bank as its users see it: a binary, its flags, and what it writes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export async function reserveOrigin() {
  return `https://127.0.0.1:${await freePort()}`;
}

export async function startBank(pki, as, origin, ...flags) {
  const binary = process.env.TEGATA_BANK;
  assert.ok(binary, 'TEGATA_BANK has to name the binary: go build -o FILE ./examples/bank');
  const port = Number(new URL(origin).port);
  const auditFile = pki.path(`audit-${port}.jsonl`);
  const child = spawn(binary, [
    'serve', '-addr', `127.0.0.1:${port}`,
    '-tls-cert', pki.server.certFile, '-tls-key', pki.server.keyFile, '-client-ca', pki.path('clients.pem'),
    '-issuer', as.issuer, '-jwks', as.jwksURI, '-audience', origin, '-audit', auditFile, ...flags,
  ], { env: { PATH: process.env.PATH, SSL_CERT_FILE: pki.ca.certFile }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => { output += text; });
  }
  const ended = once(child, 'exit');

  const bank = {
    origin, port, pki,
    answers: new Map(), // interaction id -> status, of every request sent
    secrets: new Set(), // tokens and proofs sent
    get output() { return output; },
    audit: () => readFileSync(auditFile, 'utf8'),
    async stop() {
      child.kill('SIGTERM');
      const winner = await Promise.race([ended, sleep(3500, 'late', { ref: false })]);
      if (winner === 'late') child.kill('SIGKILL');
      assert.notEqual(winner, 'late', 'SIGTERM has to stop the bank within 3 s');
    },
  };
  await listening(bank, child);
  return bank;
}

async function listening(bank, child) {
  for (let i = 0; i < 200; i += 1) {
    if (child.exitCode !== null) break;
    try {
      const socket = tls.connect({ host: '127.0.0.1', port: bank.port, ca: bank.pki.ca.cert });
      await once(socket, 'secureConnect');
      socket.destroy();
      return;
    } catch {
      await sleep(25);
    }
  }
  child.kill('SIGKILL');
  assert.fail(`the bank does not listen:\n${bank.output}`);
}
