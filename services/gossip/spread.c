#include <string.h>

#include "common/base/memory.h"
#include "services/gossip/core_calls.h"

/* What an owner said of his key goes from node to node: whoever hears of a revocation tells some
 * others, once. Some of them are connected, some those that dht's table has at random places, so
 * that it leaves the shard. Each tells as many again: with 8, all but a few in ten thousand have
 * heard after as many round trips as it takes to reach everybody ("rumor mongering": Epidemic
 * algorithms for replicated database maintenance, PODC 1987, section 1.4). It costs nothing
 * while nobody revokes a key. */

#define TO_CONNECTED 4
#define TO_PLACES    4
#define PLACE_PEERS  4 /* of one place: somebody among them is drawn */
#define TIMEOUT      (5 * NSEC_PER_SEC)
#define NUMBERS      (UINT64_C(1) << 62) /* of calls: above those of our callers */

static void step(struct gossip *g, struct call *c) {
        if (c->n_asks == 0)
                call_free(g, c);
}

static void on_told(struct gossip *g, struct ask *a, const Peers__Reply *reply, nsec_t now) {
        step(g, a->call);
}

static void tell(struct gossip *g, struct call *c, const struct gossip_contact *to, nsec_t now) {
        Peers__Request request = PEERS__REQUEST__INIT;
        Peers__Revoked revoked = PEERS__REVOKED__INIT;
        struct refbuf *value = c->state;

        revoked.value = (ProtobufCBinaryData){ value->len, value->data };
        request.body_case = PEERS__REQUEST__BODY_REVOKED;
        request.revoked = &revoked;
        if (ask_peer(g, c, to, &request, on_told, now))
                g_count(g, GOSSIP_REVOKED_TOLD);
}

static void on_place(struct gossip *g, struct ask *a, const struct gossip_contact *list, size_t n,
                     nsec_t now) {
        const struct gossip_contact *to = n > 0 ? &list[rng_below(&g->rng, n)] : NULL;

        if (to && !peer_id_equal(&to->peer, &g->self) && !gossip_is_blocked(g, &to->peer))
                tell(g, a->call, to, now);
        step(g, a->call);
}

/* Reservoir sampling, as in offers.c. */
static void tell_connected(struct gossip *g, struct call *c, nsec_t now) {
        struct gossip_contact list[TO_CONNECTED] = {};
        struct bytes key;
        size_t cursor = 0, seen = 0;
        void *value;

        while (map_next(g->peers, &cursor, &key, &value)) {
                const struct known_peer *k = value;
                size_t at;

                if (!k->speaks_peers || gossip_is_blocked(g, &k->peer))
                        continue;
                at = seen < TO_CONNECTED ? seen : rng_below(&g->rng, seen + 1);
                seen++;
                if (at < TO_CONNECTED)
                        list[at].peer = k->peer;
        }
        for (size_t i = 0; i < seen && i < TO_CONNECTED; i++)
                tell(g, c, &list[i], now);
}

static void tell_places(struct gossip *g, struct call *c, nsec_t now) {
        for (unsigned i = 0; i < TO_PLACES; i++) {
                struct lookup l = { .n = PLACE_PEERS, .local = true, .fn = on_place };

                rng_bytes(&g->rng, l.key, sizeof(l.key));
                (void) ask_lookup(g, c, &l, now);
        }
}

void spread_revocation(struct gossip *g, struct bytes value, nsec_t now) {
        struct call *c;

        if (!rate_take(&g->spreading, now))
                return;
        c = call_new(g, NUMBERS | gossip_next_id(g), CALL_SPREAD, nsec_add(now, TIMEOUT));
        if (!c)
                return;
        c->state = refbuf_new(value);
        tell_connected(g, c, now);
        tell_places(g, c, now);
        step(g, c);
}

void spread_end(struct gossip *g, struct call *c, nsec_t now) {
        call_free(g, c);
}

void spread_free(struct call *c) {
        refbuf_unref(c->state);
}
