package main

// What a go-libp2p peer needs to take part in a Quorate network: ../README.md shows newDHT and newGossip.

import (
	"context"
	"crypto/sha256"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	network = "public"
	offers  = "quorate/caps/1/" + network + "/0/00000000"
)

func newDHT(h host.Host) (*dht.IpfsDHT, error) {
	return dht.New(h, dht.ProtocolPrefix("/quorate"), dht.Mode(dht.ModeServer),
		dht.NamespacedValidator("endpoint", validator{"endpoint"}),
		dht.NamespacedValidator("profile", validator{"profile"}),
		dht.NamespacedValidator("name", validator{"name"}))
}

func newGossip(ctx context.Context, h host.Host) (*pubsub.PubSub, error) {
	return pubsub.NewGossipSub(ctx, h, pubsub.WithMessageIdFn(func(m *pb.Message) string {
		id := sha256.Sum256(m.GetData())
		return string(id[:])
	}))
}

// Every offer heard becomes an event, with the verdict on it.
func validateOffer(_ context.Context, _ peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	o, err := openOffer(m.GetFrom(), m.Data)
	if err != nil {
		say(object{"event": "verdict", "verdict": err.Error(), "author": m.GetFrom().String()})
		return pubsub.ValidationReject
	}
	say(object{"event": "offer", "author": m.GetFrom().String(), "name": o.name, "datasets": o.datasets})
	return pubsub.ValidationAccept
}

func joinOffers(ctx context.Context, h host.Host) (*pubsub.Topic, error) {
	ps, err := newGossip(ctx, h)
	if err != nil {
		return nil, err
	}
	if err := ps.RegisterTopicValidator(offers, validateOffer); err != nil {
		return nil, err
	}
	topic, err := ps.Join(offers)
	if err != nil {
		return nil, err
	}
	sub, err := topic.Subscribe()
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			if _, err := sub.Next(ctx); err != nil {
				return
			}
		}
	}()
	return topic, nil
}
