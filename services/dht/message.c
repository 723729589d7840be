#include "services/dht/message.h"

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/varint.h"
#include "proto/libp2p/kad.pb-c.h"

enum { FIELD_KEY = 2, FIELD_RECORD = 3, FIELD_CLOSER = 8, FIELD_PROVIDERS = 9 };
enum { RECORD_KEY = 1, RECORD_VALUE = 2, PEER_ADDRESSES = 2 };
enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

/* ---- Sizes, on the raw bytes ---- */

/* One row per list or value that has a limit of its own. */
struct size_rule {
        unsigned field;
        size_t count_max, size_max;
        const struct size_rule *inside;
        size_t n_inside;
};
static const struct size_rule peer_rules[] = {
        { PEER_ADDRESSES, KAD_ADDRESSES_MAX, 1024, NULL, 0 },
};
static const struct size_rule record_rules[] = {
        { RECORD_KEY, 1, KAD_KEY_MAX, NULL, 0 },
        { RECORD_VALUE, 1, KAD_VALUE_MAX, NULL, 0 },
};
static const struct size_rule message_rules[] = {
        { FIELD_KEY, 1, KAD_KEY_MAX, NULL, 0 },
        { FIELD_RECORD, 1, KAD_MESSAGE_MAX, record_rules, ELEMENTSOF(record_rules) },
        { FIELD_CLOSER, KAD_PEERS_MAX, KAD_MESSAGE_MAX, peer_rules, ELEMENTSOF(peer_rules) },
        { FIELD_PROVIDERS, KAD_PEERS_MAX, KAD_MESSAGE_MAX, peer_rules, ELEMENTSOF(peer_rules) },
};

struct size_walk {
        const struct size_rule *rules;
        size_t n_rules;
        size_t counts[ELEMENTSOF(message_rules)];
};

static int check_sizes(struct bytes in, const struct size_rule *rules, size_t n_rules);

static int check_field(struct size_walk *w, unsigned field, struct bytes value) {
        for (size_t i = 0; i < w->n_rules; i++) {
                const struct size_rule *rule = &w->rules[i];

                if (rule->field != field)
                        continue;
                if (++w->counts[i] > rule->count_max || value.len > rule->size_max)
                        return KAD_E_LIMIT;
                return rule->n_inside ? check_sizes(value, rule->inside, rule->n_inside) : KAD_OK;
        }
        return KAD_OK;
}

/* Two levels deep at most: the tables above end there. */
static int check_sizes(struct bytes in, const struct size_rule *rules, size_t n_rules) {
        struct size_walk w = { .rules = rules, .n_rules = n_rules };
        struct reader r = reader_of(in);
        int result = KAD_OK;

        while (result == KAD_OK && !r.failed && reader_left(&r) > 0) {
                uint64_t tag = reader_varint(&r);

                if ((tag & 7) == WIRE_VARINT)
                        (void) reader_varint(&r);
                else if ((tag & 7) == WIRE_BYTES)
                        result = check_field(&w, (unsigned) (tag >> 3), reader_prefixed(&r));
                else
                        return KAD_E_INVALID;
        }
        return r.failed ? KAD_E_INVALID : result;
}

/* ---- Reading ---- */

static struct bytes view(const ProtobufCBinaryData *data) {
        return (struct bytes){ data->data, data->len };
}

static bool read_peer(const Kad__Peer *in, struct contact *ret) {
        struct multiaddr addrs[CONTACT_ADDRESSES_MAX];
        struct peer_id peer;
        size_t n = 0;

        if (!peer_id_parse(view(&in->id), &peer))
                return false;
        for (size_t i = 0; i < in->n_addrs && n < ELEMENTSOF(addrs); i++)
                n += multiaddr_parse(view(&in->addrs[i]), &addrs[n]) == MULTIADDR_OK;
        contact_init(ret, &peer, addrs, n);
        return true;
}

static size_t read_peers(Kad__Peer *const *in, size_t n_in, struct contact *ret) {
        size_t n = 0;

        for (size_t i = 0; i < n_in; i++)
                n += read_peer(in[i], &ret[n]);
        return n;
}

static const struct unpack_limits limits = {
        .depth = 2,
        .fields = 2 * KAD_PEERS_MAX * (KAD_ADDRESSES_MAX + 3) + 32,
        .unknown = 64,
        .memory = 256 * 1024,
};

int kad_message_read(struct bytes in, struct kad_message *ret) {
        struct unpacked u = {};
        const Kad__Message *m;
        int r = in.len > KAD_MESSAGE_MAX
                        ? KAD_E_LIMIT
                        : check_sizes(in, message_rules, ELEMENTSOF(message_rules));

        if (r)
                return r;
        r = wire_unpack(&kad__message__descriptor, in, &limits, &u);
        if (r)
                return r == UNPACK_E_LIMIT ? KAD_E_LIMIT : KAD_E_INVALID;
        m = u.message;
        if (m->type >= _KAD_TYPE_N) {
                unpacked_done(&u);
                return KAD_E_INVALID;
        }
        *ret = (struct kad_message){ .type = m->type, .key = view(&m->key), .unpacked = u };
        if (m->has_quoratetarget && m->quoratetarget.len == KEY_SIZE) {
                ret->has_target = true;
                memcpy(ret->target.bytes, m->quoratetarget.data, KEY_SIZE);
        }
        if (m->record) {
                ret->has_record = true;
                ret->record_key = view(&m->record->key);
                ret->value = view(&m->record->value);
                ret->received = view(&m->record->timereceived);
        }
        ret->n_closer = read_peers(m->closerpeers, m->n_closerpeers, ret->closer);
        ret->n_providers = read_peers(m->providerpeers, m->n_providerpeers, ret->providers);
        ret->n_skipped = m->n_closerpeers + m->n_providerpeers - ret->n_closer - ret->n_providers;
        return KAD_OK;
}

void kad_message_done(struct kad_message *m) {
        for (size_t i = 0; i < m->n_closer; i++)
                contact_done(&m->closer[i]);
        for (size_t i = 0; i < m->n_providers; i++)
                contact_done(&m->providers[i]);
        m->n_closer = m->n_providers = 0;
        unpacked_done(&m->unpacked);
}

/* ---- Writing ---- */

static ProtobufCBinaryData data_of(struct bytes v) {
        return (ProtobufCBinaryData){ .data = (uint8_t *) v.data, .len = v.len };
}

/* Whatever peers announce of themselves: no answer is too long to be given. */
#define PEER_SIZE (CONTACT_BYTES_MAX + PEER_ID_MAX + 32)
_Static_assert(KAD_KEY_MAX + 2 * KAD_PEERS_MAX * PEER_SIZE + 64 <= KAD_MESSAGE_MAX, "providers");
_Static_assert(2 * KAD_KEY_MAX + KAD_VALUE_MAX + KAD_PEERS_MAX * PEER_SIZE + 128 <= KAD_MESSAGE_MAX,
               "a value");

/* The peers of one list, packed one by one: protobuf allows a message in pieces, and
 * a repeated field may stand alone. */
static void put_peers(struct buffer *b, unsigned field, const struct contact *list, size_t n) {
        check(n <= KAD_PEERS_MAX);
        for (size_t i = 0; i < n; i++) {
                uint8_t room[PEER_SIZE];
                struct buffer packed = buffer_over(room, sizeof(room));
                ProtobufCBinaryData addrs[CONTACT_ADDRESSES_MAX];
                Kad__Peer peer = KAD__PEER__INIT;
                struct bytes address;
                size_t cursor = 0;

                peer.has_id = true;
                peer.id = data_of(peer_id_bytes(&list[i].peer));
                peer.addrs = addrs;
                while (peer.n_addrs < ELEMENTSOF(addrs) &&
                       contact_next_address(&list[i], &cursor, &address))
                        addrs[peer.n_addrs++] = data_of(address);
                wire_pack(&packed, &peer.base);
                buffer_put_varint(b, field << 3 | WIRE_BYTES);
                buffer_put_prefixed(b, buffer_bytes(&packed));
        }
}

void kad_message_put(struct buffer *b, const struct kad_parts *parts) {
        Kad__Message message = KAD__MESSAGE__INIT;
        Kad__Record record = KAD__RECORD__INIT;

        message.has_type = true;
        message.type = parts->type;
        message.has_key = parts->key.len > 0;
        message.key = data_of(parts->key);
        message.has_quoratetarget = parts->target != NULL;
        if (parts->target)
                message.quoratetarget = data_of(key_bytes(parts->target));
        if (parts->has_record) {
                message.record = &record;
                record.has_key = record.has_value = true;
                record.key = data_of(parts->record_key);
                record.value = data_of(parts->value);
                record.has_timereceived = parts->received.len > 0;
                record.timereceived = data_of(parts->received);
        }
        wire_pack(b, &message.base);
        put_peers(b, FIELD_CLOSER, parts->closer, parts->n_closer);
        put_peers(b, FIELD_PROVIDERS, parts->providers, parts->n_providers);
}

struct refbuf *kad_message_new(const struct kad_parts *parts) {
        struct buffer b;
        struct refbuf *ret = NULL;

        buffer_init(&b, KAD_MESSAGE_MAX);
        kad_message_put(&b, parts);
        if (!b.failed)
                ret = refbuf_new(buffer_bytes(&b));
        buffer_done(&b);
        return ret;
}
