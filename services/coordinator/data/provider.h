#pragma once

/* One provider of a fetch: what it was asked and still owes, in order. Private
 * to fetch.c. Pure. */

#include "common/base/list.h"
#include "common/wire/pays.h"
#include "services/coordinator/data/fetch.h"

#define PROVIDER_WINDOW_MAX 64

enum provider_state {
        PROVIDER_NEW = 0, /* FETCH_OPEN not yet given out */
        PROVIDER_OPENING,
        PROVIDER_READY,
        PROVIDER_DROPPING, /* FETCH_DROP not yet given out */
        PROVIDER_GONE,
};

enum asked_kind {
        ASKED_MANIFEST = 1,
        ASKED_LEAVES,
        ASKED_CHUNK,
};
struct asked {
        enum asked_kind kind;
        uint64_t index; /* chunk, or first leaf */
        uint32_t count; /* leaves */
};

struct provider {
        enum provider_state state;
        struct fetch_report report;
        struct asked owed[PROVIDER_WINDOW_MAX]; /* ring, oldest at `first` */
        unsigned first, n_owed;
        nsec_t deadline;   /* NSEC_NEVER while nothing is owed */
        nsec_t leaves_by;  /* the answer with leaves that it owes, all of it */
        struct buffer out; /* frames not yet given out */
        size_t out_given;
        struct link_rate link;
        bool is_stranger; /* it has not shown the manifest yet: the root is not told to it */
};

void provider_init(struct provider *p, const struct peer_id *peer);
void provider_done(struct provider *p);

/* Frames a request and remembers what is owed. The window is the caller's matter. */
void provider_ask(struct provider *p, const struct hash_value *root, const struct asked *what);
bool provider_owes(const struct provider *p, enum asked_kind kind, uint64_t index);
/* The oldest thing owed, taken off; false when nothing is. */
bool provider_settle(struct provider *p, struct asked *ret);
