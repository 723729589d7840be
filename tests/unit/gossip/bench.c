#include "tests/unit/gossip/bench.h"

#include "common/base/error.h"
#include "common/base/memory.h"

void bench_init(struct bench *b, const struct pubsub_config *config) {
        uint8_t seed[SIGN_SEED_SIZE] = { 200 };
        struct sign_public key;

        *b = (struct bench){ .now = 100 * NSEC_PER_SEC };
        if (config)
                b->config = *config;
        else
                pubsub_config_default(&b->config);
        sign_keypair(seed, &b->own, &key);
        b->self = peer_id_from_ed25519(&key);
        for (unsigned i = 0; i < BENCH_PEERS; i++) {
                seed[0] = (uint8_t) (i + 1);
                sign_keypair(seed, &b->secrets[i], &key);
                b->peers[i] = peer_id_from_ed25519(&key);
        }
        b->p = pubsub_new(&b->config, &b->self, 7);
        pubsub_clock(b->p, b->now, WALL_NS);
}

void bench_done(struct bench *b) {
        pubsub_free(b->p);
}

/* ---- What it sends ---- */

static unsigned index_of(const struct bench *b, const struct peer_id *peer) {
        for (unsigned i = 0; i < BENCH_PEERS; i++)
                if (peer_id_equal(&b->peers[i], peer))
                        return i;
        return BENCH_PEERS;
}

static void count_control(struct bench_sent *s, const Gossipsub__ControlMessage *c) {
        for (size_t i = 0; i < c->n_ihave; i++)
                s->ihave_ids += (unsigned) c->ihave[i]->n_message_ids;
        for (size_t i = 0; i < c->n_iwant; i++)
                s->iwant_ids += (unsigned) c->iwant[i]->n_message_ids;
        for (size_t i = 0; i < c->n_idontwant; i++)
                s->idontwant += (unsigned) c->idontwant[i]->n_message_ids;
        for (size_t i = 0; i < c->n_prune; i++) {
                s->px += (unsigned) c->prune[i]->n_peers;
                s->backoff = c->prune[i]->backoff;
        }
        s->ihaves += (unsigned) c->n_ihave;
        s->grafts += (unsigned) c->n_graft;
        s->prunes += (unsigned) c->n_prune;
}

static void count_sent(struct bench *b, const struct pubsub_output *o) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        unsigned to = index_of(b, &o->peer);
        const Gossipsub__RPC *rpc;
        struct bench_sent *s;

        check(rpc_read(refbuf_bytes(o->data), &u));
        if (to == BENCH_PEERS)
                return;
        rpc = u.message;
        s = &b->sent[to];
        s->rpcs++;
        s->gossip_rpcs += o->is_gossip;
        s->largest = o->data->len > s->largest ? o->data->len : s->largest;
        s->messages += (unsigned) rpc->n_publish;
        for (size_t i = 0; i < rpc->n_subscriptions; i++)
                if (rpc->subscriptions[i]->subscribe)
                        s->subscribed++;
                else
                        s->unsubscribed++;
        if (rpc->control)
                count_control(s, rpc->control);
}

static void sign_own(struct bench *b, const struct pubsub_output *o) {
        CLEANUP(buffer_donep) struct buffer data = {};
        struct signature s;

        b->n_signs++;
        b->to_sign = o->id;
        if (b->holds_signatures)
                return;
        buffer_init(&data, PUBSUB_MESSAGE_MAX + 2048);
        buffer_put_bytes(&data, PUBSUB_PREFIX);
        buffer_put_bytes(&data, refbuf_bytes(o->data));
        s = sign_make(&b->own, buffer_bytes(&data));
        pubsub_signed(b->p, o->id, signature_bytes(&s), b->now);
}

static void delivered(struct bench *b, const struct pubsub_output *o) {
        b->n_delivered++;
        b->delivered_author = o->author;
        b->held = o->id;
        if (!b->holds_verdicts)
                pubsub_validated(b->p, o->id, b->verdict, b->now);
}

void bench_drain(struct bench *b) {
        struct pubsub_output o;

        while (pubsub_output(b->p, &o)) {
                if (o.type == PUBSUB_SEND)
                        count_sent(b, &o);
                else if (o.type == PUBSUB_MESSAGE)
                        delivered(b, &o);
                else if (o.type == PUBSUB_SIGN)
                        sign_own(b, &o);
                b->n_dropped += o.type == PUBSUB_DROP;
                b->n_connects += o.type == PUBSUB_CONNECT;
                b->n_published += o.type == PUBSUB_PUBLISHED;
                if (o.type == PUBSUB_DROP)
                        b->dropped = o.peer;
                if (o.type == PUBSUB_CONNECT)
                        b->connected = o.peer;
                if (o.type == PUBSUB_PUBLISHED)
                        b->published_to = o.n;
                pubsub_output_done(&o);
        }
}

void bench_forget(struct bench *b) {
        memset(b->sent, 0, sizeof(b->sent));
}

void bench_run(struct bench *b, nsec_t time) {
        nsec_t end = b->now + time;

        while (pubsub_deadline(b->p) <= end) {
                b->now = nsec_max(b->now, pubsub_deadline(b->p));
                pubsub_expire(b->p, b->now);
                bench_drain(b);
        }
        b->now = end;
}

uint64_t bench_counter(const struct bench *b, const char *name) {
        const struct pubsub_counter *c;
        size_t n = pubsub_counters(b->p, &c);

        for (size_t i = 0; i < n; i++)
                if (strcmp(c[i].name, name) == 0)
                        return c[i].value;
        check(false);
        return 0;
}

/* ---- What peers do ---- */

void bench_up(struct bench *b, unsigned peer, bool outbound) {
        struct pubsub_peer_info info = { .peer = b->peers[peer],
                                         .version = PUBSUB_V1_2,
                                         .is_outbound = outbound,
                                         .may_mesh = true };

        pubsub_peer_up(b->p, &info, b->now);
        bench_drain(b);
}

void bench_down(struct bench *b, unsigned peer) {
        pubsub_peer_down(b->p, &b->peers[peer], b->now);
        bench_drain(b);
}

void bench_rpc(struct bench *b, unsigned peer, struct bytes rpc) {
        pubsub_receive(b->p, &b->peers[peer], rpc, b->now);
        bench_drain(b);
}

void bench_send(struct bench *b, unsigned peer, struct rpc_writer *w) {
        struct refbuf *rpc;

        while ((rpc = rpc_take(w))) {
                bench_rpc(b, peer, refbuf_bytes(rpc));
                refbuf_unref(rpc);
        }
        rpc_writer_done(w);
}

void bench_subscribe(struct bench *b, unsigned peer, const char *topic, bool subscribe) {
        struct rpc_writer w;

        rpc_writer_init(&w);
        rpc_put_subscription(&w, topic, subscribe);
        bench_send(b, peer, &w);
}

void bench_graft(struct bench *b, unsigned peer, const char *topic) {
        struct rpc_writer w;

        rpc_writer_init(&w);
        rpc_put_graft(&w, topic);
        bench_send(b, peer, &w);
}

void bench_prune(struct bench *b, unsigned peer, const char *topic, uint64_t seconds) {
        struct rpc_writer w;

        rpc_writer_init(&w);
        rpc_put_prune(&w, topic, NULL, 0, seconds);
        bench_send(b, peer, &w);
}

void bench_join(struct bench *b, unsigned peer) {
        bench_up(b, peer, false);
        bench_subscribe(b, peer, TOPIC, true);
        bench_graft(b, peer, TOPIC);
}

struct refbuf *bench_message(struct bench *b, unsigned author, unsigned signer, struct bytes data,
                             const char *topic) {
        CLEANUP(buffer_donep) struct buffer raw = {}, form = {};
        struct signature s;

        buffer_init(&raw, PUBSUB_MESSAGE_MAX + 2048);
        buffer_init(&form, PUBSUB_MESSAGE_MAX + 2048);
        message_put(&raw, &b->peers[author], data, WALL_NS + ++b->sequence, topic);
        check(message_put_signed(&form, buffer_bytes(&raw), false));
        s = sign_make(&b->secrets[signer], buffer_bytes(&form));
        message_put_signature(&raw, signature_bytes(&s));
        return refbuf_new(buffer_bytes(&raw));
}

void bench_deliver(struct bench *b, unsigned from, const struct refbuf *message) {
        struct rpc_writer w;

        rpc_writer_init(&w);
        rpc_put_message(&w, refbuf_bytes(message));
        bench_send(b, from, &w);
}

struct message_id bench_say(struct bench *b, unsigned author, uint64_t number, size_t size) {
        CLEANUP(freep) uint8_t *data = xcalloc(1, size + sizeof(number));
        CLEANUP(refbuf_unrefp) struct refbuf *m = NULL;

        memcpy(data, &number, sizeof(number));
        m = bench_message(b, author, author, BYTES(data, size + sizeof(number)), TOPIC);
        bench_deliver(b, author, m);
        return message_id_of(BYTES(data, size + sizeof(number)));
}
