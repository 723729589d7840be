#include "services/gossip/router_parts.h"

#include "common/base/memory.h"

/* Gossip about messages, for those outside the mesh: IHAVE tells, IWANT asks,
 * IDONTWANT (v1.2) spares the mesh what is here already. */

#define IHAVE_IDS_SENT    512
#define IWANT_IDS_SENT    512 /* in one IWANT */
#define PROMISES_EACH     3   /* peers asked for one message */
#define PROMISES_MESH     256 /* of one peer in a mesh with us, … */
#define PROMISES_STRANGER 64  /* … of anybody else */
#define PROMISES_SURE     16  /* nobody is refused those, however many others promise */
#define BROKEN_PER_POINT  16  /* of P7: who breaks a stranger's whole share is graylisted */

static bool id_of(const ProtobufCBinaryData *in, struct message_id *ret) {
        if (in->len != PUBSUB_ID_SIZE)
                return false;
        __builtin_memcpy(ret->bytes, in->data, PUBSUB_ID_SIZE);
        return true;
}

/* ---- Promises ---- */

void promise_free(struct pubsub *p, struct promise *x) {
        (void) map_remove(p->promised, message_id_bytes(&x->id));
        list_remove(&x->link);
        list_remove(&x->of_peer);
        x->peer->n_promises--;
        free(x);
}

void promises_forget(struct pubsub *p, struct router_peer *peer) {
        while (!list_is_empty(&peer->promises))
                promise_free(p, LIST_ENTRY(list_first(&peer->promises), struct promise, of_peer));
}

bool lazy_kept(struct pubsub *p, const struct message_id *id, const struct peer_id *from) {
        struct promise *x = map_get(p->promised, message_id_bytes(id));

        if (!x)
                return false;
        if (from && x->peer->n_kept < PROMISES_STRANGER && peer_id_equal(&x->peer->info.peer, from))
                x->peer->n_kept++;
        promise_free(p, x);
        return true;
}

static unsigned share_of(const struct router_peer *peer) {
        LIST_FOREACH (it, &peer->memberships)
                if (PEER_MEMBERSHIP(it)->in_mesh)
                        return PROMISES_MESH;
        return PROMISES_STRANGER;
}

/* Nobody keeps us from asking others: each has a share, and of a full table who promised most
 * gives way to who promised hardly anything. */
static bool has_room(struct pubsub *p, const struct router_peer *peer) {
        struct router_peer *most = NULL;

        if (peer->n_promises >= share_of(peer))
                return false;
        if (map_count(p->promised) < PROMISES_MAX)
                return true;
        if (peer->n_promises >= PROMISES_SURE)
                return false;
        LIST_FOREACH (it, &p->peer_order) {
                struct router_peer *other = LIST_ENTRY(it, struct router_peer, link);

                if (!most || other->n_promises > most->n_promises)
                        most = other;
        }
        if (!most || most->n_promises <= peer->n_promises + 1)
                return false;
        promise_free(p, LIST_ENTRY(list_first(&most->promises), struct promise, of_peer));
        return true;
}

static bool promise_make(struct pubsub *p, const struct message_id *id, struct router_peer *peer,
                         nsec_t now) {
        struct promise *x = map_get(p->promised, message_id_bytes(id));

        if (x) {
                /* Somebody who promises everything and sends nothing must not keep us from asking
                 * others who have it, too. */
                if (now < nsec_add(x->asked, p->config.heartbeat) || x->times >= PROMISES_EACH ||
                    x->peer == peer)
                        return false;
                x->asked = now;
                x->times++;
                return true;
        }
        if (!has_room(p, peer))
                return false;
        x = xnew(struct promise);
        x->id = *id;
        x->peer = peer;
        x->asked = now;
        x->times = 1;
        x->until = nsec_add(now, PROMISE_TIME);
        list_push_back(&p->promises, &x->link);
        list_push_front(&peer->promises, &x->of_peer);
        peer->n_promises++;
        (void) map_set(p->promised, message_id_bytes(id), x);
        return true;
}

/* Those who had it but did not send it: P7, by the number. Who kept as many before is forgiven all
 * but a little, or an honest peer behind a bad link would fall for one lost packet train. */
static void charge_broken(struct pubsub *p, struct router_peer *peer) {
        unsigned n = peer->n_broken_now, forgiven = n < peer->n_kept ? n : peer->n_kept;
        double points = (double) (n - forgiven) / BROKEN_PER_POINT;

        peer->n_kept -= forgiven;
        peer->n_broken_now = 0;
        if (n > 0 && peer->is_up)
                router_misbehaved(p, peer, points < 0.25 ? 0.25 : points > 4 ? 4 : points);
}

static void break_promises(struct pubsub *p, nsec_t now) {
        while (!list_is_empty(&p->promises)) {
                struct promise *x = LIST_ENTRY(list_first(&p->promises), struct promise, link);

                if (now < x->until)
                        break;
                count(p, COUNT_BROKEN_PROMISES);
                x->peer->n_broken_now++;
                router_stir(p, x->peer);
                promise_free(p, x);
        }
        LIST_FOREACH (it, &p->restless)
                charge_broken(p, LIST_ENTRY(it, struct router_peer, restless));
}

/* ---- IHAVE ---- */

static bool wants(struct pubsub *p, const struct message_id *id) {
        return !cache_has_seen(p->cache, id) && !map_get(p->pending, message_id_bytes(id));
}

static void ask(struct pubsub *p, struct router_peer *peer, const struct message_id *ids,
                size_t n) {
        for (size_t i = 0; i < n; i += IWANT_IDS_SENT)
                rpc_put_iwant(&peer->out, ids + i, n - i < IWANT_IDS_SENT ? n - i : IWANT_IDS_SENT);
        count_n(p, COUNT_IWANT_SENT, n);
}

static bool is_flooding(struct pubsub *p, struct router_peer *peer, size_t n) {
        peer->ihaves++;
        if (peer->ihaves <= p->config.ihave_max && peer->ihave_ids + n <= p->config.ihave_ids_max)
                return false;
        count(p, COUNT_IHAVE_FLOOD);
        /* Honest peers stay far below both limits: this is no accident. */
        if (peer->ihaves == p->config.ihave_max + 1 || peer->ihave_ids <= p->config.ihave_ids_max)
                router_misbehaved(p, peer, 1);
        peer->ihave_ids = p->config.ihave_ids_max + 1;
        return true;
}

void lazy_on_ihave(struct pubsub *p, struct router_peer *peer, const Gossipsub__ControlIHave *ihave,
                   nsec_t now) {
        struct topic *t = ihave->topic_id ? router_topic(p, BYTES_STR(ihave->topic_id)) : NULL;
        CLEANUP(freep) struct message_id *ids = NULL;
        size_t n = 0;

        count_n(p, COUNT_IHAVE_RECEIVED, ihave->n_message_ids);
        if (is_flooding(p, peer, ihave->n_message_ids) || !t || !t->is_joined ||
            p->config.without_ihave || !router_may(p, peer, p->score.gossip, now))
                return;
        peer->ihave_ids += (unsigned) ihave->n_message_ids;
        /* Asked before anything is promised: what we cannot ask for nobody broke. */
        if (!router_writes(p, peer, WRITE_GOSSIP, ihave->n_message_ids * (PUBSUB_ID_SIZE + 2)))
                return;
        ids = xnew_n(struct message_id, ihave->n_message_ids);
        for (size_t i = 0; i < ihave->n_message_ids; i++)
                if (id_of(&ihave->message_ids[i], &ids[n]) && wants(p, &ids[n]) &&
                    promise_make(p, &ids[n], peer, now))
                        n++;
        ask(p, peer, ids, n);
}

static bool hears_gossip(struct pubsub *p, struct membership *m, nsec_t now) {
        return m->is_subscribed && !m->in_mesh && !m->in_fanout && !m->peer->info.is_direct &&
               router_may(p, m->peer, p->score.gossip, now);
}

/* To d_lazy of those outside the mesh, or a quarter of them if that is more. */
void lazy_gossip(struct pubsub *p, struct topic *t, nsec_t now) {
        CLEANUP(freep) struct membership **list = xnew_n(struct membership *, t->n_members);
        struct message_id ids[IHAVE_IDS_SENT];
        size_t n, n_ids, want;

        if (p->config.without_ihave)
                return;
        n_ids = cache_ids(p->cache, t->name, p->config.history_gossip, ids, IHAVE_IDS_SENT);
        if (n_ids == 0)
                return;
        n = router_choose(p, t, hears_gossip, now, list);
        want = (size_t) ((double) n * p->config.gossip_factor);
        want = want > p->config.d_lazy ? want : p->config.d_lazy;
        for (size_t i = 0; i < n && i < want; i++) {
                if (!router_writes(p, list[i]->peer, WRITE_GOSSIP, n_ids * (PUBSUB_ID_SIZE + 2)))
                        continue;
                rpc_put_ihave(&list[i]->peer->gossip, t->name, ids, n_ids);
                count_n(p, COUNT_IHAVE_SENT, n_ids);
        }
}

/* ---- IWANT ---- */

static void serve(struct pubsub *p, struct router_peer *peer, const struct message_id *id) {
        struct refbuf *raw;
        unsigned asked;

        raw = cache_ask(p->cache, id, &peer->info.peer, &asked);
        if (!raw || asked > p->config.iwant_repeat || lazy_is_unwanted(peer, id) ||
            !router_writes(p, peer, WRITE_MESSAGE, raw->len))
                return;
        rpc_put_message(&peer->out, refbuf_bytes(raw));
        count(p, COUNT_IWANT_SERVED);
}

void lazy_on_iwant(struct pubsub *p, struct router_peer *peer, const Gossipsub__ControlIWant *iwant,
                   nsec_t now) {
        struct message_id id;

        if (!router_may(p, peer, p->score.gossip, now))
                return;
        for (size_t i = 0; i < iwant->n_message_ids; i++)
                if (peer->iwant_ids++ < p->config.ihave_ids_max &&
                    id_of(&iwant->message_ids[i], &id))
                        serve(p, peer, &id);
}

/* ---- IDONTWANT ---- */

void lazy_on_idontwant(struct pubsub *p, struct router_peer *peer,
                       const Gossipsub__ControlIDontWant *idontwant) {
        struct message_id id;

        for (size_t i = 0; i < idontwant->n_message_ids; i++) {
                /* Repeated ones count as well: each is looked for among all others. */
                if (peer->n_unwanted_now++ >= UNWANTED_MAX)
                        return;
                if (!id_of(&idontwant->message_ids[i], &id) || lazy_is_unwanted(peer, &id))
                        continue;
                peer->unwanted =
                        xrealloc(peer->unwanted, (peer->n_unwanted + 1) * sizeof(*peer->unwanted));
                peer->unwanted[peer->n_unwanted++] = (struct unwanted){ id, p->beat };
        }
}

bool lazy_is_unwanted(const struct router_peer *peer, const struct message_id *id) {
        for (size_t i = 0; i < peer->n_unwanted; i++)
                if (__builtin_memcmp(&peer->unwanted[i].id, id, sizeof(*id)) == 0)
                        return true;
        return false;
}

void lazy_idontwant(struct pubsub *p, struct topic *t, const struct message_id *id,
                    const struct peer_id *from) {
        if (p->config.without_idontwant)
                return;
        LIST_FOREACH (it, &t->members) {
                struct membership *m = MEMBERSHIP(it);

                if (!m->in_mesh || m->peer->info.version < PUBSUB_V1_2 ||
                    peer_id_equal(&m->peer->info.peer, from) ||
                    !router_writes(p, m->peer, WRITE_GOSSIP, PUBSUB_ID_SIZE + 4))
                        continue;
                rpc_put_idontwant(&m->peer->out, id, 1);
                count(p, COUNT_IDONTWANT_SENT);
        }
}

static void forget_unwanted(struct pubsub *p, struct router_peer *peer) {
        size_t kept = 0;

        for (size_t i = 0; i < peer->n_unwanted; i++)
                if (peer->unwanted[i].beat + UNWANTED_BEATS > p->beat)
                        peer->unwanted[kept++] = peer->unwanted[i];
        peer->n_unwanted = kept;
        if (kept > 0)
                return;
        free(peer->unwanted);
        peer->unwanted = NULL;
}

void lazy_beat(struct pubsub *p, nsec_t now) {
        LIST_FOREACH (it, &p->restless) {
                struct router_peer *peer = LIST_ENTRY(it, struct router_peer, restless);

                peer->ihaves = peer->ihave_ids = peer->iwant_ids = peer->n_unwanted_now = 0;
                forget_unwanted(p, peer);
        }
        break_promises(p, now);
}
