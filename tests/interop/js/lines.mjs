// Commands come as lines of JSON on standard input, answers and events leave as such lines.
import { createInterface } from 'node:readline'

// Node 20 lacks what js-libp2p takes for granted.
Promise.withResolvers ??= function () {
  const r = {}
  r.promise = new this((resolve, reject) => Object.assign(r, { resolve, reject }))
  return r
}

const plain = (key, value) => typeof value === 'bigint' ? value.toString() : value
export const say = message => process.stdout.write(JSON.stringify(message, plain) + '\n')

export async function serve (commands) {
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line)
    try {
      say({ answer: command.do, ...await commands[command.do](command) })
    } catch (error) {
      say({ answer: command.do, error: String(error) })
    }
  }
  process.exit(0)
}
