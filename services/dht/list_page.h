#pragma once

/* One page of a listing in key order: which values stand on it, and where the next begins.
 * Many values may stand under one key, more than a page holds, so a page may end inside
 * one; the next is asked for by that key and how many of its values were given. Values
 * that come or go between two pages may be met twice or missed. Pure. */

#include <stddef.h>

#include "services/dht/key.h"

enum list_step {
        LIST_SKIP, /* stood on a page before */
        LIST_TAKE,
        LIST_FULL, /* ends the page; there is more */
};

struct list_page {
        struct key last;    /* begin: where the page before ended; end: where this one does */
        size_t inside;      /* values of `last` given so far; 0 at the beginning: all of it */
        size_t n, n_max;    /* values */
        size_t bytes, room; /* a page ends once it has more than `room` */
        struct key after;   /* list_page_init() */
        size_t skip;        /* of `after`, still to come */
};

/* Behind `inside` values of `after`; 0: behind the key. */
void list_page_init(struct list_page *p, const struct key *after, size_t inside, size_t n_max,
                    size_t room);

/* For each value in key order, `after` with them or not. */
enum list_step list_page_step(struct list_page *p, const struct key *key, size_t bytes);
