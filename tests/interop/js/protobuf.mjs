// Protobuf, as much as these tests need: varints and bytes.

export function varint (n) {
  const bytes = []
  for (n = BigInt(n); n >= 128n; n >>= 7n) bytes.push(Number(n & 127n) | 128)
  return Buffer.from([...bytes, Number(n)])
}

export const field = (number, value) => typeof value === 'bigint' || typeof value === 'number'
  ? Buffer.concat([varint(number << 3), varint(value)])
  : Buffer.concat([varint(number << 3 | 2), varint(Buffer.from(value).length), Buffer.from(value)])

function take (state) {
  let n = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    if (state.at >= state.bytes.length) break
    const byte = state.bytes[state.at++]
    n |= BigInt(byte & 127) << shift
    if (byte < 128) return n
  }
  throw new Error('cut short')
}

// [[field number, number or bytes]…]
export function read (bytes) {
  const state = { bytes: Buffer.from(bytes), at: 0 }
  const fields = []
  while (state.at < state.bytes.length) {
    const tag = Number(take(state))
    let value = take(state)
    if ((tag & 7) === 2) {
      const end = state.at + Number(value)
      if (end > state.bytes.length) throw new Error('cut short')
      value = state.bytes.subarray(state.at, state.at = end)
    } else if ((tag & 7) !== 0) throw new Error('no such field')
    fields.push([tag >> 3, value])
  }
  return fields
}
