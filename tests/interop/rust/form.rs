//! What records and offers share: lengths, varints, keys.
use libp2p::identity::PublicKey;
use libp2p::PeerId;
use std::time::{SystemTime, UNIX_EPOCH};

pub const NETWORK: &str = "public";

pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

pub fn public_key(peer: &PeerId) -> Option<PublicKey> {
    // An identity multihash: 00, length, the key itself.
    PublicKey::try_decode_protobuf(peer.to_bytes().get(2..)?).ok()
}

pub fn put_varint(b: &mut Vec<u8>, mut n: u64) {
    while n >= 128 {
        b.push(n as u8 | 128);
        n >>= 7;
    }
    b.push(n as u8);
}

pub fn put_prefixed(b: &mut Vec<u8>, v: &[u8]) {
    put_varint(b, v.len() as u64);
    b.extend_from_slice(v);
}

pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = (self.0.get(..n)?, self.0.get(n..)?);
        self.0 = rest;
        Some(taken)
    }
    pub fn number(&mut self, n: usize) -> Option<u64> {
        Some(self.take(n)?.iter().fold(0, |v, b| v << 8 | u64::from(*b)))
    }
    pub fn varint(&mut self) -> Option<u64> {
        let mut n = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            n |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(n);
            }
        }
        None
    }
    pub fn prefixed(&mut self) -> Option<&'a [u8]> {
        let n = self.varint()?;
        self.take(usize::try_from(n).ok()?)
    }
}
