#pragma once

/* What the front asks of the record table. rules.c fills it in; without one no
 * value is accepted and none is served. */

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "services/dht/store.h"

struct dht_remote; /* dht.h */

struct record_rules {
        /* May this value stand under this name, at this wall clock? Costs a signature
         * check: the asker was charged before. NULL: yes, and everything of *ret is
         * filled in but class, subnet and received_us (views into name and value);
         * else the rule it breaks, a static text. */
        const char *(*validate)(void *userdata, struct bytes name, struct bytes value,
                                int64_t now_us, struct stored_record *ret);
        /* Whether kad may show what is held: what /quorate/record/1 carries has rules of its own
         * about who reads it, and nobody is to get past them here. */
        bool (*is_kad)(void *userdata, const struct stored_record *r);
        /* Two valid values of one name: < 0 the first is to be kept, > 0 the second,
         * 0 they are the same or do not exclude each other. */
        int (*select)(void *userdata, struct bytes name, struct bytes a, struct bytes b);
        /* Quotas, against what the store holds. NULL: room; else a static text. */
        const char *(*admit)(void *userdata, const struct store *store,
                             const struct stored_record *r);
        const char *(*admit_provider)(void *userdata, const struct store *store,
                                      const struct stored_provider *p);
        /* Our own records to keep alive elsewhere, gap fill: called about every 30 s of
         * server or client life once bootstrapped; uses dht_put_again() and the like. */
        void (*maintain)(void *userdata, nsec_t now);
        /* One message of /quorate/record/1. Writes an answer and returns true; false: reset. */
        bool (*request)(void *userdata, const struct dht_remote *from, struct bytes message,
                        struct buffer *ret_answer, nsec_t now);
        /* Whether that message may look at many records; NULL: none does. Such are rationed by
         * themselves, before request(). */
        bool (*is_walk)(void *userdata, struct bytes message);
        /* What a dht_sign() of calls.h came to; signature empty: keyring refused. */
        void (*on_signed)(void *userdata, uint64_t id, struct bytes statement,
                          struct bytes signature, nsec_t now);
};
