#pragma once

/* Where a node begins: configured entries (their peer may be unknown), what was
 * remembered, what mDNS or a person names. While nobody is known they are dialled a
 * few at a time, each with a back-off of its own; once the table has somebody those
 * remembered rest. Each that is configured is met once all the same: the first to answer
 * may want to be the only one. Pure list; dialling is done by maintain.c. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/nsec.h"
#include "services/dht/contact.h"

#define BOOTSTRAP_MAX       48
#define BOOTSTRAP_AT_ONCE   4
#define BOOTSTRAP_PAUSE_MIN (2 * NSEC_PER_SEC)
#define BOOTSTRAP_PAUSE_MAX (60 * NSEC_PER_SEC)
#define BOOTSTRAP_TRIES     5 /* of one that is configured, once somebody else is known */
#define BOOTSTRAP_WHY_MAX   200
#define BOOTSTRAP_MET       (300 * NSEC_PER_SEC) /* one that was there rests */

struct bootstrap_entry {
        struct contact contact;
        struct contact *met;         /* who was there, when contact names an address alone */
        unsigned source, n_failures; /* enum bootstrap_source */
        char *why;                   /* what came of it last, where that was no good; NULL */
        nsec_t next;
        bool is_dialling, is_met;
};

struct bootstrap {
        struct bootstrap_entry *entries; /* at most BOOTSTRAP_MAX; most nodes know a handful */
        size_t n, room, n_dialling;
};

void bootstrap_done(struct bootstrap *b);
/* False: full of entries that are configured; others give way to a newer one. */
bool bootstrap_add(struct bootstrap *b, const struct contact *c, unsigned source, nsec_t now);
/* The next that is due; NULL: none, or BOOTSTRAP_AT_ONCE are under way. Once somebody is
 * known (is_alone false) those remembered are not dialled, and the others once. */
struct bootstrap_entry *bootstrap_next(struct bootstrap *b, nsec_t now, bool is_alone);
void bootstrap_begins(struct bootstrap *b, struct bootstrap_entry *e);
/* dialled: as the entry was when it began, since entries move. */
void bootstrap_ended(struct bootstrap *b, const struct contact *dialled, bool is_there, nsec_t now);
/* Who was there, under a key that had to be learnt. */
void bootstrap_learnt(struct bootstrap *b, const struct contact *dialled,
                      const struct contact *there);
/* Why this one, or who was met there, is no help; NULL: it is. Copied, and cut. */
void bootstrap_told(struct bootstrap *b, const struct contact *c, const char *why);
/* Whom to ask for the way, as far as it is known; NULL: nobody yet. */
const struct contact *bootstrap_peer(const struct bootstrap_entry *e);
void bootstrap_forgive(struct bootstrap *b, nsec_t now); /* all are due again */
