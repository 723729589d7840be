//! What a node gossips about itself: proto/peers.proto, SignedCapability.
use crate::form::{now_ns, public_key, put_prefixed, put_varint, Reader, NETWORK};
use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use libp2p::identity::Keypair;
use libp2p::PeerId;
use std::collections::HashMap;

const PREFIX: &[u8] = b"quorate/1/capability\0";
const SIZE_MAX: usize = 512;
const SKEW_NS: u64 = 600_000_000_000;
const WORK: u32 = 16;
const PEER: u64 = 1;
const SEQUENCE: u64 = 2;
const NET: u64 = 3;
const NAME: u64 = 16;
const VERSION: u64 = 17;
const DATASETS: u64 = 18;

fn put_bytes(b: &mut Vec<u8>, field: u64, v: &[u8]) {
    put_varint(b, field << 3 | 2);
    put_prefixed(b, v);
}

fn put_number(b: &mut Vec<u8>, field: u64, n: u64) {
    put_varint(b, field << 3);
    put_varint(b, n);
}

pub fn sign(key: &Keypair, name: &str, datasets: u64) -> Vec<u8> {
    let (mut body, mut b) = (Vec::new(), Vec::new());
    put_bytes(&mut body, PEER, &key.public().to_peer_id().to_bytes());
    put_number(&mut body, SEQUENCE, now_ns());
    put_bytes(&mut body, NET, NETWORK.as_bytes());
    put_bytes(&mut body, NAME, name.as_bytes());
    put_bytes(&mut body, VERSION, b"rust");
    put_number(&mut body, DATASETS, datasets);
    put_bytes(&mut b, 1, &body);
    put_bytes(&mut b, 2, &key.sign(&[PREFIX, &body].concat()).expect("a key that signs"));
    b
}

/// Fields that are bytes, fields that are numbers; of each the last.
fn fields(b: &[u8]) -> Option<(HashMap<u64, &[u8]>, HashMap<u64, u64>)> {
    let (mut texts, mut numbers, mut r) = (HashMap::new(), HashMap::new(), Reader(b));
    while !r.0.is_empty() {
        let tag = r.varint()?;
        match tag & 7 {
            2 => drop(texts.insert(tag >> 3, r.prefixed()?)),
            0 => drop(numbers.insert(tag >> 3, r.varint()?)),
            _ => return None,
        }
    }
    Some((texts, numbers))
}

fn work(peer: &PeerId) -> Option<u32> {
    let key = public_key(peer)?.try_into_ed25519().ok()?;
    let digest = Blake2b::<U32>::digest(key.to_bytes());
    Some(u64::from_be_bytes(digest[..8].try_into().ok()?).leading_zeros())
}

/// Name and datasets of a right one.
pub fn open(author: &PeerId, data: &[u8]) -> Option<(String, u64)> {
    let (envelope, _) = fields(data)?;
    let (body, signature) = (*envelope.get(&1)?, *envelope.get(&2)?);
    let (texts, numbers) = fields(body)?;
    let right = data.len() <= SIZE_MAX
        && *texts.get(&PEER)? == author.to_bytes()
        && *texts.get(&NET)? == NETWORK.as_bytes()
        && numbers.get(&SEQUENCE)?.abs_diff(now_ns()) <= SKEW_NS
        && work(author)? >= WORK
        && public_key(author)?.verify(&[PREFIX, body].concat(), signature);
    let name = String::from_utf8(texts.get(&NAME).unwrap_or(&&b""[..]).to_vec()).ok()?;
    right.then_some((name, numbers.get(&DATASETS).copied().unwrap_or(0)))
}
