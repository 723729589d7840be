/* /quorate/record/1 from both sides: as a request to a node that keeps records, as a
 * reply to one that asked. */

#include "common/base/error.h"
#include "services/dht/record_serve.h"
#include "services/dht/store_memory.h"

#define NOW INT64_C(1800000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct node {
        struct rules *rules;
        struct quota *quota;
        struct store store;
        struct dht_remote from;
};

static struct node *the_node(void) {
        static const struct rules_config config = { .network = "default", .mailbox_bits = 4 };
        static const struct store_limits limits = { 64, 1 << 20, 64 };
        static const uint8_t addr[4] = { 192, 0, 1, 1 };
        static struct node n;
        struct quota_config quota;
        struct sign_public key = { .bytes = { 1 } };
        struct peer_id peer = peer_id_from_ed25519(&key);

        if (n.rules)
                return &n;
        quota_config_default(&quota);
        quota.records_max = limits.records;
        n.rules = rules_new(&config);
        n.from.endpoint = endpoint_ip4(addr, 4001);
        n.from.is_server = true;
        contact_init(&n.from.contact, &peer, NULL, 0);
        n.quota = quota_new(&quota, &n.from.contact.key, 1);
        n.store = store_memory_new(&limits, 1);
        return &n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CLEANUP(record_reply_donep) struct record_reply reply = {};
        CLEANUP(buffer_donep) struct buffer answer = {};
        struct node *n = the_node();
        struct record_serve serve = { .rules = n->rules,
                                      .quota = n->quota,
                                      .store = &n->store,
                                      .now_us = NOW,
                                      .radius = 0.5 };
        struct store_counts counts;

        buffer_init(&answer, RECORD_MESSAGE_MAX);
        if (record_serve(&serve, &n->from, BYTES(data, size), &answer)) {
                CLEANUP(record_reply_donep) struct record_reply own = {};

                check(record_reply_read(buffer_bytes(&answer), &own)); /* we can read ourselves */
        }
        n->store.ops->counts(n->store.self, &counts);
        check(counts.records <= 64);
        (void) record_reply_read(BYTES(data, size), &reply);
        return 0;
}
