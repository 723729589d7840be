package main

// The signed record of the DHT, written from the form in common/canonical/record.h.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	recordPrefix  = "quorate/1/record\x00"
	signatureSize = 64
	valueMax      = 16 * 1024
	ttlMax        = 48 * 3600
)

// kind, shortest and longest payload
var kinds = map[string]struct {
	number   byte
	min, max int
}{"endpoint": {1, 2, 2048}, "profile": {2, 33, 700}, "name": {4, 32, 32}}

type record struct {
	kind                 byte
	network, label       string
	publisher            peer.ID
	sequence, created    uint64
	ttl                  uint32
	payload              []byte
	statement, signature []byte
}

func putPrefixed(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// A name of ours, for an hour.
func signRecord(key crypto.PrivKey, self peer.ID, label string, sequence uint64, payload []byte) ([]byte, error) {
	b := append([]byte(recordPrefix), kinds["name"].number)
	b = putPrefixed(b, []byte(network))
	b = putPrefixed(b, []byte(label))
	b = putPrefixed(b, []byte(self))
	b = binary.BigEndian.AppendUint64(b, sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(time.Now().UnixMicro()))
	b = binary.BigEndian.AppendUint32(b, 3600)
	b = putPrefixed(b, payload)
	signature, err := key.Sign(b)
	return append(b, signature...), err
}

type reader struct {
	rest []byte
	err  error
}

func (r *reader) take(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.rest)) {
		r.err = errors.New("cut short")
		return make([]byte, min(n, 8))
	}
	v := r.rest[:n]
	r.rest = r.rest[n:]
	return v
}

func (r *reader) prefixed() []byte {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > valueMax {
		r.err = errors.New("a bad length")
		return nil
	}
	r.rest = r.rest[size:]
	return r.take(n)
}

func readRecord(value []byte) (*record, error) {
	if len(value) > valueMax || len(value) < signatureSize || !bytes.HasPrefix(value, []byte(recordPrefix)) {
		return nil, errors.New("not a signed record")
	}
	statement := value[:len(value)-signatureSize]
	in := &reader{rest: statement[len(recordPrefix):]}
	r := &record{statement: statement, signature: value[len(statement):]}
	r.kind = in.take(1)[0]
	r.network = string(in.prefixed())
	r.label = string(in.prefixed())
	publisher := in.prefixed()
	r.sequence = binary.BigEndian.Uint64(in.take(8))
	r.created = binary.BigEndian.Uint64(in.take(8))
	r.ttl = binary.BigEndian.Uint32(in.take(4))
	r.payload = in.prefixed()
	if in.err != nil || len(in.rest) > 0 {
		return nil, fmt.Errorf("not a signed record: %v", in.err)
	}
	id, err := peer.IDFromBytes(publisher)
	r.publisher = id
	return r, err
}

type validator struct{ kind string }

func (v validator) check(key string, r *record) error {
	parts := strings.SplitN(key, "/", 4) // "", kind, peer, label
	label := strings.Join(parts[3:], "")
	rule, now := kinds[v.kind], uint64(time.Now().UnixMicro())
	switch {
	case len(parts) < 3 || parts[1] != v.kind || r.kind != rule.number || r.label != label:
		return errors.New("a record of another name")
	case parts[2] != r.publisher.String():
		return errors.New("its publisher may not write under this name")
	case r.network != network:
		return errors.New("a record of another network")
	case len(r.payload) < rule.min || len(r.payload) > rule.max:
		return errors.New("no such payload")
	case r.ttl == 0 || r.ttl > ttlMax || r.created > now+600e6 || r.created+uint64(r.ttl)*1e6 <= now:
		return errors.New("it is from another time")
	}
	return nil
}

func (v validator) Validate(key string, value []byte) error {
	r, err := readRecord(value)
	if err != nil {
		return err
	}
	if err := v.check(key, r); err != nil {
		return err
	}
	public, err := r.publisher.ExtractPublicKey()
	if err != nil {
		return err
	}
	if ok, err := public.Verify(r.statement, r.signature); err != nil || !ok {
		return errors.New("a bad signature")
	}
	return nil
}

// The newest: by sequence, then by date, then by its bytes.
func (v validator) Select(_ string, values [][]byte) (int, error) {
	best, newest := -1, (*record)(nil)
	for i, value := range values {
		r, err := readRecord(value)
		if err != nil {
			continue
		}
		if best < 0 || r.sequence > newest.sequence || r.sequence == newest.sequence &&
			(r.created > newest.created || r.created == newest.created && bytes.Compare(value, values[best]) > 0) {
			best, newest = i, r
		}
	}
	if best < 0 {
		return 0, errors.New("no record")
	}
	return best, nil
}
