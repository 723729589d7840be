#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/keychange.h"
#include "common/crypto/hash.h"
#include "common/wire/unpack.h"
#include "proto/gossip.pb-c.h"
#include "services/gossip/core_calls.h"

/* Who is not wanted: durable, effective at once in every service of this node.
 * Instants are kept on the wall clock, since lists outlive a boot. */

#define LEFT_MAX_US    (NSEC_NEVER / NSEC_PER_USEC / 2)
#define SEQUENCE_AHEAD (60 * NSEC_PER_SEC) /* stored: signed without another write for so long */

bool gossip_is_blocked(const struct gossip *g, const struct peer_id *peer) {
        return map_get(g->denied, peer_id_bytes(peer)) != NULL;
}

static int64_t wall_us(const struct gossip *g, nsec_t at, nsec_t now) {
        int64_t us = (int64_t) (gossip_wall(g, now) / NSEC_PER_USEC);

        return at >= now ? us + (int64_t) ((at - now) / NSEC_PER_USEC)
                         : us - (int64_t) ((now - at) / NSEC_PER_USEC);
}

static void store(struct gossip *g, nsec_t now) {
        size_t n = map_count(g->denied), cursor = 0;
        CLEANUP(freep) Gossip__DeniedPeer *denied = xnew_n(Gossip__DeniedPeer, n + 1);
        CLEANUP(freep) Gossip__DeniedPeer **list = xnew_n(Gossip__DeniedPeer *, n + 1);
        CLEANUP(buffer_donep) struct buffer b = {};
        Gossip__State state = GOSSIP__STATE__INIT;
        struct bytes key;
        void *value;

        state.denied = list;
        while (map_next(g->denied, &cursor, &key, &value)) {
                struct denied *d = value;
                Gossip__DeniedPeer *out = &denied[state.n_denied];

                gossip__denied_peer__init(out);
                out->peer = (ProtobufCBinaryData){ d->peer.len, d->peer.bytes };
                out->reason = d->reason;
                out->revoked = d->is_revoked;
                out->places = d->places;
                out->since_us = d->since_us;
                out->until_us = d->until == NSEC_NEVER ? 0 : wall_us(g, d->until, now);
                list[state.n_denied++] = out;
        }
        state.sequence = g->stored_sequence;
        if (g->is_revoked)
                state.revoked = (ProtobufCBinaryData){ g->self.len, (uint8_t *) g->self.bytes };
        buffer_init(&b, DENIED_MAX * 256);
        wire_pack(&b, &state.base);
        gossip_add(g, GOSSIP_STORE, 0)->data = refbuf_new(buffer_bytes(&b));
}

static void apply(struct gossip *g, const struct peer_id *peer, bool denied, nsec_t now) {
        struct gossip_action *a = gossip_add(g, GOSSIP_BLOCK, 0);

        a->peer = *peer;
        a->n = denied;
        g->is_list_told = false;
        pubsub_deny(g->router, peer, denied, now);
        offers_deny(g->offers, peer, denied);
}

static struct denied *denied_make(struct gossip *g, const struct peer_id *peer) {
        struct denied *d = map_get(g->denied, peer_id_bytes(peer));

        if (d || map_count(g->denied) >= DENIED_MAX)
                return d;
        d = xnew(struct denied);
        d->peer = *peer;
        g->n_places[d->places]++;
        (void) map_set(g->denied, peer_id_bytes(peer), d);
        return d;
}

static uint64_t rank_of(const struct gossip *g, const struct peer_id *peer) {
        uint8_t secret[8];
        struct hash_value h;

        store_be64(secret, g->rank_secret);
        h = hash_of2("quorate.rank.2", BYTES_OF(secret), peer_id_bytes(peer));
        return load_be64(h.bytes);
}

static void put(struct gossip *g, struct denied *d, enum denied_places places) {
        g->n_places[d->places]--;
        d->places = places;
        d->rank = places != DENIED_OWN ? rank_of(g, &d->peer) : 0;
        g->n_places[places]++;
}

static void keep_reason(struct denied *d, const char *reason) {
        snprintf(d->reason, sizeof(d->reason), "%.*s",
                 (int) utf8_valid_prefix(BYTES(reason, strnlen(reason, REASON_MAX))), reason);
}

static void block(struct gossip *g, struct denied *d, const char *reason, nsec_t until,
                  nsec_t now) {
        keep_reason(d, reason);
        d->since = now;
        d->since_us = wall_us(g, now, now);
        d->until = until;
        g->next_lifting = nsec_min(g->next_lifting, until);
        store(g, now);
        apply(g, &d->peer, true, now);
}

bool gossip_block(struct gossip *g, const struct peer_id *peer, const char *reason, nsec_t until,
                  nsec_t now) {
        struct denied *d = denied_make(g, peer);

        g->now = now;
        if (!d)
                return false;
        put(g, d, DENIED_OWN); /* whom a person blocks gives no place up */
        block(g, d, reason, until, now);
        return true;
}

static bool has_work(const struct gossip *g, const struct peer_id *peer) {
        struct sign_public key;

        return g->config.pow_bits == 0 ||
               (peer_id_ed25519(peer, &key) && identity_work(&key) >= g->config.pow_bits);
}

static struct denied *last_of(const struct gossip *g, enum denied_places places) {
        struct denied *last = NULL;
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(g->denied, &cursor, &key, &value)) {
                struct denied *d = value;

                if (d->places == places && (!last || d->rank > last->rank))
                        last = d;
        }
        return last;
}

/* Who it is, and who goes for it. */
struct seat {
        enum denied_places places;
        struct denied *loser; /* or NULL */
};

static bool is_free(const struct gossip *g, enum denied_places places, struct seat *ret) {
        *ret = (struct seat){ places, NULL };
        return g->n_places[places] < REVOKED_MAX;
}

static bool is_won(const struct gossip *g, enum denied_places places, const struct peer_id *peer,
                   struct seat *ret) {
        *ret = (struct seat){ places, last_of(g, places) };
        return ret->loser && rank_of(g, peer) < ret->loser->rank;
}

/* Keys cost little: their revocations have places of their own, so that nobody fills the list by
 * revoking what he made for it, and none where they cost nothing: nobody lets such a peer in a mesh
 * or a job. Whom we are connected with, or heard offers of, has as many again; to be connected for
 * a moment costs nothing, so he needs the work too. When all are taken a secret rank decides who
 * stays: whoever revokes a thousand keys of his has as good a chance with each as anybody, and
 * keeps nobody out for good. */
static bool has_place(const struct gossip *g, const struct peer_id *peer, struct seat *ret) {
        bool is_met = gossip_known(g, peer) || offers_newest(g->offers, peer) > 0;

        *ret = (struct seat){ DENIED_OWN, NULL };
        if (gossip_is_blocked(g, peer) || peer_id_equal(peer, &g->self))
                return true;
        if (!has_work(g, peer))
                return false;
        return (is_met && is_free(g, DENIED_MET, ret)) || is_free(g, DENIED_STRANGERS, ret) ||
               (is_met && is_won(g, DENIED_MET, peer, ret)) ||
               is_won(g, DENIED_STRANGERS, peer, ret);
}

/* We do not block ourselves: people are told, now and when they ask. */
static void keep_own(struct gossip *g, const struct keychange *c, nsec_t now) {
        struct gossip_action *a = gossip_add(g, GOSSIP_EVENT, 0);

        g->is_revoked = true;
        store(g, now);
        a->peer = c->peer;
        a->event.name = "revoked";
        a->event.text = "this node's own key was revoked: others refuse it from now on; make "
                        "another with `quorate key new`, or ask who holds its revocation";
        a->event.peer = c->peer;
        a->event.is_warning = true;
}

static void lift(struct gossip *g, struct denied *d, nsec_t now) {
        struct peer_id peer = d->peer;

        g->n_places[d->places]--;
        (void) map_remove(g->denied, peer_id_bytes(&peer));
        free(d);
        apply(g, &peer, false, now);
}

bool gossip_revoked(struct gossip *g, struct bytes value, nsec_t now) {
        struct keychange_parts parts;
        const struct peer_id *peer = &parts.fields.peer;
        struct denied *d;
        struct seat seat;

        g->now = now;
        if (keychange_split(value, &parts) != KEYCHANGE_OK ||
            parts.fields.kind != KEYCHANGE_REVOCATION)
                return false;
        d = map_get(g->denied, peer_id_bytes(peer));
        if (d && d->is_revoked)
                return true;
        if (g->is_revoked && peer_id_equal(peer, &g->self))
                return false;
        if (!has_place(g, peer, &seat)) {
                g_count(g, GOSSIP_REVOKED_REFUSED);
                return false;
        }
        if (!keychange_verify(&parts, g->verify, g->verify_userdata))
                return false;
        if (peer_id_equal(peer, &g->self)) {
                keep_own(g, &parts.fields, now);
                return false;
        }
        if (seat.loser) {
                g_count(g, GOSSIP_REVOKED_REPLACED);
                lift(g, seat.loser, now);
        }
        d = denied_make(g, peer);
        if (!d)
                return false;
        d->is_revoked = true;
        put(g, d, seat.places);
        g_count(g, GOSSIP_REVOKED);
        block(g, d, "revoked by its owner", NSEC_NEVER, now);
        spread_revocation(g, value, now);
        return true;
}

bool gossip_unblock(struct gossip *g, const struct peer_id *peer, nsec_t now) {
        struct denied *d = map_get(g->denied, peer_id_bytes(peer));

        g->now = now;
        if (!d)
                return false;
        lift(g, d, now);
        store(g, now);
        return true;
}

size_t gossip_blocklist(const struct gossip *g, struct gossip_blocked *ret, size_t max) {
        struct bytes key;
        size_t cursor = 0, n = 0;
        void *value;

        while (n < max && map_next(g->denied, &cursor, &key, &value)) {
                const struct denied *d = value;

                ret[n++] = (struct gossip_blocked){ d->peer, d->reason, d->since, d->until };
        }
        return n;
}

/* ---- From an earlier life ---- */

static void restore_one(struct gossip *g, const Gossip__DeniedPeer *in, nsec_t now) {
        int64_t wall = (int64_t) (gossip_wall(g, now) / NSEC_PER_USEC);
        struct peer_id peer;
        struct denied *d;
        nsec_t left;

        if (!peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer) ||
            (in->until_us != 0 && in->until_us <= wall))
                return;
        d = denied_make(g, &peer);
        if (!d)
                return;
        d->is_revoked = in->revoked;
        put(g, d, in->revoked && in->places < _DENIED_PLACES_N ? in->places : DENIED_OWN);
        keep_reason(d, in->reason);
        d->since_us = in->since_us < 0 ? 0 : in->since_us < wall ? in->since_us : wall;
        d->since = nsec_sub(now, (nsec_t) (wall - d->since_us) * NSEC_PER_USEC);
        left = in->until_us == 0 ? NSEC_NEVER : (nsec_t) in->until_us - (nsec_t) wall;
        d->until = left > LEFT_MAX_US ? NSEC_NEVER : nsec_add(now, left * NSEC_PER_USEC);
        g->next_lifting = nsec_min(g->next_lifting, d->until);
        apply(g, &peer, true, now);
}

bool gossip_restore(struct gossip *g, struct bytes stored, nsec_t now) {
        static const struct unpack_limits limits = {
                .depth = 2,
                .fields = 8 * DENIED_MAX,
                .unknown = 16,
                .memory = 4 * 1024 * 1024,
        };
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Gossip__State *in;

        g->now = now;
        if (wire_unpack(&gossip__state__descriptor, stored, &limits, &u) != UNPACK_OK)
                return false;
        in = u.message;
        for (size_t i = 0; i < in->n_denied; i++)
                restore_one(g, in->denied[i], now);
        g->sequence = g->stored_sequence = in->sequence;
        g->is_revoked =
                bytes_equal(BYTES(in->revoked.data, in->revoked.len), peer_id_bytes(&g->self));
        return true;
}

/* Before a record is signed: its sequence must be below what the disk promises. */
void deny_store_sequence(struct gossip *g, nsec_t now) {
        if (g->sequence < g->stored_sequence)
                return;
        g->stored_sequence = g->sequence + SEQUENCE_AHEAD;
        store(g, now);
}

/* ---- Time ---- */

nsec_t deny_deadline(const struct gossip *g) {
        return g->next_lifting;
}

void deny_expire(struct gossip *g, nsec_t now) {
        struct bytes key;
        size_t cursor = 0;
        bool changed = false;
        void *value;

        if (now < g->next_lifting)
                return;
        g->next_lifting = NSEC_NEVER;
        while (map_next(g->denied, &cursor, &key, &value)) {
                struct denied *d = value;

                if (now < d->until) {
                        g->next_lifting = nsec_min(g->next_lifting, d->until);
                        continue;
                }
                lift(g, d, now);
                changed = true;
        }
        if (changed)
                store(g, now);
}
