#include "common/base/memory.h"
#include "services/dht/internal.h"

#define POINT_TRIES     2048 /* hashes for a key in a bucket: enough for the first ten */
#define CONNECT_TIMEOUT (15 * NSEC_PER_SEC)

/* ---- Sending ---- */

static struct ask *ask_new(struct dht *d, const struct contact *to, nsec_t timeout) {
        struct ask *a = xnew(struct ask);

        a->id = ++d->last_id;
        a->contact = contact_ref(to);
        a->sent = d->now;
        a->edge = LOOKUP_MAIN;
        list_init(&a->link);
        list_push_back(&d->asks, &a->link);
        (void) map_set_u64(d->ask_ids, a->id, a);
        heap_set(&d->timers, &a->timer, nsec_add(d->now, timeout));
        return a;
}

struct ask *ask_send(struct dht *d, const struct contact *to, enum dht_protocol protocol,
                     struct refbuf *message, bool wants_answer) {
        struct ask *a = ask_new(d, to, d->config.request_timeout);
        struct dht_action *action = dht_act(d, DHT_ASK, a->id);

        a->protocol = protocol;
        a->wants_answer = wants_answer;
        action->contact = contact_ref(to);
        action->protocol = protocol;
        action->data = refbuf_ref(message);
        action->n = wants_answer;
        dht_count(d, COUNT_ASKED);
        return a;
}

struct ask *ask_connect(struct dht *d, const struct contact *to) {
        struct ask *a = ask_new(d, to, CONNECT_TIMEOUT);

        dht_act(d, DHT_CONNECT, a->id)->contact = contact_ref(to);
        dht_count(d, COUNT_CONNECTS);
        return a;
}

/* ---- Points of the key space ---- */

struct refbuf *ask_find_exact(const struct key *target) {
        struct kad_parts parts = { .type = KAD_FIND_NODE,
                                   .key = key_bytes(target),
                                   .target = target };

        return kad_message_new(&parts);
}

/* Peers of other libraries go by the hash of `key` alone: let it fall into the bucket. */
struct refbuf *ask_find_point(struct dht *d, struct key *target, unsigned prefix) {
        uint8_t name[KEY_SIZE];

        rng_bytes(&d->rng, name, sizeof(name));
        for (unsigned i = 0; i < POINT_TRIES; i++) {
                struct key hash = key_of(BYTES_OF(name));

                if (key_common_prefix(&d->self_key, &hash) == prefix) {
                        struct kad_parts parts = { .type = KAD_FIND_NODE, .key = BYTES_OF(name) };

                        *target = hash;
                        return kad_message_new(&parts);
                }
                store_be32(name, load_be32(name) + 1);
        }
        *target = key_in_bucket(&d->self_key, prefix, name);
        return ask_find_exact(target);
}

/* ---- What comes of it ---- */

static struct ask *ask_take(struct dht *d, struct ask *a) {
        (void) map_remove_u64(d->ask_ids, a->id);
        heap_remove(&d->timers, &a->timer);
        list_remove(&a->link);
        return a;
}

static void ask_free(struct ask *a) {
        contact_done(&a->contact);
        free(a);
}

void ask_drop(struct dht *d, struct ask *a) {
        dht_act(d, DHT_FORGET, a->id);
        ask_free(ask_take(d, a));
}

static void finish(struct dht *d, struct ask *a, const struct kad_message *answer,
                   const struct bytes *message) {
        ask_take(d, a);
        if (a->done)
                a->done(d, a, answer, message, d->now);
        ask_free(a);
}

static void fail(struct dht *d, struct ask *a) {
        dht_count(d, COUNT_ASKS_FAILED);
        if (!peer_id_is_none(&a->contact.peer))
                peer_failed(d, &a->contact, d->now);
        finish(d, a, NULL, NULL);
}

void asks_expire(struct dht *d, nsec_t now) {
        struct heap_entry *e;

        while ((e = heap_pop_due(&d->timers, now))) {
                struct ask *a = container_of(e, struct ask, timer);

                dht_act(d, DHT_FORGET, a->id);
                fail(d, a);
        }
}

/* Only who cannot be reached, or says nothing, is held to be away. */
void dht_failed(struct dht *d, uint64_t id, enum dht_failure why, nsec_t now) {
        struct ask *a = map_get_u64(d->ask_ids, id);

        d->now = now;
        if (!a)
                return;
        dht_count(d, why == DHT_NO_PROTOCOL && a->protocol == DHT_PROTOCOL_RECORD
                             ? COUNT_ASKS_UNSPOKEN
                             : COUNT_ASKS_FAILED);
        if (why == DHT_NO_PROTOCOL && a->protocol == DHT_PROTOCOL_KAD)
                table_remove(&d->table, &a->contact.key);
        if (why == DHT_RESET && a->protocol == DHT_PROTOCOL_KAD && !a->is_store)
                peer_refused(d, &a->contact, now);
        if (why == DHT_UNREACHABLE || why == DHT_SILENT)
                peer_failed(d, &a->contact, now);
        finish(d, a, NULL, NULL);
}

static void read_answer(struct dht *d, struct ask *a, struct bytes message) {
        CLEANUP(kad_message_donep) struct kad_message answer = {};
        static const struct bytes nothing = {};

        if (!a->wants_answer) {
                finish(d, a, NULL, &nothing);
                return;
        }
        if (a->protocol == DHT_PROTOCOL_KAD && kad_message_read(message, &answer)) {
                dht_count(d, COUNT_ANSWERS_INVALID);
                fail(d, a);
                return;
        }
        finish(d, a, a->protocol == DHT_PROTOCOL_KAD ? &answer : NULL, &message);
}

void dht_answered(struct dht *d, uint64_t id, const struct dht_remote *from, struct bytes message,
                  nsec_t now) {
        struct ask *a = map_get_u64(d->ask_ids, id);

        d->now = now;
        if (!a)
                return;
        if (!peer_id_equal(&from->contact.peer, &a->contact.peer)) {
                dht_count(d, COUNT_ANSWERS_STRANGE);
                fail(d, a);
                return;
        }
        if (a->wants_answer && a->protocol == DHT_PROTOCOL_KAD)
                peer_answered(d, from, &a->contact, nsec_sub(now, a->sent), now);
        read_answer(d, a, message);
}

void dht_connected(struct dht *d, uint64_t id, const struct peer_id *peer, const char *why,
                   nsec_t now) {
        struct ask *a = map_get_u64(d->ask_ids, id);
        struct bytes who = peer ? peer_id_bytes(peer) : BYTES_NONE;

        d->now = now;
        if (!a)
                return;
        if (who.len == 0)
                bootstrap_told(&d->bootstrap, &a->contact, why);
        finish(d, a, NULL, who.len > 0 ? &who : NULL);
}
