#include "services/dht/bootstrap.h"

#include <stdlib.h>

#include "common/base/bytes.h"
#include "common/base/memory.h"
#include "services/dht/dht.h"

static bool is_same(const struct contact *a, const struct contact *b) {
        struct bytes x = a->addresses ? refbuf_bytes(a->addresses) : BYTES_NONE;
        struct bytes y = b->addresses ? refbuf_bytes(b->addresses) : BYTES_NONE;

        return peer_id_equal(&a->peer, &b->peer) &&
               (!peer_id_is_none(&a->peer) || bytes_equal(x, y));
}

static struct bootstrap_entry *find(struct bootstrap *b, const struct contact *c) {
        for (size_t i = 0; i < b->n; i++)
                if (is_same(&b->entries[i].contact, c))
                        return &b->entries[i];
        return NULL;
}

static void entry_done(struct bootstrap_entry *e) {
        contact_done(&e->contact);
        if (e->met)
                contact_done(e->met);
        free(e->met);
        free(e->why);
}

void bootstrap_done(struct bootstrap *b) {
        for (size_t i = 0; i < b->n; i++)
                entry_done(&b->entries[i]);
        free(b->entries);
        *b = (struct bootstrap){};
}

static struct bootstrap_entry *replaceable(struct bootstrap *b) {
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].source != BOOTSTRAP_CONFIG && !b->entries[i].is_dialling)
                        return &b->entries[i];
        return NULL;
}

static struct bootstrap_entry *append(struct bootstrap *b) {
        if (b->n == b->room) {
                b->room = b->room + b->room / 2 + 4;
                b->entries = xrealloc(b->entries, b->room * sizeof(*b->entries));
        }
        b->entries[b->n] = (struct bootstrap_entry){};
        return &b->entries[b->n++];
}

bool bootstrap_add(struct bootstrap *b, const struct contact *c, unsigned source, nsec_t now) {
        struct bootstrap_entry *e = find(b, c);

        if (e) {
                contact_replace(&e->contact, c);
                e->next = nsec_min(e->next, now);
                return true;
        }
        if (b->n < BOOTSTRAP_MAX)
                e = append(b);
        else
                e = replaceable(b);
        if (!e)
                return false;
        entry_done(e);
        *e = (struct bootstrap_entry){ .contact = contact_ref(c), .source = source, .next = now };
        return true;
}

static bool is_wanted(const struct bootstrap_entry *e, bool is_alone) {
        bool is_named = e->source == BOOTSTRAP_MDNS || e->source == BOOTSTRAP_PERSON ||
                        (e->source == BOOTSTRAP_CONFIG && e->n_failures < BOOTSTRAP_TRIES);

        return !e->is_dialling && (is_alone || (is_named && !e->is_met));
}

struct bootstrap_entry *bootstrap_next(struct bootstrap *b, nsec_t now, bool is_alone) {
        struct bootstrap_entry *best = NULL;

        if (b->n_dialling >= BOOTSTRAP_AT_ONCE)
                return NULL;
        for (size_t i = 0; i < b->n; i++) {
                struct bootstrap_entry *e = &b->entries[i];

                if (is_wanted(e, is_alone) && e->next <= now && (!best || e->next < best->next))
                        best = e;
        }
        return best;
}

void bootstrap_begins(struct bootstrap *b, struct bootstrap_entry *e) {
        e->is_dialling = true;
        b->n_dialling++;
}

void bootstrap_ended(struct bootstrap *b, const struct contact *dialled, bool is_there,
                     nsec_t now) {
        struct bootstrap_entry *e = find(b, dialled);
        unsigned shift;

        if (!e || !e->is_dialling)
                return;
        e->is_dialling = false;
        b->n_dialling--;
        e->n_failures = is_there ? 0 : e->n_failures + 1;
        shift = e->n_failures > 5 ? 5 : e->n_failures;
        e->is_met |= is_there;
        e->next = nsec_add(now,
                           is_there ? BOOTSTRAP_MET
                                    : nsec_min(BOOTSTRAP_PAUSE_MIN << shift, BOOTSTRAP_PAUSE_MAX));
}

void bootstrap_learnt(struct bootstrap *b, const struct contact *dialled,
                      const struct contact *there) {
        struct bootstrap_entry *e = find(b, dialled);

        if (!e || !peer_id_is_none(&e->contact.peer))
                return;
        if (e->met)
                contact_done(e->met);
        else
                e->met = xnew(struct contact);
        *e->met = contact_ref(there);
}

static struct bootstrap_entry *find_met(struct bootstrap *b, const struct peer_id *peer) {
        for (size_t i = 0; i < b->n; i++)
                if (b->entries[i].met && peer_id_equal(&b->entries[i].met->peer, peer))
                        return &b->entries[i];
        return NULL;
}

void bootstrap_told(struct bootstrap *b, const struct contact *c, const char *why) {
        struct bootstrap_entry *e = find(b, c);

        if (!e && !peer_id_is_none(&c->peer))
                e = find_met(b, &c->peer);
        if (!e)
                return;
        free(e->why);
        e->why = why ? xasprintf("%.*s", BOOTSTRAP_WHY_MAX, why) : NULL;
}

const struct contact *bootstrap_peer(const struct bootstrap_entry *e) {
        return peer_id_is_none(&e->contact.peer) ? e->met : &e->contact;
}

void bootstrap_forgive(struct bootstrap *b, nsec_t now) {
        for (size_t i = 0; i < b->n; i++) {
                b->entries[i].n_failures = 0;
                b->entries[i].next = now;
        }
}
