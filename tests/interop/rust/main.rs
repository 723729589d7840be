//! A rust-libp2p peer with QUIC, identify, the DHT and gossip, spoken to in lines of JSON; others.py drives it.
//!
//!     interop KEYFILE
mod form;
mod offer;
mod quorate;
mod record;

use libp2p::futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::kad::store::{MemoryStore, RecordStore};
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{gossipsub, identify, kad, ping, Multiaddr, PeerId};
use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, BufReader};

#[derive(NetworkBehaviour)]
struct Services {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    dht: kad::Behaviour<MemoryStore>,
    gossip: gossipsub::Behaviour,
}

struct Node {
    key: Keypair,
    swarm: Swarm<Services>,
    // the query that a command waits for, and what it found
    query: Option<kad::QueryId>,
    found: Option<Vec<u8>>,
    dialled: Option<PeerId>,
}

fn say(v: Value) {
    println!("{v}");
}

impl Node {
    /// The answer, or None: it comes later.
    fn command(&mut self, c: &Value) -> Result<Option<Value>, String> {
        let text = |key: &str| c[key].as_str().unwrap_or_default();
        match text("do") {
            "dial" => {
                let address: Multiaddr = text("address").parse().map_err(|e| format!("{e}"))?;
                self.swarm.dial(address).map_err(|e| e.to_string())?;
                return Ok(None);
            }
            "table" => {
                let dht = &mut self.swarm.behaviour_mut().dht;
                let peers: Vec<String> = dht
                    .kbuckets()
                    .flat_map(|b| b.iter().map(|e| e.node.key.preimage().to_string()).collect::<Vec<_>>())
                    .collect();
                return Ok(Some(json!({ "peers": peers })));
            }
            "put" => {
                let payload = hex::decode(text("payload")).map_err(|e| e.to_string())?;
                let value = record::sign(&self.key, text("label"), c["sequence"].as_u64().unwrap_or(0), &payload);
                let r = kad::Record::new(self.name(text("label")).into_bytes(), value);
                let query = self.swarm.behaviour_mut().dht.put_record(r, kad::Quorum::One);
                self.query = Some(query.map_err(|e| e.to_string())?);
            }
            "get" => {
                let key = kad::RecordKey::new(&text("key"));
                self.query = Some(self.swarm.behaviour_mut().dht.get_record(key));
            }
            "offer" => {
                let data = offer::sign(&self.key, text("name"), c["datasets"].as_u64().unwrap_or(0));
                let topic = gossipsub::IdentTopic::new(quorate::OFFERS);
                self.swarm.behaviour_mut().gossip.publish(topic, data).map_err(|e| e.to_string())?;
                return Ok(Some(json!({})));
            }
            other => return Err(format!("no command {other}")),
        }
        Ok(None)
    }

    fn name(&self, label: &str) -> String {
        format!("/name/{}/{label}", self.key.public().to_peer_id())
    }

    /// The newest valid one of those the holders gave.
    fn on_found(&mut self, r: kad::PeerRecord) {
        let (name, value) = (r.record.key.to_vec(), r.record.value);
        if record::open(&name, &value).is_some() && !self.found.as_ref().is_some_and(|f| record::is_newer(f, &value)) {
            self.found = Some(value);
        }
    }

    /// The answer of the command that waits for this query.
    fn on_query(&mut self, result: kad::QueryResult, is_last: bool) -> Option<Value> {
        match result {
            kad::QueryResult::GetRecord(Ok(kad::GetRecordOk::FoundRecord(r))) => self.on_found(r),
            kad::QueryResult::PutRecord(Ok(r)) => return Some(json!({ "key": String::from_utf8_lossy(&r.key.to_vec()) })),
            kad::QueryResult::PutRecord(Err(e)) => return Some(json!({ "error": e.to_string() })),
            _ => {}
        }
        if !is_last {
            return None;
        }
        let value = self.found.take();
        Some(match value.as_deref().and_then(record::read) {
            Some(r) => json!({ "sequence": r.sequence, "payload": hex::encode(r.payload) }),
            None => json!({ "error": "not found" }),
        })
    }

    /// Stored when valid and not older than what is held.
    fn on_put(&mut self, r: kad::Record) {
        let store = self.swarm.behaviour_mut().dht.store_mut();
        let is_outdated = store.get(&r.key).is_some_and(|held| record::is_newer(&held.value, &r.value));
        if record::open(&r.key.to_vec(), &r.value).is_some() && !is_outdated {
            let _ = store.put(r);
        }
    }

    fn on_message(&mut self, id: gossipsub::MessageId, via: PeerId, m: gossipsub::Message) {
        let author = m.source.unwrap_or(via);
        let verdict = match offer::open(&author, &m.data) {
            Some((name, datasets)) => {
                say(json!({ "event": "offer", "author": author.to_string(), "name": name, "datasets": datasets }));
                gossipsub::MessageAcceptance::Accept
            }
            None => {
                say(json!({ "event": "verdict", "verdict": "reject", "author": author.to_string() }));
                gossipsub::MessageAcceptance::Reject
            }
        };
        self.swarm.behaviour_mut().gossip.report_message_validation_result(&id, &via, verdict);
    }

    /// The answer of the command that waits for this, if it is what it waits for.
    fn on_event(&mut self, event: ServicesEvent) -> Option<Value> {
        match event {
            ServicesEvent::Identify(identify::Event::Received { peer_id, info, .. })
                if info.protocols.contains(&quorate::PROTOCOL) =>
            {
                for address in info.listen_addrs {
                    self.swarm.behaviour_mut().dht.add_address(&peer_id, address);
                }
            }
            ServicesEvent::Dht(kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { record: Some(r), .. },
            }) => self.on_put(r),
            ServicesEvent::Dht(kad::Event::OutboundQueryProgressed { id, result, step, .. }) if Some(id) == self.query => {
                return self.on_query(result, step.last)
            }
            ServicesEvent::Gossip(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                self.on_message(message_id, propagation_source, message)
            }
            _ => {}
        }
        None
    }

    fn on_swarm(&mut self, event: SwarmEvent<ServicesEvent>) -> Option<Value> {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                let peer = self.key.public().to_peer_id();
                self.swarm.add_external_address(address.clone());
                say(json!({ "event": "ready", "peer": peer.to_string(), "address": format!("{address}/p2p/{peer}") }));
                None
            }
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } if endpoint.is_dialer() && self.dialled.is_none() => {
                self.dialled = Some(peer_id);
                Some(json!({ "peer": peer_id.to_string() }))
            }
            SwarmEvent::OutgoingConnectionError { error, .. } if self.dialled.is_none() => {
                Some(json!({ "error": error.to_string() }))
            }
            SwarmEvent::Behaviour(event) => self.on_event(event),
            _ => None,
        }
    }

    async fn run(mut self) {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut waiting = String::new();
        loop {
            let answer = tokio::select! {
                line = lines.next_line() => {
                    let Ok(Some(line)) = line else { return };
                    let c: Value = serde_json::from_str(&line).expect("a command");
                    waiting = c["do"].as_str().unwrap_or_default().to_string();
                    self.command(&c).unwrap_or_else(|e| Some(json!({ "error": e })))
                }
                event = self.swarm.select_next_some() => self.on_swarm(event),
            };
            if let Some(mut answer) = answer {
                answer["answer"] = json!(waiting);
                say(answer);
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let file = std::env::args().nth(1).expect("a key file");
    let key = Keypair::from_protobuf_encoding(&std::fs::read(file).expect("the key")).expect("a key");
    let id = key.public().to_peer_id();
    let services = Services {
        identify: identify::Behaviour::new(identify::Config::new("ipfs/0.1.0".into(), key.public())),
        ping: ping::Behaviour::default(),
        dht: quorate::dht(id),
        gossip: quorate::gossip(&key),
    };
    let mut swarm = libp2p::SwarmBuilder::with_existing_identity(key.clone())
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| services)
        .expect("services")
        .with_swarm_config(|c| c.with_idle_connection_timeout(std::time::Duration::from_secs(60)))
        .build();
    swarm.behaviour_mut().gossip.subscribe(&gossipsub::IdentTopic::new(quorate::OFFERS)).expect("a topic");
    swarm.listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address")).expect("a socket");
    Node { key, swarm, query: None, found: None, dialled: None }.run().await
}
