#include "services/gossip/router_parts.h"

#include <string.h>

#include "common/base/memory.h"

/* Messages: read, checked against budgets, verified, given to the validator, and
 * sent on once it says so. */

#define OTHERS_MAX 64

/* ---- Verifying ---- */

static bool verify_form(struct pubsub *p, const struct pubsub_message *m, struct bytes raw,
                        bool with_key) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct sign_public key;

        buffer_init(&b, PUBSUB_MESSAGE_MAX + 2048);
        if (!message_put_signed(&b, raw, with_key) || b.failed ||
            !peer_id_ed25519(&m->author, &key))
                return false;
        count(p, COUNT_SIGNATURES);
        return p->verify(p->verify_userdata, &key, buffer_bytes(&b), m->signature);
}

/* The specification leaves out the signature alone, js-libp2p the key as well:
 * without a key both are the same. */
static bool is_signed(struct pubsub *p, const struct pubsub_message *m, struct bytes raw) {
        return verify_form(p, m, raw, false) || (m->key.len > 0 && verify_form(p, m, raw, true));
}

/* ---- Waiting for the verdict ---- */

void pending_free(struct pubsub *p, struct pending *x) {
        list_remove(&x->link);
        (void) map_remove(p->pending, message_id_bytes(&x->id));
        (void) map_remove_u64(p->pending_numbers, x->number);
        p->pending_bytes -= x->raw->len;
        x->topic->n_pending--;
        router_topic_release(p, x->topic);
        refbuf_unref(x->raw);
        free(x->others);
        free(x);
}

static struct pending *pending_make(struct pubsub *p, struct topic *t, const struct message_id *id,
                                    struct bytes raw, const struct peer_id *from, nsec_t now) {
        struct pending *x;

        if (map_count(p->pending) >= PENDING_MAX ||
            p->pending_bytes + raw.len > PENDING_BYTES_MAX) {
                count(p, COUNT_PENDING_DROPS);
                (void) lazy_kept(p, id, NULL);
                return NULL;
        }
        x = xnew(struct pending);
        list_init(&x->link);
        x->number = p->next_number++;
        x->id = *id;
        x->topic = t;
        t->n_pending++;
        x->raw = refbuf_new(raw);
        x->from = *from;
        x->at = now;
        p->pending_bytes += raw.len;
        (void) map_set(p->pending, message_id_bytes(id), x);
        (void) map_set_u64(p->pending_numbers, x->number, x);
        return x;
}

/* NULL: not among them. */
static struct pending_other *other_of(const struct pending *x, const struct peer_id *peer) {
        for (size_t i = 0; i < x->n_others; i++)
                if (peer_id_equal(&x->others[i].peer, peer))
                        return &x->others[i];
        return NULL;
}

/* False: no place. */
static bool remember_other(struct pending *x, const struct peer_id *peer, bool has_sent) {
        struct pending_other *o = other_of(x, peer);

        if (!o && x->n_others == OTHERS_MAX)
                return false;
        if (!o) {
                x->others = xrealloc(x->others, (x->n_others + 1) * sizeof(*x->others));
                o = &x->others[x->n_others++];
                *o = (struct pending_other){ *peer };
        }
        o->has_sent |= has_sent;
        return true;
}

static bool has_it(const struct pending *x, const struct peer_id *peer) {
        return peer_id_equal(&x->from, peer) || other_of(x, peer);
}

static bool sent_it(const struct pending *x, const struct peer_id *peer) {
        const struct pending_other *o = other_of(x, peer);

        return peer_id_equal(&x->from, peer) || (o && o->has_sent);
}

/* ---- Arriving ---- */

static void duplicate(struct pubsub *p, struct topic *t, struct router_peer *peer,
                      const struct message_id *id, struct bytes raw, nsec_t now) {
        struct pending *x = map_get(p->pending, message_id_bytes(id));
        struct membership *m = router_membership(t, peer);

        count(p, COUNT_DUPLICATES);
        /* The same data by another author is another message: whoever sent the right one must not
         * fall with the wrong one. */
        if (!x || !bytes_equal(raw, refbuf_bytes(x->raw)))
                return;
        /* Who says it again counts no second time, and takes nobody's place. */
        if (sent_it(x, &peer->info.peer))
                return;
        if (remember_other(x, &peer->info.peer, true) && m &&
            now <= nsec_add(x->at, t->params.deficit_window))
                topic_score_duplicate(&m->score, &t->params);
}

static void refuse(struct pubsub *p, struct topic *t, struct router_peer *peer) {
        count(p, COUNT_BAD_SIGNATURE);
        router_invalid(p, t, &peer->info.peer);
}

/* One check, or two when there is a key field. An honest neighbour's share of the
 * traffic fits; what does not fit is left for another neighbour to bring. */
static bool may_verify(struct pubsub *p, struct router_peer *peer, const struct pubsub_message *m,
                       nsec_t now) {
        if (rate_take_n(&peer->messages, m->key.len > 0 ? 2 : 1, now))
                return true;
        count(p, COUNT_SIGNATURE_BUDGET);
        return false;
}

static void hand_over(struct pubsub *p, struct pending *x, const struct pubsub_message *m) {
        struct pubsub_output *o = router_output(p, PUBSUB_MESSAGE, x->topic->name);

        o->id = x->number;
        o->sequence = m->sequence;
        o->author = m->author;
        o->peer = x->from;
        o->data = refbuf_new(m->data);
        count(p, COUNT_DELIVERED);
}

/* x is NULL when there is no room: another neighbour brings it. */
static void first_copy(struct pubsub *p, struct pending *x, const struct pubsub_message *m,
                       nsec_t now) {
        if (!x)
                return;
        x->data_len = m->data.len;
        x->is_direct = peer_id_equal(&x->from, &m->author);
        (void) cache_see(p->cache, &x->id, now);
        if (lazy_kept(p, &x->id, &x->from))
                count(p, COUNT_IWANT_DELIVERED);
        hand_over(p, x, m);
}

/* Seen only once the signature is right: else whoever sends good data with a bad
 * signature first could keep the real message away. */
void deliver_message(struct pubsub *p, struct router_peer *peer, struct bytes raw, nsec_t now) {
        struct pubsub_message m;
        struct message_id id;
        struct topic *t;
        int r = message_read(raw, &m);

        count(p, COUNT_RECEIVED);
        t = m.topic.len > 0 ? router_topic(p, m.topic) : NULL;
        if (!t || !t->is_joined) {
                count(p, COUNT_UNKNOWN_TOPIC);
                if (r)
                        router_misbehaved(p, peer, 0.25);
                return;
        }
        if (r) {
                refuse(p, t, peer);
                return;
        }
        id = message_id_of(m.data);
        if (cache_has_seen(p->cache, &id))
                duplicate(p, t, peer, &id, raw, now);
        else if (peer_id_equal(&m.author, &p->self))
                count(p, COUNT_IGNORED); /* of an earlier life */
        else if (!may_verify(p, peer, &m, now))
                (void) lazy_kept(p, &id, NULL);
        else if (!is_signed(p, &m, raw))
                refuse(p, t, peer);
        else
                first_copy(p, pending_make(p, t, &id, raw, &peer->info.peer, now), &m, now);
}

/* ---- Sending on ---- */

static bool send_to(struct pubsub *p, struct router_peer *peer, const struct message_id *id,
                    struct refbuf *raw) {
        if (lazy_is_unwanted(peer, id)) {
                count(p, COUNT_IDONTWANT_HONOURED);
                return false;
        }
        if (!router_writes(p, peer, WRITE_MESSAGE, raw->len))
                return false;
        rpc_put_message(&peer->out, refbuf_bytes(raw));
        return true;
}

static bool gets_it(struct pubsub *p, const struct pending *x, struct membership *m, nsec_t now) {
        bool direct = m->peer->info.is_direct && m->is_subscribed;

        return (m->in_mesh || direct) && !has_it(x, &m->peer->info.peer) &&
               router_may(p, m->peer, p->score.graylist, now);
}

/* To at most `most` of the mesh; true: there are more. */
static bool forward(struct pubsub *p, struct pending *x, size_t most, nsec_t now) {
        CLEANUP(freep) struct membership **list = xnew_n(struct membership *, x->topic->n_members);
        size_t n = 0;

        LIST_FOREACH (it, &x->topic->members)
                if (gets_it(p, x, MEMBERSHIP(it), now))
                        list[n++] = MEMBERSHIP(it);
        router_shuffle(p, list, n);
        for (size_t i = 0; i < n && i < most; i++) {
                (void) remember_other(x, &list[i]->peer->info.peer, false);
                if (send_to(p, list[i]->peer, &x->id, x->raw))
                        count(p, COUNT_FORWARDED);
        }
        return n > most;
}

void deliver_later(struct pubsub *p, nsec_t now) {
        while (!list_is_empty(&p->deferred)) {
                struct pending *x = LIST_ENTRY(list_first(&p->deferred), struct pending, link);

                if (now < x->later)
                        return;
                (void) forward(p, x, SIZE_MAX, now);
                pending_free(p, x);
        }
}

static void keep_body(struct pubsub *p, struct topic *t, const struct message_id *id,
                      struct refbuf *raw) {
        t->is_cached = true;
        cache_put(p->cache, id, t->name, raw);
}

/* Who is due first stands first. */
static void defer(struct pubsub *p, struct pending *x, nsec_t later) {
        struct list *at = &p->deferred;

        x->later = later;
        while (at->previous != &p->deferred &&
               LIST_ENTRY(at->previous, struct pending, link)->later > later)
                at = at->previous;
        list_push_back(at, &x->link);
}

/* True: part of the mesh gets it later. */
static bool accepted(struct pubsub *p, struct pending *x, nsec_t now) {
        struct router_peer *from = router_peer(p, &x->from);
        struct membership *m = from ? router_membership(x->topic, from) : NULL;

        count(p, COUNT_ACCEPTED);
        if (m) {
                topic_score_first(&m->score, &x->topic->params);
                router_score_changed(p, from);
        }
        /* Not before the verdict: what is told to be here would not be sent by those who have
         * the true message. */
        if (x->data_len >= p->config.idontwant_size)
                lazy_idontwant(p, x->topic, &x->id, &x->from);
        keep_body(p, x->topic, &x->id, x->raw);
        if (!forward(p, x, x->is_direct ? 0 : p->config.d_eager, now))
                return false;
        (void) map_remove_u64(p->pending_numbers, x->number);
        defer(p, x, nsec_add(now, x->is_direct ? p->config.direct_delay : p->config.forward_delay));
        return true;
}

static void rejected(struct pubsub *p, struct pending *x) {
        count(p, COUNT_REJECTED);
        /* An id is a hash of the data alone: who signs another's data with an own key must not
         * keep the true message away. */
        cache_unsee(p->cache, &x->id);
        router_invalid(p, x->topic, &x->from);
        for (size_t i = 0; i < x->n_others; i++)
                router_invalid(p, x->topic, &x->others[i].peer);
}

void pubsub_validated(struct pubsub *p, uint64_t id, enum pubsub_verdict verdict, nsec_t now) {
        struct pending *x = map_get_u64(p->pending_numbers, id);
        bool is_kept = false;

        if (!x)
                return;
        if (!x->topic->is_joined || verdict == PUBSUB_IGNORE)
                count(p, COUNT_IGNORED);
        else if (verdict == PUBSUB_ACCEPT)
                is_kept = accepted(p, x, now);
        else
                rejected(p, x);
        if (!is_kept)
                pending_free(p, x);
}

/* ---- Publishing ---- */

void signing_free(struct pubsub *p, struct signing *x) {
        (void) map_remove_u64(p->signing, x->number);
        buffer_done(&x->raw);
        free(x);
}

int pubsub_publish(struct pubsub *p, uint64_t id, const char *topic, struct bytes data,
                   nsec_t now) {
        struct message_id message = message_id_of(data);
        struct pubsub_output *o;
        struct signing *x;

        if (data.len > PUBSUB_MESSAGE_MAX)
                return PUBSUB_E_TOO_BIG;
        if (!router_topic_make(p, BYTES_STR(topic), true))
                return PUBSUB_E_TOPIC;
        if (map_count(p->signing) >= SIGNING_MAX || map_get_u64(p->signing, id))
                return PUBSUB_E_FULL;
        if (!cache_see(p->cache, &message, now))
                return PUBSUB_E_DUPLICATE;
        x = xnew(struct signing);
        x->number = id;
        x->id = message;
        strcpy(x->topic, topic);
        buffer_init(&x->raw, PUBSUB_MESSAGE_MAX + 1024);
        message_put(&x->raw, &p->self, data, p->next_sequence++, topic);
        (void) map_set_u64(p->signing, id, x);
        o = router_output(p, PUBSUB_SIGN, topic);
        o->id = id;
        o->sequence = p->next_sequence - 1;
        o->data = refbuf_new(buffer_bytes(&x->raw));
        return PUBSUB_OK;
}

void pubsub_sign_failed(struct pubsub *p, uint64_t id, nsec_t now) {
        struct signing *x = map_get_u64(p->signing, id);

        if (!x)
                return;
        cache_unsee(p->cache, &x->id); /* it may be tried again */
        signing_free(p, x);
}

/* Ours goes to everybody who is subscribed (flood publishing): whoever eclipses our
 * mesh does not eclipse what we say. */
static bool gets_ours(struct pubsub *p, struct topic *t, struct membership *m, nsec_t now) {
        if (!m->is_subscribed || !router_may(p, m->peer, p->score.publish, now))
                return false;
        return p->config.flood_publish || m->in_mesh || m->in_fanout || m->peer->info.is_direct;
}

static uint64_t send_ours(struct pubsub *p, struct topic *t, const struct message_id *id,
                          struct refbuf *raw, nsec_t now) {
        uint64_t n = 0;

        if (!t->is_joined) {
                t->fanout_until = nsec_add(now, p->config.fanout_ttl);
                fanout_fill(p, t, now);
        }
        LIST_FOREACH (it, &t->members)
                if (gets_ours(p, t, MEMBERSHIP(it), now))
                        n += send_to(p, MEMBERSHIP(it)->peer, id, raw);
        return n;
}

void pubsub_signed(struct pubsub *p, uint64_t id, struct bytes signature, nsec_t now) {
        struct signing *x = map_get_u64(p->signing, id);
        CLEANUP(refbuf_unrefp) struct refbuf *raw = NULL;
        struct pubsub_output *o;
        struct topic *t;
        uint64_t n = 0;

        if (!x)
                return;
        if (signature.len != SIGNATURE_SIZE) {
                pubsub_sign_failed(p, id, now);
                return;
        }
        message_put_signature(&x->raw, signature);
        raw = refbuf_new(buffer_bytes(&x->raw));
        t = router_topic_make(p, BYTES_STR(x->topic), true);
        if (t) {
                n = send_ours(p, t, &x->id, raw, now);
                keep_body(p, t, &x->id, raw);
        }
        signing_free(p, x);
        count(p, COUNT_PUBLISHED);
        o = router_output(p, PUBSUB_PUBLISHED, NULL);
        o->id = id;
        o->n = n;
}
