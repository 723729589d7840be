// The signed record of the DHT, written from the form in common/canonical/record.h and the table in
// services/dht/README.md, not from the C code.
import { peerIdFromMultihash, peerIdFromString } from '@libp2p/peer-id'
import * as Digest from 'multiformats/hashes/digest'

export const KINDS = { endpoint: 1, profile: 2, topic: 3, name: 4, tombstone: 5 }
const PREFIX = Buffer.from('quorate/1/record\0')
const SIGNATURE = 64
const HOURS = 3600
const SKEW_US = 600n * 1000000n
const VALUE_MAX = 16 * 1024

// What a kad value may be: its kind, the payload's length, the longest life.
const TABLE = {
  endpoint: { min: 2, max: 2048, ttl: 48 * HOURS },
  profile: { min: 33, max: 700, ttl: 48 * HOURS },
  name: { min: 32, max: 32, ttl: 48 * HOURS }
}

// ---- the form ----

const varint = n => n < 128 ? Buffer.from([n]) : Buffer.concat([Buffer.from([n & 127 | 128]), varint(n >>> 7)])
const prefixed = bytes => Buffer.concat([varint(bytes.length), bytes])
const fixed = (size, n) => Buffer.from(BigInt(n).toString(16).padStart(2 * size, '0'), 'hex')

export function encode ({ kind, network, label = '', publisher, sequence, created, ttl, payload }) {
  return Buffer.concat([PREFIX, Buffer.from([KINDS[kind]]), prefixed(Buffer.from(network)),
    prefixed(Buffer.from(label)), prefixed(publisher.toMultihash().bytes), fixed(8, sequence),
    fixed(8, created), fixed(4, ttl), prefixed(payload)])
}

export async function sign (privateKey, fields) {
  const statement = encode(fields)
  return Buffer.concat([statement, await privateKey.sign(statement)])
}

class Reader {
  constructor (bytes) { this.rest = Buffer.from(bytes) }
  take (n) {
    if (n > this.rest.length) throw new Error('cut short')
    const taken = this.rest.subarray(0, n)
    this.rest = this.rest.subarray(n)
    return taken
  }
  number (n) { return BigInt('0x' + this.take(n).toString('hex')) }
  varint () {
    for (let n = 0, shift = 0; shift < 28; shift += 7) {
      const byte = this.take(1)[0]
      n |= (byte & 127) << shift
      if (byte === 0 && shift > 0) break
      if (byte < 128) return n
    }
    throw new Error('not a minimal varint')
  }
  prefixed () { return this.take(this.varint()) }
}

export function decode (value) {
  const statement = value.subarray(0, value.length - SIGNATURE)
  const r = new Reader(statement)
  if (value.length > VALUE_MAX || !r.take(PREFIX.length).equals(PREFIX)) throw new Error('not a signed record')
  const kind = r.take(1)[0]
  const record = {
    kind: Object.keys(KINDS).find(k => KINDS[k] === kind),
    network: r.prefixed().toString(),
    label: r.prefixed().toString(),
    publisher: peerIdFromMultihash(Digest.decode(r.prefixed())),
    sequence: r.number(8),
    created: r.number(8),
    ttl: r.number(4),
    payload: r.prefixed(),
    statement,
    signature: value.subarray(value.length - SIGNATURE)
  }
  if (r.rest.length > 0) throw new Error('something stands behind it')
  return record
}

// ---- what a holder accepts ----

// "/name/<peer>/<label>", "/profile/<peer>", "/endpoint/<peer>"
function nameOf (key) {
  const [, kind, peer, ...label] = Buffer.from(key).toString().split('/')
  if (peerIdFromString(peer).toString() !== peer) throw new Error('another way to write that peer')
  return { kind, peer, label: label.join('/') }
}

export async function validate (network, key, value) {
  const name = nameOf(key)
  const record = decode(value)
  const now = BigInt(Date.now()) * 1000n
  const rule = TABLE[name.kind]
  const ends = record.created + record.ttl * 1000000n
  if (record.kind !== name.kind || record.label !== name.label) throw new Error('a record of another name')
  if (record.publisher.toString() !== name.peer) throw new Error('its publisher may not write under this name')
  if (record.network !== network) throw new Error('a record of another network')
  if (record.payload.length < rule.min || record.payload.length > rule.max) throw new Error('no such payload')
  if (record.ttl < 1n || record.ttl > BigInt(rule.ttl)) throw new Error('it would live longer than its kind may')
  if (record.created > now + SKEW_US || ends <= now) throw new Error('it is from another time')
  if (!await record.publisher.publicKey.verify(record.statement, record.signature)) throw new Error('a bad signature')
}

// The newest: by sequence, then by date, then by its bytes.
export function select (key, values) {
  const records = values.map(decode)
  let best = 0
  for (let i = 1; i < values.length; i++) {
    const [a, b] = [records[i], records[best]]
    const order = a.sequence !== b.sequence
      ? a.sequence - b.sequence
      : a.created !== b.created ? a.created - b.created : BigInt(Buffer.compare(values[i], values[best]))
    if (order > 0n) best = i
  }
  return best
}
