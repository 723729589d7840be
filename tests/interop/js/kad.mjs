// What the tests have a js peer do with the DHT.
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { peerIdFromMultihash, peerIdFromString } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { field, read } from './protobuf.mjs'
import * as record from './record.mjs'

const PROTOCOL = '/quorate/kad/1.0.0'
const MESSAGE = { put: 0, get: 1, find: 4 }
const hex = bytes => Buffer.from(bytes).toString('hex')
const cid = multihash => CID.createV1(0x55, Digest.decode(Buffer.from(multihash, 'hex')))
const peerOf = bytes => peerIdFromMultihash(Digest.decode(bytes)).toString()

const shown = value => {
  const { kind, label, publisher, sequence, payload } = record.decode(value)
  return { kind, label, publisher: publisher.toString(), sequence: Number(sequence), payload: hex(payload) }
}

// One question to one peer, outside of all lookups.
async function ask (node, address, fields) {
  const stream = await node.dialProtocol(multiaddr(address), PROTOCOL)
  try {
    const framed = lpStream(stream)
    await framed.write(Buffer.concat(fields))
    const answer = read((await framed.read({ signal: AbortSignal.timeout(10000) })).subarray())
    await stream.close()
    return answer
  } catch (error) {
    stream.abort(error)
    throw error
  }
}

// The record's own form is right; what is wrong with it the test says.
async function make (node, privateKey, c) {
  const publisher = c.publisher ? peerIdFromString(c.publisher) : node.peerId
  const now = BigInt(Date.now()) * 1000n
  const value = await record.sign(privateKey, {
    kind: c.kind ?? 'name', network: c.network ?? 'public', label: c.label ?? '', publisher, sequence: c.sequence,
    created: now + BigInt(c.later_s ?? 0) * 1000000n, ttl: c.ttl ?? 3600, payload: Buffer.from(c.payload, 'hex')
  })
  if (c.damaged) value[value.length - 1] ^= 1
  const rest = c.label ? `${c.under ?? publisher}/${c.label}` : `${c.under ?? publisher}`
  return { key: `/${c.kind ?? 'name'}/${rest}`, value }
}

export const kadCommands = (node, privateKey) => ({
  async record (c) {
    const { key, value } = await make(node, privateKey, c)
    return { key, value: hex(value) }
  },
  async put (c) {
    const { key, value } = await make(node, privateKey, c)
    const holders = []
    for await (const event of node.services.dht.put(Buffer.from(key), value)) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') holders.push(event.from.toString())
    }
    return { key, holders }
  },
  async get ({ key }) {
    const from = []
    let best
    for await (const event of node.services.dht.get(Buffer.from(key))) {
      if (event.name === 'PEER_RESPONSE' && event.record) from.push(event.from.toString())
      if (event.name === 'VALUE') best = event.value
    }
    return best ? { found: true, from, ...shown(best) } : { found: false, from }
  },
  async local ({ key }) {
    try {
      for await (const event of node.services.dht.contentFetching.getMany(Buffer.from(key))) {
        if (event.name === 'VALUE' && event.from.equals(node.peerId)) return { found: true, ...shown(event.value) }
        break
      }
    } catch { /* none that is valid */ }
    return { found: false }
  },
  async put_to ({ address, key, value, record_key }) {
    const inner = [field(1, Buffer.from(record_key ?? key)), field(2, Buffer.from(value, 'hex'))]
    const answer = await ask(node, address, [field(1, MESSAGE.put), field(2, Buffer.from(key)), field(3, Buffer.concat(inner))])
    return { echoed: answer.some(([number]) => number === 3) }
  },
  async get_from ({ address, key }) {
    const answer = await ask(node, address, [field(1, MESSAGE.get), field(2, Buffer.from(key))])
    const found = answer.find(([number]) => number === 3)
    const value = found && read(found[1]).find(([number]) => number === 2)[1]
    return value ? { found: true, ...shown(value) } : { found: false }
  },
  async closest_to ({ address, peer }) {
    const target = peerIdFromString(peer).toMultihash().bytes
    const answer = await ask(node, address, [field(1, MESSAGE.find), field(2, target)])
    return { peers: answer.filter(([number]) => number === 8).map(([, bytes]) => peerOf(read(bytes).find(([n]) => n === 1)[1])) }
  },
  async find_peer ({ peer }) {
    const found = await node.peerRouting.findPeer(peerIdFromString(peer), { signal: AbortSignal.timeout(20000) })
    return { peer: found.id.toString(), addresses: found.multiaddrs.map(String) }
  },
  async provide ({ multihash }) {
    await node.contentRouting.provide(cid(multihash), { signal: AbortSignal.timeout(20000) })
    return {}
  },
  async find_providers ({ multihash }) {
    const providers = []
    for await (const found of node.contentRouting.findProviders(cid(multihash), { signal: AbortSignal.timeout(20000) })) {
      providers.push(found.id.toString())
    }
    return { providers }
  },
  async table () {
    const peers = []
    for (const { peerId } of node.services.dht.routingTable.kb.toIterable()) peers.push(peerId.toString())
    return { peers }
  }
})
