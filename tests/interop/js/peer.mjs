// peer.mjs JSON: an unmodified js-libp2p peer with QUIC, identify, and of dht, gossip and mdns what is asked for.
//   key      file of its private key; without one it has a key without proof of work
//   listen   [/ip4/127.0.0.1/udp/0/quic-v1]
//   dht      "server" | "careless": a server that takes every record
//   gossip   {}: as in quorate.mjs, with these options besides
//   mdns     true
import { say, serve } from './lines.mjs'
import { createLibp2p } from 'libp2p'
import { quic } from '@chainsafe/libp2p-quic'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify, identifyPush } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { gossipCommands, startGossip } from './gossip.mjs'
import { kadCommands } from './kad.mjs'
import { dht, gossipOptions, loadKey } from './quorate.mjs'

const wanted = JSON.parse(process.argv[2])
const privateKey = wanted.key ? await loadKey(wanted.key) : await generateKeyPair('Ed25519')
const everything = { endpoint: () => {}, profile: () => {}, name: () => {} }
const careless = kadDHT({
  protocol: '/quorate/kad/1.0.0', clientMode: false, validators: everything, peerInfoMapper: passthroughMapper
})

// libp2p itself says "discovered" of whoever connects: what multicast alone told is heard at its source.
const observedMdns = components => {
  const source = mdns()(components)
  source.addEventListener('peer', ({ detail }) => say({
    event: 'multicast', peer: detail.id.toString(), addresses: detail.multiaddrs.map(String)
  }))
  return source
}

const node = await createLibp2p({
  privateKey,
  addresses: { listen: [wanted.listen ?? '/ip4/127.0.0.1/udp/0/quic-v1'] },
  transports: [quic()],
  peerDiscovery: wanted.mdns ? [observedMdns] : [],
  services: {
    identify: identify(),
    identifyPush: identifyPush(),
    ping: ping(),
    ...wanted.dht && { dht: wanted.dht === 'careless' ? careless : dht },
    ...wanted.gossip && { pubsub: gossipsub({ ...gossipOptions, ...wanted.gossip }) }
  }
})
if (wanted.gossip) startGossip(node)

node.addEventListener('peer:identify', ({ detail }) => say({
  event: 'identify', peer: detail.peerId.toString(), protocols: detail.protocols
}))

say({ event: 'ready', peer: node.peerId.toString(), address: node.getMultiaddrs()[0]?.toString() })
await serve({
  async dial ({ address }) {
    return { peer: (await node.dial(multiaddr(address))).remotePeer.toString() }
  },
  async connections () {
    return { peers: node.getPeers().map(String) }
  },
  ...wanted.dht && kadCommands(node, privateKey),
  ...wanted.gossip && gossipCommands(node, privateKey)
})
