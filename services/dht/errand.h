#pragma once

/* One message of /quorate/record/1 to every node that is responsible for a key, and
 * what they said to it. Ends with one call of `done`, within two lookup timeouts. */

#include "common/base/list.h"
#include "services/dht/calls.h"
#include "services/dht/record_messages.h"

struct errand_sum {
        size_t n_nodes, n_asked, n_answered, n_ok; /* ok: RESULT_OK */
};

struct errand_calls {
        /* All may be NULL. Whether to ask that node; nodes come nearest first. */
        bool (*wants)(void *userdata, const struct contact *node);
        /* Returns what to ask that node next (the errand's to release), or NULL. */
        struct refbuf *(*heard)(void *userdata, const struct contact *node,
                                const Record__Reply *reply);
        void (*done)(void *userdata, const struct errand_sum *sum, nsec_t now);
};

#define ERRAND_PAGES_MAX 8 /* questions to one node */

/* Those of one owner that are under way. */
struct errands {
        struct dht *dht;
        struct list list;
};

/* False: too much is under way; nothing is called. `calls` is static. */
bool errand_begin(struct errands *owner, const struct key *key, struct bytes message,
                  const struct errand_calls *calls, void *userdata, nsec_t now);
/* After dht_free(), which calls nobody: forgets all, without `done`. */
void errands_drop(struct errands *owner);
