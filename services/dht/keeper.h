#pragma once

/* The record half of a dht as one object: it is what hooks.h asks for (the record
 * table, quotas, /quorate/record/1, replication), and offers topics and mailboxes to
 * the shell. Each call ends with one call of its function. */

#include "services/dht/pull.h"
#include "services/dht/quota.h"
#include "services/dht/replicate.h"
#include "services/dht/rules.h"

struct keeper_config {
        struct rules_config rules;
        struct quota_config quota;
        struct replicate_config replicate;
        struct pull_config pull;
};
void keeper_config_default(struct keeper_config *ret); /* network "default" */

struct keeper;
/* Sets itself as the dht's rules. Freed after the dht. */
struct keeper *keeper_new(const struct keeper_config *config, struct dht *d,
                          const struct peer_id *self, uint64_t seed);
struct keeper *keeper_free(struct keeper *k); /* always NULL */
DEFINE_CLEANUP(struct keeper *, keeper_free);
/* From dht_status(): how far from a key those responsible may be; keeps quotas and fetching
 * to our own region. 0: unknown. */
void keeper_region(struct keeper *k, double radius);

struct rules *keeper_rules(struct keeper *k);
const struct quota *keeper_quota(const struct keeper *k);
const struct replicate_stats *keeper_replication(const struct keeper *k);
const struct pull_stats *keeper_pulls(const struct keeper *k);

enum keeper_code {
        KEEPER_OK = 0,
        KEEPER_E_BUSY,    /* too much is under way */
        KEEPER_E_INVALID, /* against the record table: the text names the rule */
        KEEPER_E_KEYRING, /* did not sign */
        KEEPER_E_NOBODY,  /* no node answered */
};
struct keeper_result {
        enum keeper_code code;
        const char *text; /* static, or NULL */
        size_t n_asked, n_stored;
        struct bytes name; /* of what was put; view */
        uint64_t sequence;
};
typedef void (*keeper_done_fn)(void *userdata, const struct keeper_result *result, nsec_t now);
/* A value found; verified by the table. Views. `n_copies`: so many of those asked had it; 0: only
 * we. received_us is now. */
typedef void (*keeper_value_fn)(void *userdata, const struct stored_record *r, size_t n_copies);

/* Where a call ends. `found` only for those that read. Copied. */
struct keeper_call {
        keeper_done_fn done;
        keeper_value_fn found;
        void *userdata;
};

/* A record of this node: signed through keyring, kept, published, and kept alive from then
 * on (dht_unput() ends that). Sequence: one above what we have of it, at least the clock. */
struct keeper_record {
        enum record_kind kind;
        struct bytes label, payload;
        uint32_t ttl_s; /* 0: the kind's own */
};
void keeper_put(struct keeper *k, const struct keeper_record *what, const struct keeper_call *call,
                nsec_t now);

/* A rotation or revocation of any node's key, whole: kept, and published like our own. NOBODY: it
 * is kept, and published when somebody is there. */
void keeper_publish(struct keeper *k, struct bytes value, const struct keeper_call *call,
                    nsec_t now);

/* Everybody under one name, ours and what this node keeps included; each publisher once. */
void keeper_find(struct keeper *k, struct bytes name, const struct keeper_call *call, nsec_t now);

/* A letter whose work is done (mailbox.h). Kept by us too, until it is read or expires. */
void keeper_send(struct keeper *k, struct bytes letter, const struct keeper_call *call, nsec_t now);
/* The letters for this node; each once. */
void keeper_mailbox(struct keeper *k, const struct keeper_call *call, nsec_t now);
/* Those were read: signs a tombstone and brings it to who keeps our mailbox. At most
 * MAILBOX_DELETES_MAX. */
void keeper_forget(struct keeper *k, const uint8_t (*slots)[32], size_t n,
                   const struct keeper_call *call, nsec_t now);
/* Was our letter read? Found is called with the tombstone the recipient signed, if so. */
void keeper_receipt(struct keeper *k, const struct peer_id *recipient, const uint8_t slot[32],
                    const struct keeper_call *call, nsec_t now);
