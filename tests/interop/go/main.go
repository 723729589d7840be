// A go-libp2p peer with QUIC, identify, the DHT and gossip, spoken to in lines of JSON; others.py drives it.
//
//	interop KEYFILE
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

type object = map[string]any

type node struct {
	ctx   context.Context
	host  host.Host
	key   crypto.PrivKey
	dht   *dht.IpfsDHT
	topic *pubsub.Topic
}

func say(o object) {
	line, err := json.Marshal(o)
	check(err)
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func (n *node) dial(c command) (object, error) {
	info, err := peer.AddrInfoFromString(c.Address)
	if err != nil {
		return nil, err
	}
	return object{"peer": info.ID.String()}, n.host.Connect(n.ctx, *info)
}

func (n *node) table(command) (object, error) {
	peers := []string{}
	for _, p := range n.dht.RoutingTable().ListPeers() {
		peers = append(peers, p.String())
	}
	return object{"peers": peers}, nil
}

func (n *node) put(c command) (object, error) {
	payload, err := hex.DecodeString(c.Payload)
	if err != nil {
		return nil, err
	}
	value, err := signRecord(n.key, n.host.ID(), c.Label, c.Sequence, payload)
	if err != nil {
		return nil, err
	}
	key := "/name/" + n.host.ID().String() + "/" + c.Label
	return object{"key": key}, n.dht.PutValue(n.ctx, key, value)
}

func (n *node) get(c command) (object, error) {
	ctx, cancel := context.WithTimeout(n.ctx, 20*time.Second)
	defer cancel()
	value, err := n.dht.GetValue(ctx, c.Key)
	if err != nil {
		return nil, err
	}
	r, err := readRecord(value)
	if err != nil {
		return nil, err
	}
	return object{"sequence": r.sequence, "payload": hex.EncodeToString(r.payload)}, nil
}

func (n *node) offer(c command) (object, error) {
	data, err := signOffer(n.key, n.host.ID(), c.Name, c.Datasets)
	if err != nil {
		return nil, err
	}
	return object{}, n.topic.Publish(n.ctx, data)
}

type command struct {
	Do                                 string
	Address, Key, Label, Payload, Name string
	Sequence, Datasets                 uint64
}

func (n *node) serve() {
	commands := map[string]func(command) (object, error){
		"dial": n.dial, "table": n.table, "put": n.put, "get": n.get, "offer": n.offer,
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var c command
		check(json.Unmarshal(in.Bytes(), &c))
		answer, err := commands[c.Do](c)
		if err != nil {
			answer = object{"error": err.Error()}
		}
		answer["answer"] = c.Do
		say(answer)
	}
}

func main() {
	bytes, err := os.ReadFile(os.Args[1])
	check(err)
	key, err := crypto.UnmarshalPrivateKey(bytes)
	check(err)
	n := &node{ctx: context.Background(), key: key}
	n.host, err = libp2p.New(libp2p.Identity(key), libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"))
	check(err)
	n.dht, err = newDHT(n.host)
	check(err)
	n.topic, err = joinOffers(n.ctx, n.host)
	check(err)
	say(object{"event": "ready", "peer": n.host.ID().String(), "address": fmt.Sprintf("%s/p2p/%s", n.host.Addrs()[0], n.host.ID())})
	n.serve()
}
