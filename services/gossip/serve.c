#include <string.h>

#include "common/base/memory.h"
#include "common/base/sort.h"
#include "common/wire/unpack.h"
#include "services/gossip/core_calls.h"
#include "services/gossip/neighbours.h"

/* /quorate/peers/1 for others: whom we know, and a draw of what we heard. The
 * answer holds records as their authors signed them; the asker checks each. */

#define LIST_DEFAULT   64
#define LIST_MAX       256
#define SAMPLE_DEFAULT 16
#define SAMPLE_MAX     32
#define ANSWER_BYTES   (60 * 1024)

static const struct unpack_limits request_limits = {
        .depth = 2,
        .fields = 32,
        .unknown = 8,
        .memory = 8 * 1024,
};

/* An answer being put together, never above ANSWER_BYTES. */
struct answer {
        Peers__Reply reply;
        ProtobufCBinaryData records[LIST_MAX];
        uint32_t silent_ms[SAMPLE_MAX];
        Peers__KnownPeer *known[LIST_MAX];
        Peers__KnownPeer contacts[LIST_MAX];
        ProtobufCBinaryData addresses[LIST_MAX][GOSSIP_ADDRESSES_MAX];
        size_t bytes;
};

static struct answer *answer_new(void) {
        struct answer *x = xnew(struct answer);

        peers__reply__init(&x->reply);
        x->reply.records = x->records;
        x->reply.known = x->known;
        x->reply.silent_ms = x->silent_ms;
        return x;
}

static bool add_record(struct answer *x, const struct capability *c) {
        x->bytes += c->raw->len + 4;
        if (x->bytes > ANSWER_BYTES)
                return false;
        x->records[x->reply.n_records++] = (ProtobufCBinaryData){ c->raw->len, c->raw->data };
        return true;
}

static void add_offer(struct answer *x, const struct offer_view *v) {
        if (add_record(x, v->record))
                x->silent_ms[x->reply.n_silent_ms++] = (uint32_t) (v->silence / NSEC_PER_MSEC);
}

static void send(struct gossip *g, uint64_t id, struct answer *x) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, REPLY_MAX);
        wire_pack(&b, &x->reply.base);
        gossip_add(g, GOSSIP_ANSWER, id)->data = refbuf_new(buffer_bytes(&b));
}

/* ---- Peers ---- */

/* False: there is no room left. */
static bool add_known(struct gossip *g, struct answer *x, const struct known_peer *k) {
        size_t at = x->reply.n_known, cursor = 0;
        struct multiaddr address;
        Peers__KnownPeer *out = &x->contacts[at];

        peers__known_peer__init(out);
        out->peer = (ProtobufCBinaryData){ k->peer.len, (uint8_t *) k->peer.bytes };
        out->addresses = x->addresses[at];
        x->bytes += 64;
        while (neighbours_address(k, &cursor, &address)) {
                if (!gossip_may_dial(g, &address)) /* our neighbours' are no use to others */
                        continue;
                x->addresses[at][out->n_addresses++] =
                        (ProtobufCBinaryData){ address.len, k->addresses + cursor - address.len };
                x->bytes += address.len + 4;
        }
        if (x->bytes > ANSWER_BYTES)
                return false;
        if (out->n_addresses > 0)
                x->known[x->reply.n_known++] = out;
        return true;
}

/* ---- Sample ---- */

static size_t copy_filter(const Peers__Sample *in, struct bytes engines[CAPABILITY_ENGINES_MAX],
                          struct offer_filter *ret) {
        size_t n = 0;

        for (; n < in->n_engines && n < CAPABILITY_ENGINES_MAX; n++)
                engines[n] = BYTES_STR(in->engines[n]);
        *ret = (struct offer_filter){
                .engines = engines,
                .n_engines = n,
                .data_class = in->data_class,
                .group = BYTES_STR(in->group),
                .region = BYTES_STR(in->region),
                .min_free_slots = in->min_slots,
                .min_memory_mib = in->min_memory_mib,
        };
        return n;
}

/* The own offer takes part like any other. */
static bool own_fits(struct gossip *g, const struct offer_filter *f, struct capability *ret) {
        return g->own_record &&
               capability_read(refbuf_bytes(g->own_record), ret) == CAPABILITY_OK &&
               ret->slots > 0 && offer_fits(ret, f);
}

static bool is_elsewhere(const struct gossip *g, const struct known_peer *k) {
        return k->speaks_peers && k->n_addresses > 0 && k->pow_bits >= g->config.pow_bits &&
               !shard_has_place(&g->shards[0].shard, k->place) && !gossip_is_blocked(g, &k->peer);
}

/* Some that we are connected to and that can be asked about other shards: an asker's table has
 * nobody of many. Reservoir sampling, as in offers.c. */
static void add_others(struct gossip *g, struct answer *x) {
        const struct known_peer *list[GOSSIP_OTHERS_MAX];
        struct bytes key;
        size_t cursor = 0, seen = 0;
        void *value;

        while (map_next(g->peers, &cursor, &key, &value)) {
                size_t at;

                if (!is_elsewhere(g, value))
                        continue;
                at = seen < GOSSIP_OTHERS_MAX ? seen : rng_below(&g->rng, seen + 1);
                seen++;
                if (at < GOSSIP_OTHERS_MAX)
                        list[at] = value;
        }
        for (size_t i = 0; i < seen && i < GOSSIP_OTHERS_MAX; i++)
                (void) add_known(g, x, list[i]);
}

static void serve_sample(struct gossip *g, uint64_t id, const Peers__Sample *in, nsec_t now) {
        CLEANUP(capability_donep) struct capability own = {};
        CLEANUP(freep) struct answer *x = answer_new();
        struct bytes engines[CAPABILITY_ENGINES_MAX];
        struct offer_view views[SAMPLE_MAX];
        struct offer_filter filter;
        size_t max = in->max > 0 ? in->max : SAMPLE_DEFAULT, n;
        struct offer_draw heard;

        (void) copy_filter(in, engines, &filter);
        max = max < SAMPLE_MAX ? max : SAMPLE_MAX;
        heard = (struct offer_draw){ &filter, &g->rng, views, max };
        offers_draw(g->offers, &heard, now);
        n = heard.n;
        if (own_fits(g, &filter, &own)) {
                /* one of n + 1: it takes a random place, or the one that is free */
                size_t at = n < max ? n++ : rng_below(&g->rng, n + 1);

                if (at < max)
                        views[at] = (struct offer_view){ &own, 0, 0 };
        }
        for (size_t i = 0; i < n; i++)
                add_offer(x, &views[i]);
        x->reply.unusable = (uint32_t) heard.unusable;
        add_others(g, x);
        send(g, id, x);
}

/* ---- List ---- */

static bool is_dialable(const struct gossip *g, const struct known_peer *k) {
        struct multiaddr address;
        size_t cursor = 0;

        while (neighbours_address(k, &cursor, &address))
                if (gossip_may_dial(g, &address))
                        return true;
        return false;
}

static int compare_known(const void *a, const void *b) {
        const struct known_peer *const *x = a, *const *y = b;

        return peer_id_compare(&(*x)->peer, &(*y)->peer);
}

/* Peers we are connected to and that sent no record, in order of peer id; not ours to name: those
 * of other networks. */
static const struct known_peer **list_silent(struct gossip *g, const struct peer_id *after,
                                             nsec_t now, size_t *ret_n) {
        const struct known_peer **list = xnew_n(const struct known_peer *, map_count(g->peers) + 1);
        struct offer_view view;
        struct bytes key;
        size_t cursor = 0, n = 0;
        void *value;

        while (map_next(g->peers, &cursor, &key, &value)) {
                const struct known_peer *k = value;

                if ((!after || peer_id_compare(&k->peer, after) > 0) && !k->is_elsewhere &&
                    !gossip_is_blocked(g, &k->peer) &&
                    !offers_get(g->offers, &k->peer, now, &view) && is_dialable(g, k))
                        list[n++] = k;
        }
        sort(list, n, sizeof(*list), compare_known);
        *ret_n = n;
        return list;
}

/* Both kinds in one order, so that whoever goes on behind the last one has missed nobody. */
static void serve_list(struct gossip *g, uint64_t id, const Peers__List *in, nsec_t now) {
        CLEANUP(freep) struct offer_view *views = xnew_n(struct offer_view, LIST_MAX + 1);
        CLEANUP(freep) const struct known_peer **silent = NULL;
        CLEANUP(freep) struct answer *x = answer_new();
        size_t max = in->max > 0 ? in->max : LIST_DEFAULT, n, n_silent, i = 0, k = 0;
        struct peer_id peer;
        const struct peer_id *after =
                peer_id_parse(BYTES(in->after.data, in->after.len), &peer) ? &peer : NULL;

        max = max < LIST_MAX ? max : LIST_MAX;
        n = offers_list(g->offers, after, now, views, max + 1); /* one more: is it the last page? */
        silent = list_silent(g, after, now, &n_silent);
        while (i + k < max && (i < n || k < n_silent)) {
                bool is_record = k == n_silent || (i < n && peer_id_compare(&views[i].record->peer,
                                                                            &silent[k]->peer) < 0);

                if (!(is_record ? add_record(x, views[i].record) : add_known(g, x, silent[k])))
                        break;
                i += is_record;
                k += !is_record;
        }
        x->reply.truncated = i < n || k < n_silent;
        send(g, id, x);
}

/* ---- Revoked ---- */

static void serve_revoked(struct gossip *g, uint64_t id, const Peers__Revoked *in, nsec_t now) {
        if (gossip_revoked(g, BYTES(in->value.data, in->value.len), now))
                gossip_add(g, GOSSIP_ANSWER, id)->data = refbuf_new(BYTES_NONE);
        else
                gossip_add(g, GOSSIP_REFUSE, id);
}

void serve(struct gossip *g, uint64_t id, struct bytes question, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Peers__Request *in;

        if (question.len > REQUEST_MAX ||
            wire_unpack(&peers__request__descriptor, question, &request_limits, &u) != UNPACK_OK) {
                g_count(g, GOSSIP_QUESTIONS_REFUSED);
                gossip_add(g, GOSSIP_REFUSE, id);
                return;
        }
        in = u.message;
        switch (in->body_case) {
        case PEERS__REQUEST__BODY_LIST:
                serve_list(g, id, in->list, now);
                break;
        case PEERS__REQUEST__BODY_SAMPLE:
                serve_sample(g, id, in->sample, now);
                break;
        case PEERS__REQUEST__BODY_REVOKED:
                serve_revoked(g, id, in->revoked, now);
                break;
        default:
                gossip_add(g, GOSSIP_REFUSE, id);
        }
}
