#include "services/gossip/rpc_message.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/wire/varint.h"

/* Field numbers (proto/libp2p/gossipsub.proto); all written here are wire type 2 or 0. */
enum { RPC_SUBSCRIPTIONS = 1, RPC_PUBLISH = 2, RPC_CONTROL = 3 };
enum { SUB_SUBSCRIBE = 1, SUB_TOPIC = 2 };
enum { CONTROL_IHAVE = 1, CONTROL_IWANT, CONTROL_GRAFT, CONTROL_PRUNE, CONTROL_IDONTWANT };
enum { IHAVE_TOPIC = 1, IHAVE_IDS = 2, IWANT_IDS = 1, GRAFT_TOPIC = 1 };
enum { PRUNE_TOPIC = 1, PRUNE_PEERS = 2, PRUNE_BACKOFF = 3, PEER_ID = 1, PEER_RECORD = 2 };
enum {
        MESSAGE_FROM = 1,
        MESSAGE_DATA,
        MESSAGE_SEQNO,
        MESSAGE_TOPIC,
        MESSAGE_SIGNATURE,
        MESSAGE_KEY
};

#define BUFFER_MAX   (2 * 1024 * 1024)
#define ENVELOPE_MAX 16 /* tags and lengths around one field */
#define WIRE_VARINT  0
#define WIRE_BYTES   2

static void put_bytes(struct buffer *b, unsigned field, struct bytes v) {
        buffer_put_varint(b, field << 3 | WIRE_BYTES);
        buffer_put_prefixed(b, v);
}

static void put_number(struct buffer *b, unsigned field, uint64_t v) {
        buffer_put_varint(b, field << 3 | WIRE_VARINT);
        buffer_put_varint(b, v);
}

/* ---- Writing RPCs ---- */

struct rpc_written {
        struct buffer plain;   /* subscriptions and messages */
        struct buffer control; /* fields of the ControlMessage */
        struct refbuf **full;  /* RPCs that are full, the oldest first, from `taken` on */
        size_t n_full, taken, full_bytes;
};

void rpc_writer_init(struct rpc_writer *w) {
        w->written = NULL;
}

static struct rpc_written *written_of(struct rpc_writer *w) {
        if (!w->written) {
                w->written = xnew(struct rpc_written);
                buffer_init(&w->written->plain, BUFFER_MAX);
                buffer_init(&w->written->control, BUFFER_MAX);
        }
        return w->written;
}

static void forget_full(struct rpc_written *w) {
        while (w->taken < w->n_full)
                refbuf_unref(w->full[w->taken++]);
        free(w->full);
        w->full = NULL;
        w->n_full = w->taken = w->full_bytes = 0;
}

void rpc_writer_done(struct rpc_writer *writer) {
        struct rpc_written *w = writer->written;

        if (!w)
                return;
        buffer_done(&w->plain);
        buffer_done(&w->control);
        forget_full(w);
        free(w);
        writer->written = NULL;
}

static size_t unsealed(const struct rpc_written *w) {
        return w->plain.len + w->control.len;
}

size_t rpc_writer_size(const struct rpc_writer *writer) {
        const struct rpc_written *w = writer->written;

        return w ? unsealed(w) + w->full_bytes : 0;
}

static struct refbuf *seal(struct rpc_written *w) {
        struct refbuf *ret;

        if (w->control.len > 0)
                put_bytes(&w->plain, RPC_CONTROL, buffer_bytes(&w->control));
        ret = refbuf_new(buffer_bytes(&w->plain));
        /* Not kept: hundreds of writers with the memory of their fullest moment add up. */
        buffer_done(&w->plain);
        buffer_done(&w->control);
        buffer_init(&w->plain, BUFFER_MAX);
        buffer_init(&w->control, BUFFER_MAX);
        return ret;
}

/* For n more bytes: what would grow too large for others is closed. */
static struct rpc_written *make_room(struct rpc_writer *writer, size_t n) {
        struct rpc_written *w = written_of(writer);
        struct refbuf *rpc;

        if (unsealed(w) == 0 || unsealed(w) + n + ENVELOPE_MAX <= RPC_OWN_MAX)
                return w;
        rpc = seal(w);
        w->full = xrealloc(w->full, (w->n_full + 1) * sizeof(struct refbuf *));
        w->full[w->n_full++] = rpc;
        w->full_bytes += rpc->len;
        return w;
}

void rpc_put_subscription(struct rpc_writer *writer, const char *topic, bool subscribe) {
        struct bytes name = BYTES_STR(topic);
        struct rpc_written *w = make_room(writer, name.len);
        buffer_put_varint(&w->plain, RPC_SUBSCRIPTIONS << 3 | WIRE_BYTES);
        buffer_put_varint(&w->plain, 2 + 1 + varint_size(name.len) + name.len);
        put_number(&w->plain, SUB_SUBSCRIBE, subscribe);
        put_bytes(&w->plain, SUB_TOPIC, name);
}

void rpc_put_message(struct rpc_writer *writer, struct bytes raw) {
        struct rpc_written *w = make_room(writer, raw.len);
        put_bytes(&w->plain, RPC_PUBLISH, raw);
}

static size_t ids_size(size_t n) {
        return n * (1 + 1 + PUBSUB_ID_SIZE);
}

static void put_ids(struct buffer *b, unsigned field, const struct message_id *ids, size_t n) {
        for (size_t i = 0; i < n; i++)
                put_bytes(b, field, message_id_bytes(&ids[i]));
}

void rpc_put_ihave(struct rpc_writer *writer, const char *topic, const struct message_id *ids,
                   size_t n) {
        struct bytes name = BYTES_STR(topic);
        struct rpc_written *w = make_room(writer, name.len + ids_size(n));
        buffer_put_varint(&w->control, CONTROL_IHAVE << 3 | WIRE_BYTES);
        buffer_put_varint(&w->control, 1 + varint_size(name.len) + name.len + ids_size(n));
        put_bytes(&w->control, IHAVE_TOPIC, name);
        put_ids(&w->control, IHAVE_IDS, ids, n);
}

static void put_id_list(struct rpc_writer *writer, unsigned field, const struct message_id *ids,
                        size_t n) {
        struct rpc_written *w = make_room(writer, ids_size(n));
        buffer_put_varint(&w->control, field << 3 | WIRE_BYTES);
        buffer_put_varint(&w->control, ids_size(n));
        put_ids(&w->control, IWANT_IDS, ids, n);
}

void rpc_put_iwant(struct rpc_writer *writer, const struct message_id *ids, size_t n) {
        put_id_list(writer, CONTROL_IWANT, ids, n);
}

void rpc_put_idontwant(struct rpc_writer *writer, const struct message_id *ids, size_t n) {
        put_id_list(writer, CONTROL_IDONTWANT, ids, n);
}

void rpc_put_graft(struct rpc_writer *writer, const char *topic) {
        struct bytes name = BYTES_STR(topic);
        struct rpc_written *w = make_room(writer, name.len);
        buffer_put_varint(&w->control, CONTROL_GRAFT << 3 | WIRE_BYTES);
        buffer_put_varint(&w->control, 1 + varint_size(name.len) + name.len);
        put_bytes(&w->control, GRAFT_TOPIC, name);
}

static void put_peer(struct buffer *b, const struct rpc_peer *p) {
        struct buffer inner;

        buffer_init(&inner, BUFFER_MAX);
        put_bytes(&inner, PEER_ID, p->peer);
        if (p->record.len > 0)
                put_bytes(&inner, PEER_RECORD, p->record);
        put_bytes(b, PRUNE_PEERS, buffer_bytes(&inner));
        buffer_done(&inner);
}

void rpc_put_prune(struct rpc_writer *writer, const char *topic, const struct rpc_peer *peers,
                   size_t n, uint64_t backoff_s) {
        struct rpc_written *w;
        struct buffer inner;

        buffer_init(&inner, BUFFER_MAX);
        put_bytes(&inner, PRUNE_TOPIC, BYTES_STR(topic));
        for (size_t i = 0; i < n; i++)
                put_peer(&inner, &peers[i]);
        put_number(&inner, PRUNE_BACKOFF, backoff_s);
        w = make_room(writer, inner.len);
        put_bytes(&w->control, CONTROL_PRUNE, buffer_bytes(&inner));
        buffer_done(&inner);
}

struct refbuf *rpc_take(struct rpc_writer *writer) {
        struct rpc_written *w = writer->written;
        struct refbuf *ret = NULL;

        if (!w)
                return NULL;
        if (w->taken < w->n_full) {
                ret = w->full[w->taken++];
                w->full_bytes -= ret->len;
        } else if (unsealed(w) > 0) {
                ret = seal(w);
        }
        if (w->taken == w->n_full && unsealed(w) == 0)
                rpc_writer_done(writer);
        return ret;
}

/* ---- Reading RPCs ---- */

bool rpc_read(struct bytes in, struct unpacked *ret) {
        /* 5,000 ids of each of ten IHAVEs are asked about at most; one RPC of a well-behaved
         * peer has fewer than half of that. */
        static const struct unpack_limits limits = {
                .depth = 4,
                .fields = 24 * 1024,
                .unknown = 64,
                .memory = 4 * 1024 * 1024,
        };

        return in.len <= PUBSUB_RPC_MAX &&
               wire_unpack(&gossipsub__rpc__descriptor, in, &limits, ret) == UNPACK_OK;
}

/* ---- Messages ---- */

struct field {
        unsigned number, type;
        uint64_t value;
        struct bytes data, whole; /* whole: with tag and length */
};

/* The next field; false at the end and when malformed (reader.failed). */
static bool next_field(struct reader *r, struct field *ret) {
        size_t begin = r->pos;
        uint64_t tag;

        if (reader_left(r) == 0)
                return false;
        tag = reader_varint(r);
        *ret = (struct field){ .number = (unsigned) (tag >> 3), .type = tag & 7 };
        if (ret->type == WIRE_BYTES)
                ret->data = reader_prefixed(r);
        else if (ret->type == WIRE_VARINT)
                ret->value = reader_varint(r);
        else
                r->failed = true;
        if (tag >> 3 == 0 || tag >> 3 > UINT16_MAX)
                r->failed = true;
        ret->whole = BYTES(r->data + begin, r->pos - begin);
        return !r->failed;
}

/* Every field at most once; ours are bytes; ones we do not know are skipped. */
static bool take_fields(struct bytes raw, struct pubsub_message *m) {
        struct bytes *const slots[] = { NULL,      &m->from,      &m->data, &m->seqno,
                                        &m->topic, &m->signature, &m->key };
        struct reader r = reader_of(raw);
        struct field f;

        while (next_field(&r, &f)) {
                if (f.number >= sizeof(slots) / sizeof(*slots))
                        continue;
                if (f.type != WIRE_BYTES || slots[f.number]->data)
                        return false;
                *slots[f.number] = f.data;
        }
        return reader_done(&r);
}

/* RFC 0001's inline ids hold the key; one sent beside it must be the same. */
static bool author_of(struct pubsub_message *m) {
        struct sign_public key;
        struct peer_id sent;

        if (!peer_id_parse(m->from, &m->author) || !peer_id_ed25519(&m->author, &key))
                return false;
        return m->key.len == 0 ||
               (peer_id_from_public_key(m->key, &sent) && peer_id_equal(&sent, &m->author));
}

int message_read(struct bytes raw, struct pubsub_message *ret) {
        *ret = (struct pubsub_message){};
        if (raw.len > PUBSUB_MESSAGE_MAX + 1024)
                return MESSAGE_E_TOO_BIG;
        if (!take_fields(raw, ret) || ret->topic.len == 0)
                return MESSAGE_E_INVALID;
        if (ret->data.len > PUBSUB_MESSAGE_MAX)
                return MESSAGE_E_TOO_BIG;
        if (ret->from.len == 0 || ret->seqno.len != SEQNO_SIZE ||
            ret->signature.len != SIGNATURE_SIZE)
                return MESSAGE_E_UNSIGNED;
        if (!author_of(ret))
                return MESSAGE_E_AUTHOR;
        ret->sequence = load_be64(ret->seqno.data);
        return MESSAGE_OK;
}

bool message_put_signed(struct buffer *b, struct bytes raw, bool with_key) {
        struct reader r = reader_of(raw);
        struct field f;

        buffer_put_bytes(b, PUBSUB_PREFIX);
        while (next_field(&r, &f))
                if (f.number != MESSAGE_SIGNATURE && (with_key || f.number != MESSAGE_KEY))
                        buffer_put_bytes(b, f.whole);
        return reader_done(&r);
}

void message_put(struct buffer *b, const struct peer_id *author, struct bytes data,
                 uint64_t sequence, const char *topic) {
        uint8_t seqno[SEQNO_SIZE];

        store_be64(seqno, sequence);
        put_bytes(b, MESSAGE_FROM, peer_id_bytes(author));
        put_bytes(b, MESSAGE_DATA, data);
        put_bytes(b, MESSAGE_SEQNO, BYTES(seqno, SEQNO_SIZE));
        put_bytes(b, MESSAGE_TOPIC, BYTES_STR(topic));
}

void message_put_signature(struct buffer *b, struct bytes signature) {
        put_bytes(b, MESSAGE_SIGNATURE, signature);
}
