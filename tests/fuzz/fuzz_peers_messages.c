/* /quorate/peers/1, both sides: the first byte says whether the rest is a question of a
 * peer, the answer to a crawl or to a draw, or a state file. */

#include "common/base/error.h"
#include "tests/unit/gossip/core_bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool verify(void *userdata, const struct sign_public *key, struct bytes message,
                   struct bytes signature) {
        return signature.data[0] % 2 == 0;
}

static void crawl(struct core_bench *c, struct bytes in) {
        struct gossip_crawl w = { .depth = -1, .peers_max = 100, .discover = true };

        gossip_crawl(c->g, 1, &w, c->now);
        core_drain(c);
        for (unsigned i = 0; i < 32 && c->n_asked > 0; i++) {
                gossip_answered(c->g, c->asked[--c->n_asked], in, c->now);
                core_drain(c);
        }
        core_run(c, 40 * NSEC_PER_SEC);
        check(c->crawled && c->crawled->n <= 100);
        check(c->private_dials == 0);
}

static void draw(struct core_bench *c, struct bytes in) {
        struct gossip_draw d = { .count = 8 };
        struct gossip_contact member = { .peer = core_peer(1, NULL) };

        gossip_draw(c->g, 1, &d, c->now);
        core_drain(c);
        for (uint64_t id = 1; id < 50; id++)
                gossip_found(c->g, id, &member, 1, c->now);
        core_drain(c);
        while (c->n_asked > 0)
                gossip_answered(c->g, c->asked[--c->n_asked], in, c->now);
        core_run(c, 5 * NSEC_PER_SEC);
        check(c->drawn && c->drawn->n <= 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes in = { data + 1, size - 1 };
        struct peer_id peer = core_peer(1, NULL);
        struct core_bench c;

        if (size == 0)
                return 0;
        core_init(&c, NULL);
        gossip_verifier(c.g, verify, NULL);
        core_up(&c, 1);
        core_up(&c, 2);
        if (data[0] % 4 == 0) {
                gossip_asked(c.g, 1, &peer, in, c.now);
                core_drain(&c);
                check(c.n[GOSSIP_ANSWER] + c.n[GOSSIP_REFUSE] == 1);
                check(!c.answer || c.answer->len <= 64 * 1024);
        } else if (data[0] % 4 == 1) {
                crawl(&c, in);
        } else if (data[0] % 4 == 2) {
                draw(&c, in);
        } else {
                (void) gossip_restore(c.g, in, c.now);
                core_run(&c, 5 * NSEC_PER_SEC);
        }
        core_done(&c);
        return 0;
}
