//! The signed record of the DHT, written from the form in common/canonical/record.h.
use crate::form::{now_ns, public_key, put_prefixed, Reader, NETWORK};
use libp2p::identity::Keypair;
use libp2p::PeerId;

const PREFIX: &[u8] = b"quorate/1/record\0";
const SIGNATURE: usize = 64;
const VALUE_MAX: usize = 16 * 1024;
const TTL_MAX: u64 = 48 * 3600;
// kind, its number, shortest and longest payload
const KINDS: [(&str, u64, usize, usize); 3] = [("endpoint", 1, 2, 2048), ("profile", 2, 33, 700), ("name", 4, 32, 32)];

pub struct Record<'a> {
    pub sequence: u64,
    pub payload: &'a [u8],
    created: u64,
    kind: u64,
    ttl: u64,
    network: &'a [u8],
    label: &'a [u8],
    publisher: PeerId,
    statement: &'a [u8],
    signature: &'a [u8],
}

/// A name of ours, for an hour.
pub fn sign(key: &Keypair, label: &str, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let mut b = [PREFIX, &[4]].concat();
    put_prefixed(&mut b, NETWORK.as_bytes());
    put_prefixed(&mut b, label.as_bytes());
    put_prefixed(&mut b, &key.public().to_peer_id().to_bytes());
    b.extend(sequence.to_be_bytes());
    b.extend((now_ns() / 1000).to_be_bytes());
    b.extend(3600u32.to_be_bytes());
    put_prefixed(&mut b, payload);
    let signature = key.sign(&b).expect("a key that signs");
    b.extend(signature);
    b
}

pub fn read(value: &[u8]) -> Option<Record<'_>> {
    let statement = value.get(..value.len().checked_sub(SIGNATURE)?)?;
    let mut r = Reader(statement.strip_prefix(PREFIX)?);
    let kind = r.number(1)?;
    let (network, label) = (r.prefixed()?, r.prefixed()?);
    let publisher = PeerId::from_bytes(r.prefixed()?).ok()?;
    let (sequence, created, ttl) = (r.number(8)?, r.number(8)?, r.number(4)?);
    let payload = r.prefixed()?;
    let signature = &value[statement.len()..];
    let whole = r.0.is_empty() && value.len() <= VALUE_MAX;
    whole.then_some(Record { sequence, payload, created, kind, ttl, network, label, publisher, statement, signature })
}

/// The record under this name, if it may stand there.
pub fn open<'a>(name: &[u8], value: &'a [u8]) -> Option<Record<'a>> {
    let r = read(value)?;
    let mut parts = std::str::from_utf8(name).ok()?.splitn(4, '/');
    parts.next()?; // before the first stroke
    let (kind, peer, label) = (parts.next()?, parts.next()?, parts.next().unwrap_or(""));
    let (_, number, min, max) = KINDS.iter().find(|k| k.0 == kind)?;
    let now = now_ns() / 1000;
    let right = r.kind == *number
        && r.label == label.as_bytes()
        && r.publisher.to_string() == peer
        && r.network == NETWORK.as_bytes()
        && (*min..=*max).contains(&r.payload.len())
        && (1..=TTL_MAX).contains(&r.ttl)
        && r.created <= now + 600_000_000
        && r.created + r.ttl * 1_000_000 > now;
    (right && public_key(&r.publisher)?.verify(r.statement, r.signature)).then_some(r)
}

/// By sequence, then by date, then by its bytes.
pub fn is_newer(a: &[u8], b: &[u8]) -> bool {
    match (read(a), read(b)) {
        (Some(x), Some(y)) => (x.sequence, x.created, a) > (y.sequence, y.created, b),
        (x, _) => x.is_some(),
    }
}
