// Opens what Tegata sealed and seals what Tegata opens, with the jose package. Reads one JSON line, writes one.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const require = createRequire(join(process.env.TEGATA_NODE_MODULES, 'tegata.cjs'))
const jose = await import(pathToFileURL(require.resolve('jose')))

const publicOf = ({ kty, crv, x, y, n, e, k, kid }) => ({ kty, crv, x, y, n, e, k, kid })
const key = async (jwk, alg) => jwk.kty === 'oct' ? jose.base64url.decode(jwk.k) : jose.importJWK(jwk, alg)
const { open, seal } = JSON.parse(readFileSync(0, 'utf8'))
const opened = []
for (const { jwe, jwk } of open ?? []) {
  const { alg } = jose.decodeProtectedHeader(jwe)
  const { plaintext } = await jose.compactDecrypt(jwe, await key(jwk, alg), {
    keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: ['A256GCM'],
  })
  opened.push(new TextDecoder().decode(plaintext))
}
const sealed = []
for (const { plain, jwk, alg } of seal ?? []) {
  sealed.push(await new jose.CompactEncrypt(new TextEncoder().encode(plain))
    .setProtectedHeader({ alg, enc: 'A256GCM', kid: jwk.kid })
    .encrypt(await key(publicOf(jwk), alg)))
}
console.log(JSON.stringify({ opened, sealed }))
