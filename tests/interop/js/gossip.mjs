// What the tests have a js peer do with gossip.
import { peerIdFromString } from '@libp2p/peer-id'
import * as capability from './capability.mjs'
import { say } from './lines.mjs'
import { NETWORK, TOPIC, validateOffer } from './quorate.mjs'

// Every offer heard becomes an event, with its validator's verdict and, if accepted, its content.
export function startGossip (node) {
  const { pubsub } = node.services
  pubsub.topicValidators.set(TOPIC, async (peer, message) => {
    const verdict = await validateOffer(peer, message)
    say({ event: 'verdict', verdict, author: message.from.toString(), via: peer.toString() })
    return verdict
  })
  pubsub.addEventListener('gossipsub:message', async ({ detail: { propagationSource, msg } }) => {
    if (msg.topic !== TOPIC) return
    const offer = await capability.open(NETWORK, msg.from, msg.data)
    say({ event: 'offer', author: msg.from.toString(), via: propagationSource.toString(), ...offer, peer: undefined })
  })
  pubsub.subscribe(TOPIC)
}

export const gossipCommands = (node, privateKey) => ({
  // Of this peer unless `about` says otherwise; damaged: the record's signature is wrong, the message's right.
  async offer ({ name, datasets, about, network, damaged }) {
    const data = await capability.sign(privateKey, about ? peerIdFromString(about) : node.peerId, {
      network: network ?? NETWORK, sequence: BigInt(Date.now()) * 1000000n, name, datasets, addresses: node.getMultiaddrs().map(a => a.decapsulate('/p2p')),
      cores: 1, memory_mib: 1024, slots: 0, free_slots: 0, data_classes: 1
    })
    if (damaged) data[data.length - 1] ^= 1
    const { recipients } = await node.services.pubsub.publish(TOPIC, data)
    return { recipients: recipients.map(String) }
  },
  async mesh () {
    const { pubsub } = node.services
    return { mesh: pubsub.getMeshPeers(TOPIC), subscribers: pubsub.getSubscribers(TOPIC).map(String) }
  }
})
