#pragma once

/* What a node says about the records near another (Region and Fetch of /quorate/record/1): what it
 * holds of that for which the other is among the k closest as far as it knows, so that nobody far
 * away learns what lies here, nor a client. Announcements under topics are their publishers' own
 * affair, and a tombstone goes with its letter. What is looked at are the heads of records; of
 * those that are given the values are read as well. The front rations both (peer_may_walk()). Pure.
 */

#include "services/dht/record_serve.h"

#define REGION_K 20
#define REGION_SLACK \
        2 /* the k closest of a key may lie farther than the radius that holds k on average */

/* One record as `held` has it. */
struct region_entry {
        uint64_t key, version; /* the first 8 bytes; sequence, or of a letter's slot */
        uint32_t minute;       /* expiry; 0: dated by when it came */
        bool is_letter;        /* as far as that is known: many stand under one key */
};
bool region_entry_of(const struct stored_record *r,
                     struct region_entry *ret); /* false: not shown */
struct region_entry region_entry_read(const uint8_t in[RECORD_ENTRY]);
/* Whether it is worth fetching for who has `held` under the same key. */
bool region_is_newer(const struct region_entry *offered, const struct region_entry *held);

/* The heads (store.h) from the first key that may lie within the radius of the point, after `after`
 * (or NULL), in order; `fn` is to stop behind the last: region_is_past(). */
void region_walk(const struct store *store, const struct key *point, double radius,
                 const struct key *after, store_record_fn fn, void *userdata);
bool region_is_past(const struct key *point, double radius, const struct key *key);

/* Where a reply's parts stand until it is packed. */
struct region_page {
        Record__Store stores[RECORD_PAGE_MAX], *pointers[RECORD_PAGE_MAX];
        struct key next;
};
/* Fill in the reply; its bytes go to `copies`. */
void region_list(const struct record_serve *s, const struct dht_remote *from, struct bytes after,
                 struct buffer *copies, struct region_page *page, Record__Reply *reply);
void region_fetch(const struct record_serve *s, const struct dht_remote *from, struct bytes wanted,
                  struct buffer *copies, struct region_page *page, Record__Reply *reply);
