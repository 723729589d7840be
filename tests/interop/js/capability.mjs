// What a node gossips about itself: proto/peers.proto, SignedCapability.
import { peerIdFromMultihash } from '@libp2p/peer-id'
import * as Digest from 'multiformats/hashes/digest'
import { field, read } from './protobuf.mjs'

const PREFIX = Buffer.from('quorate/1/capability\0')
const SIZE_MAX = 512
const SKEW_NS = 600n * 1000000000n
const FIELDS = {
  peer: 1, sequence: 2, network: 3, addresses: 4, engines: 5, cores: 6, memory_mib: 7, slots: 8, free_slots: 9,
  data_classes: 10, name: 16, version: 17, datasets: 18
}

export async function sign (privateKey, peer, { network, sequence, name, datasets = 0, addresses = [], ...rest }) {
  const body = Buffer.concat([
    field(FIELDS.peer, peer.toMultihash().bytes), field(FIELDS.sequence, sequence), field(FIELDS.network, network),
    ...addresses.map(a => field(FIELDS.addresses, a.bytes)),
    ...Object.entries(rest).map(([key, value]) => field(FIELDS[key], value)),
    field(FIELDS.name, name), field(FIELDS.version, 'js'), field(FIELDS.datasets, datasets)
  ])
  return Buffer.concat([field(1, body), field(2, await privateKey.sign(Buffer.concat([PREFIX, body])))])
}

// Throws what is wrong with it; `author` is who signed the message around it.
export async function open (network, author, bytes) {
  if (bytes.length > SIZE_MAX) throw new Error('too long')
  const [[one, body], [two, signature], ...more] = read(bytes)
  if (one !== 1 || two !== 2 || more.length > 0) throw new Error('not a signed record')
  const fields = read(body)
  const get = key => fields.find(([number]) => number === FIELDS[key])?.[1]
  const peer = peerIdFromMultihash(Digest.decode(get('peer')))
  const sequence = get('sequence')
  const skew = sequence - BigInt(Date.now()) * 1000000n
  if (get('network')?.toString() !== network) throw new Error('a record of another network')
  if (!peer.equals(author)) throw new Error('a record about another peer')
  if (skew > SKEW_NS || skew < -SKEW_NS) throw new Error('from another time')
  if (!await peer.publicKey.verify(Buffer.concat([PREFIX, body]), signature)) throw new Error('a bad signature')
  return { peer, sequence, name: get('name')?.toString() ?? '', datasets: Number(get('datasets') ?? 0n) }
}
