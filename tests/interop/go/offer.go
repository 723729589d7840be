package main

// What a node gossips about itself: proto/peers.proto, SignedCapability.

import (
	"errors"
	"math/bits"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/crypto/blake2b"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	offerPrefix = "quorate/1/capability\x00"
	offerMax    = 512
	workBits    = 16

	fieldPeer, fieldSequence, fieldNetwork       = 1, 2, 3
	fieldName, fieldVersion, fieldDatasets       = 16, 17, 18
	envelopeBody, envelopeSignature, skew  int64 = 1, 2, 600e9
)

type offer struct {
	peer, network, name string
	sequence, datasets  uint64
}

func putBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func putNumber(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func signOffer(key crypto.PrivKey, self peer.ID, name string, datasets uint64) ([]byte, error) {
	body := putBytes(nil, fieldPeer, []byte(self))
	body = putNumber(body, fieldSequence, uint64(time.Now().UnixNano()))
	body = putBytes(body, fieldNetwork, []byte(network))
	body = putBytes(body, fieldName, []byte(name))
	body = putBytes(body, fieldVersion, []byte("go"))
	body = putNumber(body, fieldDatasets, datasets)
	signature, err := key.Sign(append([]byte(offerPrefix), body...))
	return putBytes(putBytes(nil, protowire.Number(envelopeBody), body), protowire.Number(envelopeSignature), signature), err
}

// {field: bytes or number} of a message whose fields are all of these two kinds; the last one of a field counts.
func fields(b []byte) (map[protowire.Number][]byte, map[protowire.Number]uint64, error) {
	texts, numbers := map[protowire.Number][]byte{}, map[protowire.Number]uint64{}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, nil, protowire.ParseError(n)
		}
		b = b[n:]
		switch kind {
		case protowire.BytesType:
			texts[field], n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			numbers[field], n = protowire.ConsumeVarint(b)
		default:
			return nil, nil, errors.New("no such field")
		}
		if n < 0 {
			return nil, nil, protowire.ParseError(n)
		}
		b = b[n:]
	}
	return texts, numbers, nil
}

func work(key crypto.PubKey) int {
	raw, _ := key.Raw()
	digest := blake2b.Sum256(raw)
	zeros := 0
	for _, b := range digest {
		zeros += bits.LeadingZeros8(b)
		if b != 0 {
			break
		}
	}
	return zeros
}

func openOffer(author peer.ID, data []byte) (*offer, error) {
	envelope, _, err := fields(data)
	if err != nil || len(data) > offerMax {
		return nil, errors.New("not a signed record")
	}
	body := envelope[protowire.Number(envelopeBody)]
	texts, numbers, err := fields(body)
	if err != nil {
		return nil, err
	}
	o := &offer{string(texts[fieldPeer]), string(texts[fieldNetwork]), string(texts[fieldName]), numbers[fieldSequence], numbers[fieldDatasets]}
	public, err := author.ExtractPublicKey()
	if err != nil {
		return nil, err
	}
	age := time.Now().UnixNano() - int64(o.sequence)
	switch {
	case o.peer != string(author):
		return nil, errors.New("a record about another peer")
	case work(public) < workBits:
		return nil, errors.New("too little proof of work")
	case o.network != network:
		return nil, errors.New("a record of another network")
	case age > skew || age < -skew:
		return nil, errors.New("from another time")
	}
	signed := append([]byte(offerPrefix), body...)
	if ok, err := public.Verify(signed, envelope[protowire.Number(envelopeSignature)]); err != nil || !ok {
		return nil, errors.New("a bad signature")
	}
	return o, nil
}
