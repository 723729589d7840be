// An unmodified js-libp2p peer with QUIC, identify, ping and perf; transport.py drives both sides.
import { say, serve } from './lines.mjs'

const { createLibp2p } = await import('libp2p')
const { quic } = await import('@chainsafe/libp2p-quic')
const { identify, identifyPush } = await import('@libp2p/identify')
const { ping } = await import('@libp2p/ping')
const { byteStream, echo } = await import('@libp2p/utils')
const { multiaddr } = await import('@multiformats/multiaddr')

const PERF = '/perf/1.0.0'
const PIECE = new Uint8Array(64 * 1024)
const drained = stream => new Promise((resolve, reject) => {
  stream.addEventListener('drain', resolve, { once: true })
  stream.addEventListener('close', () => reject(new Error('closed')), { once: true })
})

async function send (stream, n) {
  for (; n > 0; n -= PIECE.length) {
    if (!stream.send(n < PIECE.length ? PIECE.subarray(0, n) : PIECE)) await drained(stream)
  }
}

// https://github.com/libp2p/specs/tree/master/perf: the wanted length, an upload, FIN; the answer, FIN.
async function servePerf (stream) {
  let wanted
  let head = new Uint8Array(0)
  for await (const chunk of stream) {
    if (wanted !== undefined) continue
    head = Buffer.concat([head, chunk.subarray()])
    if (head.length >= 8) wanted = Number(head.readBigUInt64BE(0))
  }
  await send(stream, wanted ?? 0)
  await stream.close()
}

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] },
  transports: [quic()],
  services: { identify: identify(), identifyPush: identifyPush(), ping: ping() }
})
await node.handle(PERF, servePerf)
await node.handle('/test/echo/1', stream => echo(stream))
node.addEventListener('peer:identify', ({ detail }) => say({
  event: 'identify',
  peer: detail.peerId.toString(),
  agent: detail.agentVersion,
  protocols: detail.protocols,
  listen: detail.listenAddrs.map(String),
  observed: String(detail.observedAddr),
  signed: detail.signedPeerRecord != null
}))
node.addEventListener('peer:update', ({ detail }) => say({
  event: 'update', peer: detail.peer.id.toString(), protocols: detail.peer.protocols
}))

const commands = {
  async dial ({ address }) {
    const connection = await node.dial(multiaddr(address))
    return { peer: connection.remotePeer.toString() }
  },
  async ping ({ address, count }) {
    const stream = await node.dialProtocol(multiaddr(address), '/ipfs/ping/1.0.0')
    const bytes = byteStream(stream)
    const began = performance.now()
    for (let i = 0; i < count; i++) {
      const payload = crypto.getRandomValues(new Uint8Array(32))
      await bytes.write(payload)
      const back = await bytes.read({ bytes: 32 })
      if (Buffer.compare(back.subarray(), payload) !== 0) throw new Error('another payload came back')
    }
    const took = performance.now() - began
    await stream.close()
    return { count, mean_us: Math.round(took * 1000 / count) }
  },
  async perf ({ address, upload, download }) {
    const stream = await node.dialProtocol(multiaddr(address), PERF)
    const head = Buffer.alloc(8)
    let received = 0
    head.writeBigUInt64BE(BigInt(download))
    const began = performance.now()
    stream.send(head)
    await send(stream, upload)
    await stream.close()
    for await (const chunk of stream) {
      received += chunk.byteLength
      if (received >= download) break
    }
    return { received, took_ms: Math.round(performance.now() - began) }
  },
  async echo ({ address, size }) {
    const stream = await node.dialProtocol(multiaddr(address), '/test/echo/1')
    const sent = Buffer.from(Array.from({ length: size }, (_, i) => i % 251))
    const bytes = byteStream(stream)
    const back = bytes.read({ bytes: size })
    await bytes.write(sent)
    const same = Buffer.compare((await back).subarray(), sent) === 0
    await stream.close()
    return { same }
  },
  async stop () {
    await node.stop()
    return {}
  }
}

say({ event: 'ready', peer: node.peerId.toString(), address: node.getMultiaddrs()[0].toString() })
await serve(commands)
