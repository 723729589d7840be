//! What a rust-libp2p peer needs to take part in a Quorate network: ../README.md shows these functions.
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::{gossipsub, kad, PeerId, StreamProtocol};
use sha2::{Digest, Sha256};

pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/quorate/kad/1.0.0");
pub const OFFERS: &str = "quorate/caps/1/public/0/00000000";

// Records come as InboundRequest::PutRecord and are stored only when they are valid: record.rs
pub fn dht(id: PeerId) -> kad::Behaviour<MemoryStore> {
    let mut config = kad::Config::new(PROTOCOL);
    config.set_record_filtering(kad::StoreInserts::FilterBoth);
    let mut dht = kad::Behaviour::with_config(id, MemoryStore::new(id), config);
    dht.set_mode(Some(kad::Mode::Server));
    dht
}

// Messages wait for report_message_validation_result(): offer.rs
pub fn gossip(key: &Keypair) -> gossipsub::Behaviour {
    let config = gossipsub::ConfigBuilder::default()
        .message_id_fn(|m| gossipsub::MessageId::from(Sha256::digest(&m.data).to_vec()))
        .validate_messages()
        .build()
        .expect("a configuration");
    gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Signed(key.clone()), config).expect("gossip")
}
