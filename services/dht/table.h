#pragma once

/* The k-buckets: servers that answered us, authenticated, with enough proof of work.
 * Who may come in is the caller's matter (dht.c) except for the subnet caps, which
 * are counted here: at most 3 of a subnet in a bucket, 8 in the table, 64 of a v6 /32.
 *
 * The long-lived stay: a full bucket takes nobody in. A newcomer waits in a small
 * cache and the incumbent heard of longest ago is offered for a probe; only a probe
 * that failed makes room. But where honest nodes come and go, who never leaves would have
 * all places in the end. So a full bucket gives places to those who wait as fast as the table
 * loses entries of long standing: where nobody leaves nobody has to, however many want to
 * come in; and never one of the TABLE_KEPT who have lived longest. Pure data structure. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/nsec.h"
#include "services/dht/contact.h"

#define TABLE_BUCKETS    48 /* the last takes all that are closer: only ground ids are */
#define TABLE_CACHE      6  /* waiting for a place, per bucket */
#define TABLE_PER_BUCKET 3
#define TABLE_PER_TABLE  8
#define TABLE_PER_WIDE   64
#define TABLE_PROBES_MAX 4
#define TABLE_CLOSEST    64
#define TABLE_FRESH_MIN  (5 * 60 * NSEC_PER_SEC) /* who answered in this time is not probed */
#define TABLE_FRESH_FULL \
        (15 * 60 * NSEC_PER_SEC) /* nor in this one, in a full bucket nobody waits for */
#define TABLE_FRESH_MAX  (30 * 60 * NSEC_PER_SEC) /* who did not is, however old */
#define TABLE_DOUBT      (5 * NSEC_PER_SEC) /* from a failed request to the probe that decides */
#define TABLE_TURN       (2 * 60 * NSEC_PER_SEC) /* between two that a full bucket gives, at least */
#define TABLE_TURN_YOUNG (30 * NSEC_PER_SEC) /* sooner, and for nothing, while nobody is old … */
#define TABLE_YOUNG      (10 * 60 * NSEC_PER_SEC)
#define TABLE_TURN_FOR   0.5 /* of a bucket that lost as much as the table did, for each turn */
#define TABLE_KEPT       5   /* of the old and living in a bucket, who give their place to nobody */

/* The subnet of peers whose address is not known (relayed, names): they count as one. */
#define SUBNET_UNRESOLVED 1

struct table_config {
        unsigned k;
        bool without_subnet_caps, without_age;
};

struct table_entry {
        struct contact contact;
        struct subnet near, wide;                  /* family 0: exempt */
        uint8_t bucket, failures;                  /* requests that failed since it answered */
        nsec_t since, answered;                    /* its first and its latest answer */
        nsec_t failed;                             /* the latest failure, when failures > 0 */
        uint32_t rtt_us;                           /* in this order no gap is larger than a byte */
        bool is_connected, is_probing, is_waiting; /* to be changed by the functions below */
};

/* Somebody who just answered. */
struct table_peer {
        struct contact contact; /* a view */
        struct subnet near, wide;
        nsec_t rtt;
        bool is_connected;
};

/* Thousands of buckets are searched all the time: most searches end at these few bytes. */
struct table_slot {
        uint64_t prefix; /* key_prefix() of its key */
        struct table_entry *entry;
};

struct table_bucket {
        struct table_slot *slots; /* in the order they came; room for k once anybody did */
        struct table_entry *waiting[TABLE_CACHE]; /* the newest last */
        unsigned n_entries, n_waiting, n_futile;
        nsec_t refreshed, fill_at;
        nsec_t probe_at;      /* nobody in it is to be probed before */
        nsec_t began, turned; /* when it had its first entry; when it last changed one */
        double lost;          /* the table's then */
        bool wants_room;
};

struct table {
        struct table_config config;
        struct key self;
        struct table_bucket buckets[TABLE_BUCKETS];
        size_t n_entries, n_probing;
        double lost; /* old ones that left, each as its share of the table then */
        uint64_t refused_subnet, refused_full, evicted, promoted, turned;
};

enum table_result {
        TABLE_OK = 0,
        TABLE_E_WAITS,  /* the bucket is full: in its cache, and a probe is wanted */
        TABLE_E_SUBNET, /* too many of its subnet */
        TABLE_E_SELF,
};

void table_init(struct table *t, const struct table_config *config, const struct key *self);
void table_done(struct table *t);

unsigned table_bucket_of(const struct table *t, const struct key *key);
struct table_entry *table_find(const struct table *t, const struct key *key); /* not the waiting */
/* Inserts or refreshes; an address in a subnet that is full is not taken over.
 * Returns enum table_result. */
int table_answered(struct table *t, const struct table_peer *peer, nsec_t now);
/* Transport has a connection to it, or lost the one it had: till then it lived. */
void table_connected(struct table *t, struct table_entry *e);
void table_disconnected(struct table *t, struct table_entry *e, nsec_t now);
/* Whether a newcomer of these subnets would find a place now. */
bool table_has_room(const struct table *t, const struct key *key);

/* A request failed: not in answers until it answers again, to be probed soon. */
void table_doubt(struct table *t, struct table_entry *e, nsec_t now);
/* The probe failed: out, and the newest of those waiting comes in. */
void table_evict(struct table *t, struct table_entry *e);
/* Each full bucket whose time has come gives a place, drawn by `random` of those that are not
 * kept, to the waiting whose subnet has fewest places in the table. Returns how many changed. */
unsigned table_turn(struct table *t, uint64_t random, nsec_t now);
/* Out of table and cache, whatever it is (denied). */
void table_remove(struct table *t, const struct key *key);

/* Who is to be asked whether it still lives: doubted ones first, then incumbents in
 * the way of newcomers, then those silent for longest. NULL: nobody, or
 * TABLE_PROBES_MAX are under way. */
struct table_entry *table_next_probe(struct table *t, nsec_t now);
void table_probe_begins(struct table *t, struct table_entry *e);
void table_probe_ends(struct table *t, struct table_entry *e);

/* The closest to the target that are not doubted, nearest first; `except` may be NULL.
 * At most TABLE_CLOSEST. */
size_t table_closest(const struct table *t, const struct key *target, const struct key *except,
                     const struct table_entry **ret, size_t max);
