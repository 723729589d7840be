// What a js-libp2p peer needs to take part in a Quorate network: README.md shows these very lines.
import { readFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { blake2b } from '@noble/hashes/blake2.js'
import * as capability from './capability.mjs'
import * as record from './record.mjs'

export const NETWORK = 'public'
const WORK = 16 // bits; 0 in private networks

// A key made by `quorate key new --libp2p FILE`: without its proof of work a peer stays a client.
export const loadKey = async file => privateKeyFromProtobuf(await readFile(file))

const validate = (key, value) => record.validate(NETWORK, key, value)
export const dht = kadDHT({
  protocol: '/quorate/kad/1.0.0',
  clientMode: false, // answer others; else it does so only while it has a public address
  validators: { endpoint: validate, profile: validate, name: validate },
  selectors: { endpoint: record.select, profile: record.select, name: record.select },
  peerInfoMapper: passthroughMapper // on a LAN and on one machine; leave it out on the Internet
})

// Messages are known by their content; signed by their author (StrictSign, the default).
export const gossipOptions = {
  msgIdFn: message => createHash('sha256').update(message.data).digest()
}
export const pubsub = gossipsub(gossipOptions)

// Leading zero bits of BLAKE2b-256 of the public key: passing on what has too few costs the others' trust.
const work = ({ publicKey }) => {
  const digest = Buffer.from(blake2b(publicKey.raw, { dkLen: 32 })).toString('hex')
  return 256 - BigInt('0x' + digest).toString(2).length
}

// Where hosts say what they offer, while the network is small: one shard of all.
export const TOPIC = `quorate/caps/1/${NETWORK}/0/00000000`
export const validateOffer = async (peer, message) => {
  try {
    if (work(message.from) < WORK) return 'reject'
    await capability.open(NETWORK, message.from, message.data)
    return 'accept'
  } catch {
    return 'reject'
  }
}
// once libp2p runs: node.services.pubsub.topicValidators.set(TOPIC, validateOffer)
