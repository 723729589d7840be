#pragma once

/* What this node answers on /quorate/record/1: it keeps announcements under topics
 * and letters in mailboxes for others; and whatever PUT_VALUE takes, for those who fill gaps.
 * Reading verifies nothing: what is in the store was verified when it came. Pure; the caller
 * rations requests before. */

#include "services/dht/dht.h"
#include "services/dht/quota.h"
#include "services/dht/record_messages.h"
#include "services/dht/rules.h"

struct record_serve {
        struct rules *rules;
        struct quota *quota;
        const struct store *store;
        int64_t now_us;        /* wall clock */
        const struct dht *dht; /* who else is closest to a key, who is denied; NULL: nobody */
        double radius;         /* as quota_region(); 0: nothing is said of regions */
};

/* Keeps what rules_validate() filled in, subnet and publisher set, unless what is held is as good.
 * Returns Record__Result; whether the store changed. */
int record_keep(const struct record_serve *s, struct stored_record *r, bool *ret_is_new);

/* Appends the reply; false: not a request, reset the stream. */
bool record_serve(const struct record_serve *s, const struct dht_remote *from, struct bytes message,
                  struct buffer *ret);
