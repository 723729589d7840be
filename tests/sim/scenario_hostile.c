/* GossipSub over many routers, some of which harm: those who flood IHAVE, graft in back-off, send
 * invalid messages. Each is out of every honest mesh within ten seconds and stays out, nobody
 * honest falls, and messages go on.
 *   scenario_hostile [--runs N] [--nodes N] [--seed S]
 * --runs: at the size of the design, 1,000 routers. */

#include <stdlib.h>

#include "services/gossip/rpc_message.h"
#include "tests/support/pubsubs.h"
#include "tests/support/test.h"

#define TOPIC    "quorate/caps/1/default/0"
#define DEGREE   20
#define GOODWILL (400 * NSEC_PER_SEC) /* as much as time in a mesh can give */
#define TICK     (100 * NSEC_PER_MSEC)
#define LIMIT    (10 * NSEC_PER_SEC)
#define AFTER    (60 * NSEC_PER_SEC)
#define PER_RPC  1000 /* ids */

static unsigned n_nodes = 200;
static uint64_t seed = 1;

/* What an attacker sends to everybody it is connected to, every TICK. */
typedef void (*harm_fn)(struct pubsubs *s, unsigned from, struct rpc_writer *w);

static void flood_ihave(struct pubsubs *s, unsigned from, struct rpc_writer *w) {
        struct message_id *ids = xnew_n(struct message_id, PER_RPC);

        rng_bytes(&s->rng, ids, PER_RPC * sizeof(*ids));
        rpc_put_ihave(w, TOPIC, ids, PER_RPC);
        free(ids);
}

static void spam_graft(struct pubsubs *s, unsigned from, struct rpc_writer *w) {
        rpc_put_prune(w, TOPIC, NULL, 0, 60);
        rpc_put_graft(w, TOPIC);
}

static void send_invalid(struct pubsubs *s, unsigned from, struct rpc_writer *w) {
        static const uint8_t wrong[SIGNATURE_SIZE] = { 1 };
        CLEANUP(buffer_donep) struct buffer raw = {};
        uint8_t data[32];

        rng_bytes(&s->rng, data, sizeof(data));
        buffer_init(&raw, 1024);
        message_put(&raw, &s->nodes[from].peer, BYTES_OF(data), s->now, TOPIC);
        message_put_signature(&raw, BYTES_OF(wrong));
        rpc_put_message(w, buffer_bytes(&raw));
}

static const struct harm {
        const char *name, *counter;
        harm_fn fn;
} harms[] = {
        { "IHAVE flood", "ihave_flood", flood_ihave },
        { "GRAFT in back-off", "graft_in_backoff", spam_graft },
        { "invalid messages", "bad_signature", send_invalid },
};

/* ---- One run ---- */

static bool is_attacker(unsigned i) {
        return i % 50 == 7; /* 2 in a hundred */
}

static void harm_all(struct pubsubs *s, const struct harm *h) {
        for (unsigned a = 0; a < n_nodes; a++)
                for (unsigned b = 0; is_attacker(a) && b < n_nodes; b++) {
                        struct rpc_writer w;
                        struct refbuf *rpc;

                        if (is_attacker(b) || !pubsubs_is_connected(s, a, b))
                                continue;
                        rpc_writer_init(&w);
                        h->fn(s, a, &w);
                        while ((rpc = rpc_take(&w))) {
                                pubsubs_inject(s, a, b, refbuf_bytes(rpc));
                                refbuf_unref(rpc);
                        }
                        rpc_writer_done(&w);
                }
}

/* Places that attackers have in meshes of honest routers. */
static unsigned places(const struct pubsubs *s) {
        unsigned n = 0;

        for (unsigned a = 0; a < n_nodes; a++)
                for (unsigned b = 0; is_attacker(a) && b < n_nodes; b++)
                        n += !is_attacker(b) &&
                             pubsub_in_mesh(s->nodes[b].router, TOPIC, &s->nodes[a].peer);
        return n;
}

static double lowest_honest_score(const struct pubsubs *s) {
        double lowest = 0;

        for (unsigned a = 0; a < n_nodes; a++)
                for (unsigned b = 0; !is_attacker(a) && b < n_nodes; b++) {
                        double score;

                        if (is_attacker(b) || !pubsubs_is_connected(s, a, b))
                                continue;
                        score = pubsub_score(s->nodes[a].router, &s->nodes[b].peer);
                        lowest = score < lowest ? score : lowest;
                }
        return lowest;
}

static void begin(struct pubsubs *s) {
        struct pubsubs_settings c = pubsubs_defaults;

        c.seed = seed;
        c.n_nodes = n_nodes;
        c.real_signatures = false;
        pubsubs_init(s, &c);
        pubsubs_connect_randomly(s, DEGREE);
        pubsubs_subscribe_all(s, TOPIC);
        pubsubs_run(s, GOODWILL);
}

/* A message of an honest router once a second; how many honest ones it reached, as a share. */
static double deliver(struct pubsubs *s) {
        static unsigned round;
        unsigned author = round++ * 31 % n_nodes, n = 0, honest = 0;
        nsec_t began = s->now;
        uint8_t data[32];

        author += is_attacker(author);
        rng_bytes(&s->rng, data, sizeof(data));
        pubsubs_publish(s, author, TOPIC, BYTES_OF(data));
        pubsubs_run(s, 3 * NSEC_PER_SEC);
        for (unsigned i = 0; i < n_nodes; i++) {
                honest += !is_attacker(i) && i != author;
                n += !is_attacker(i) && i != author && s->nodes[i].delivered_at >= began;
        }
        return (double) n / honest;
}

static void run(const struct harm *h) {
        nsec_t began, out = 0;
        unsigned before;
        double reached;
        struct pubsubs s;

        begin(&s);
        before = places(&s);
        assert_true(before > 0); /* they are in meshes to begin with */
        for (began = s.now; s.now < began + AFTER; pubsubs_run(&s, TICK)) {
                harm_all(&s, h);
                if (places(&s) > 0)
                        out = s.now - began; /* still, or again */
        }
        reached = deliver(&s);
        print_message("# %s: %u places in meshes, none after %.1f s, %s %u, lowest honest score "
                      "%.2f, delivered %.4f\n",
                      h->name, before, (double) out / 1e9, h->counter,
                      (unsigned) pubsubs_total(&s, h->counter), lowest_honest_score(&s), reached);
        print_message(
                "# json {\"scenario\":\"hostile\",\"case\":\"%s\",\"nodes\":%u,\"out_s\":%.1f,"
                "\"delivered\":%.5f}\n",
                h->name, n_nodes, (double) out / 1e9, reached);
        assert_true(out <= LIMIT);
        assert_true(pubsubs_total(&s, h->counter) > 0);
        assert_true(lowest_honest_score(&s) >= 0);
        assert_true(reached >= 0.999);
        pubsubs_done(&s);
}

static void test_ihave_flood(void **state) {
        run(&harms[0]);
}

static void test_graft_spam(void **state) {
        run(&harms[1]);
}

static void test_invalid_messages(void **state) {
        run(&harms[2]);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_ihave_flood),
                                            cmocka_unit_test(test_graft_spam),
                                            cmocka_unit_test(test_invalid_messages) };

        for (int i = 1; i + 1 < argc; i += 2) {
                if (strcmp(argv[i], "--runs") == 0)
                        n_nodes = 1000;
                else if (strcmp(argv[i], "--nodes") == 0)
                        n_nodes = (unsigned) atoi(argv[i + 1]);
                else if (strcmp(argv[i], "--seed") == 0)
                        seed = strtoull(argv[i + 1], NULL, 10);
        }
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
