#pragma once

/* THE record table: what may stand in the DHT, under which name, who may write
 * it, how two values compare, how long it lives and how much of it one writer
 * gets. README.md shows the same table. Also validation by it, with the verdict
 * cached, and selection; quota.h counts. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/canonical/record.h"
#include "services/dht/record.h"
#include "services/dht/store.h"

enum record_writer {
        WRITER_KEY_OWNER, /* the peer named in the key, by its signature */
        WRITER_ANYBODY,   /* whoever signed it */
        WRITER_WORKER,    /* whoever did the proof of work */
        WRITER_EVIDENT,   /* the key is a hash of the value */
        WRITER_ITS_KEY, /* the value carries the signatures of who it is about: anybody may bring it
                         */
};

struct record_rule {
        enum record_kind kind;
        const char *ns; /* NULL: never under a name of its own */
        enum record_name_form form;
        enum record_writer writer;
        bool is_kad; /* one value a key, by PUT_VALUE and GET_VALUE; else /quorate/record/1 */
        uint32_t payload_min, payload_max;
        uint32_t ttl_s, ttl_max_s; /* the publisher's own choice if it has none; the longest */
        uint32_t per_publisher;    /* all records of that publisher here, of any kind, below this */
        uint32_t per_key;          /* values under one key */
        /* NULL: good; else what is wrong with the payload. */
        const char *(*check)(struct bytes payload);
};
const struct record_rule *record_rule_of(enum record_kind kind); /* NULL: unknown */
const struct record_rule *record_rule_at(size_t i);              /* NULL past the end */

/* When a record of this life is to be published again: 22 h of 48 h. */
uint32_t record_republish_s(uint32_t ttl_s);

#define RULES_SKEW_US (INT64_C(600) * 1000000) /* a publisher's clock may be ahead */

typedef bool (*rules_verify_fn)(void *userdata, const struct sign_public *key, struct bytes message,
                                struct bytes signature);

struct rules_config {
        const char *network;   /* every record must name it */
        unsigned mailbox_bits; /* MAILBOX_WORK_BITS, or less for tests */
};

struct rules_stats {
        uint64_t verified, verdicts_cached, refused;
};

struct rules;
struct rules *rules_new(const struct rules_config *config);
struct rules *rules_free(struct rules *r); /* always NULL */
DEFINE_CLEANUP(struct rules *, rules_free);
/* Another check than Ed25519, for simulations; NULL: sign_verify(). */
void rules_verifier(struct rules *r, rules_verify_fn fn, void *userdata);
const struct rules_stats *rules_stats(const struct rules *r);

/* Called with each revocation that turns out to be true: once, and again now and then. A view. */
typedef void (*rules_revoked_fn)(void *userdata, struct bytes value);
void rules_on_revoked(struct rules *r, rules_revoked_fn fn, void *userdata);

/* As hooks.h has them, of any kind whether kad carries it or not. A letter's publisher is
 * filled in by whoever knows who brought it. */
const char *rules_validate(struct rules *r, struct bytes name, struct bytes value, int64_t now_us,
                           struct stored_record *ret);
int rules_select(struct bytes name, struct bytes a, struct bytes b);

/* A signed record of that kind whatever its name; ret holds views of value. NULL: good. */
const char *rules_open(struct rules *r, enum record_kind kind, struct bytes value, int64_t now_us,
                       struct record_parts *ret);
