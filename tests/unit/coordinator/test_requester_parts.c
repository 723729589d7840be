/* The small parts of the requester: planner, retry budget, voters. */

#include "common/base/text.h"
#include "services/coordinator/coordinator.h"
#include "services/coordinator/planner.h"
#include "services/coordinator/retry.h"
#include "services/coordinator/voter.h"
#include "tests/support/test.h"

/* ---- Planner ---- */

enum {
        ASKED = 1,
        REFUSED = 2,
        NO_WORKER = 4,
        PRIVATE = 8,
        SMALL = 16,
        FAST = 32,
        NAMED = 64,
        BUILDS = 128,
        ENGINES = 256,
        UNIFORM = 512,
        BIG = 1024,
        BY_SETTING = 2048
};

static const struct {
        const char *name;
        enum prefer prefer;
        unsigned candidates, flags;
        bool is_local;
        enum outcome_error error;
        const char *reason;
} plans[] = {
        { "hosts and work enough", PREFER_AUTO, 5, 0, false, OUTCOME_OK, "grid" },
        { "asked for", PREFER_LOCAL, 5, 0, true, OUTCOME_OK, "asked_local" },
        { "nobody", PREFER_AUTO, 0, 0, true, OUTCOME_OK, "no_peers" },
        { "nobody of those named", PREFER_AUTO, 0, ASKED | NAMED, false, OUTCOME_NO_CANDIDATES,
          "not_known" },
        { "nobody, check asked for", PREFER_AUTO, 0, ASKED, true, OUTCOME_OK, "no_peers" },
        { "nobody, remote only", PREFER_REMOTE, 0, 0, false, OUTCOME_NO_CANDIDATES, "no_peers" },
        { "too few to check", PREFER_AUTO, 1, 0, true, OUTCOME_OK, "too_few_peers" },
        { "too few, check asked for", PREFER_AUTO, 1, ASKED, false, OUTCOME_OK, "grid" },
        { "too few, remote only", PREFER_REMOTE, 1, 0, false, OUTCOME_OK, "grid" },
        { "small", PREFER_AUTO, 5, SMALL, true, OUTCOME_OK, "too_small" },
        { "small, check asked for", PREFER_AUTO, 5, SMALL | ASKED, false, OUTCOME_OK, "grid" },
        { "small, no worker", PREFER_AUTO, 5, SMALL | NO_WORKER, false, OUTCOME_OK, "grid" },
        { "not verifiable", PREFER_AUTO, 5, REFUSED, true, OUTCOME_OK, "not_verifiable" },
        { "not verifiable, check asked for", PREFER_AUTO, 5, REFUSED | ASKED, false,
          OUTCOME_NOT_VERIFIABLE, "not_verifiable" },
        { "not verifiable, fast", PREFER_AUTO, 5, REFUSED | ASKED | FAST, false, OUTCOME_OK,
          "grid" },
        { "builds differ", PREFER_AUTO, 5, BUILDS, true, OUTCOME_OK, "not_comparable" },
        { "builds differ, check asked for", PREFER_AUTO, 5, BUILDS | ASKED, false, OUTCOME_USAGE,
          "not_comparable" },
        { "builds differ, fast", PREFER_REMOTE, 5, BUILDS | FAST, false, OUTCOME_USAGE,
          "not_comparable" },
        { "builds differ, here", PREFER_LOCAL, 5, BUILDS, true, OUTCOME_OK, "asked_local" },
        { "engines differ", PREFER_AUTO, 5, ENGINES, true, OUTCOME_OK, "not_portable" },
        { "engines differ, check asked for", PREFER_AUTO, 5, ENGINES | ASKED, false, OUTCOME_USAGE,
          "not_portable" },
        { "engines differ, remote only", PREFER_REMOTE, 5, ENGINES, false, OUTCOME_USAGE,
          "not_portable" },
        { "two engines, one is known", PREFER_REMOTE, 5, UNIFORM, false, OUTCOME_NO_CANDIDATES,
          "one_engine" },
        { "two engines, nobody is known", PREFER_AUTO, 0, UNIFORM | ASKED, false,
          OUTCOME_NO_CANDIDATES, "no_peers" },
        { "two engines by configuration, small", PREFER_AUTO, 5, UNIFORM | SMALL, true, OUTCOME_OK,
          "too_small" },
        { "more memory than is here", PREFER_AUTO, 5, BIG | SMALL, false, OUTCOME_OK, "too_big" },
        { "more memory than is here, nobody", PREFER_AUTO, 0, BIG | SMALL, true, OUTCOME_OK,
          "no_peers" },
        { "more memory than is here, private data", PREFER_AUTO, 5, BIG | PRIVATE, true, OUTCOME_OK,
          "private_data" },
        { "more memory than is here, here all the same", PREFER_LOCAL, 5, BIG, true, OUTCOME_OK,
          "asked_local" },
        { "private data", PREFER_AUTO, 5, PRIVATE, true, OUTCOME_OK, "private_data" },
        { "private data, sent on purpose", PREFER_REMOTE, 5, PRIVATE, false, OUTCOME_OK, "grid" },
        { "private data, sent by a setting", PREFER_REMOTE, 5, PRIVATE | BY_SETTING, false,
          OUTCOME_USAGE, "private_data" },
        { "public data, sent by a setting", PREFER_REMOTE, 5, BY_SETTING, false, OUTCOME_OK,
          "grid" },
};

static void test_planner(void **state) {
        FOREACH_CASE (c, plans) {
                const struct planner_facts facts = {
                        .prefer = c->prefer,
                        .mode = c->flags & FAST ? MODE_FAST : MODE_QUORUM,
                        .asked_for_check = c->flags & ASKED,
                        .names_hosts = c->flags & NAMED,
                        .is_refused = c->flags & REFUSED,
                        .is_incomparable = c->flags & BUILDS,
                        .is_unportable = c->flags & ENGINES,
                        .is_uniform = c->flags & UNIFORM,
                        .has_workers = !(c->flags & NO_WORKER),
                        .has_private_data = c->flags & PRIVATE,
                        .is_sent_by_setting = c->flags & BY_SETTING,
                        .candidates = c->candidates,
                        .need = 2,
                        .estimate_us = c->flags & SMALL ? 500 : 1000000,
                        .local_below_us = 20000,
                        .needs_memory = c->flags & BIG ? 2 << 20 : 0,
                        .memory_here = 1 << 20,
                };
                struct plan plan;

                planner_decide(&facts, &plan);
                assert_int_equal(plan.is_local, c->is_local);
                assert_int_equal(plan.error, c->error);
                assert_string_equal(plan.reason, c->reason);
        }
}

/* ---- Retry ---- */

static void test_retry_budget(void **state) {
        struct query_settings s = settings_default.query;
        struct retry r;
        unsigned taken = 0;

        retry_init(&r, &s);
        while (retry_take(&r, 0))
                taken++;
        assert_int_equal(taken, 32);
        assert_true(retry_next(&r, 0) > 249 * NSEC_PER_MSEC);
        assert_true(retry_next(&r, 0) <= 251 * NSEC_PER_MSEC);
        for (nsec_t now = 0; now <= 10 * NSEC_PER_SEC; now += NSEC_PER_MSEC)
                taken += retry_take(&r, now);
        assert_in_range(taken, 32 + 39, 32 + 40); /* four a second */
        assert_true(retry_take(&r, 3600 * NSEC_PER_SEC));
        for (taken = 1; retry_take(&r, 3600 * NSEC_PER_SEC); taken++)
                continue;
        assert_int_equal(taken, 32); /* never more than the budget */
}

static void test_retry_pause(void **state) {
        struct rng rng;

        rng_init(&rng, 5);
        for (unsigned attempt = 0; attempt < 40; attempt++) {
                nsec_t top = attempt < 5 ? (200 * NSEC_PER_MSEC) << attempt : 5 * NSEC_PER_SEC;

                top = nsec_min(top, 5 * NSEC_PER_SEC);
                for (int i = 0; i < 100; i++) {
                        nsec_t pause = retry_pause(&settings_default.query, attempt, &rng);

                        assert_true(pause >= top / 2 && pause <= top);
                }
        }
}

/* ---- Voters ---- */

static const struct {
        const char *name, *address;
        bool relayed, has_operator, independence;
        const char *group, *block;
} voters[] = {
        { "v4: the /24", "192.168.1.7:1", false, false, false, "peer:", "" },
        { "public v4", "8.8.4.4:4001", false, false, true, "subnet:8.8.4.0/24", "" },
        { "its neighbour", "8.8.4.200:9", false, false, true, "subnet:8.8.4.0/24", "" },
        { "behind a relay", "8.8.4.4:4001", true, false, true, "relay:8.8.4.0/24", "" },
        { "public v6: the /48", "[2a00:1450:4001:81b::200e]:1", false, false, true,
          "subnet:2a00:1450:4001::/48", "2a00:1450::/32" },
        { "private address: the peer", "10.1.2.3:4001", false, false, true, "peer:", "" },
        { "loopback: the peer", "127.0.0.1:4001", false, false, true, "peer:", "" },
        { "unique local: the peer", "[fd00::1]:4001", false, false, true, "peer:", "" },
        { "private mode: the peer", "8.8.4.4:4001", false, false, false, "peer:", "" },
        { "an operator's certificate comes first", "8.8.4.4:4001", false, true, true, "operator:07",
          "" },
};

static void test_voters(void **state) {
        FOREACH_CASE (c, voters) {
                struct candidate candidate = { .peer = { .len = 1, .bytes = { 9 } } };
                struct stream_remote remote = { .is_relayed = c->relayed };
                struct endpoint e;
                struct voter v;

                assert_true(endpoint_from_text(c->address, &e));
                remote.address = multiaddr_from_endpoint(&e);
                candidate.operator_key[0] = c->has_operator ? 7 : 0;
                voter_of(&candidate, &remote, c->independence, &v);
                assert_int_equal(strncmp(v.group, c->group, strlen(c->group)), 0);
                assert_string_equal(v.block, c->block);
                assert_true(v.is_measured);
        }
}

/* ---- Inputs: the shell keeps one, with its pin, until it hears ACTION_INPUT_CANCEL ---- */

struct inputs {
        uint64_t asked[2], cancelled[2];
        size_t n_asked, n_cancelled;
};

static void pump(struct coordinator *c, struct inputs *ret) {
        struct action a = {};

        while (coordinator_output(c, &a)) {
                if (a.type == ACTION_INPUT && ret->n_asked < 2)
                        ret->asked[ret->n_asked++] = a.id;
                if (a.type == ACTION_INPUT_CANCEL) {
                        assert_true(ret->n_cancelled < 2);
                        ret->cancelled[ret->n_cancelled++] = a.id;
                }
                if (a.type == ACTION_JOURNAL && a.id)
                        coordinator_journalled(c, a.id, NSEC_PER_SEC);
                action_done(&a);
        }
}

static void test_a_failed_input_is_let_go(void **state) {
        static const struct entropy entropy = { .nonce = { 1 }, .seed = { 2 } };
        static const struct peer_id self = { .len = 38, .bytes = { 0, 36, 8, 1, 18, 32 } };
        Coordinator__SubmitRequest request = COORDINATOR__SUBMIT_REQUEST__INIT;
        Types__Input inputs[2] = { TYPES__INPUT__INIT, TYPES__INPUT__INIT };
        Types__Input *list[2] = { &inputs[0], &inputs[1] };
        struct hash_value roots[2] = { { { 1 } }, { { 2 } } };
        struct input_facts facts = { .format = "sqlite", .path = "x", .length = 1 };
        struct coordinator *c = coordinator_new(&settings_default, &self, 1);
        const struct input_failure nobody = { .code = OUTCOME_DATA_UNAVAILABLE };
        struct inputs seen = {};

        for (unsigned i = 0; i < 2; i++) {
                inputs[i].name = (char *) (i ? "b" : "a");
                inputs[i].root = (ProtobufCBinaryData){ HASH_SIZE, roots[i].bytes };
        }
        request.sql = (char *) "SELECT 1";
        request.inputs = list;
        request.n_inputs = 2;
        coordinator_clock(c, NSEC_PER_SEC, INT64_C(1790000000000000));
        coordinator_start(c, NSEC_PER_SEC);
        coordinator_submit(c, 1, &request, &entropy, NSEC_PER_SEC);
        pump(c, &seen);
        assert_int_equal(seen.n_asked, 2);
        coordinator_input_ready(c, seen.asked[0], &facts, NSEC_PER_SEC);
        coordinator_input_failed(c, seen.asked[1], &nobody, NSEC_PER_SEC);
        pump(c, &seen);
        assert_int_equal(seen.n_cancelled, 2); /* each once */
        assert_int_equal(seen.cancelled[0] + seen.cancelled[1], seen.asked[0] + seen.asked[1]);
        coordinator_free(c);
}

/* Others are asked for what is not here; not for what is no matter of theirs. */
static void test_search_by_data_class(void **state) {
        static const struct {
                const char *data_class;
                bool searches;
        } rows[] = {
                { "", true }, { "public", true }, { "internal", false }, { "sensitive", false }
        };
        static const struct entropy entropy = { .nonce = { 1 }, .seed = { 2 } };
        static const struct peer_id self = { .len = 38, .bytes = { 0, 36, 8, 1, 18, 32 } };

        FOREACH_CASE (c, rows) {
                Coordinator__SubmitRequest request = COORDINATOR__SUBMIT_REQUEST__INIT;
                Types__Input input = TYPES__INPUT__INIT, *list = &input;
                struct hash_value root = { { 7 } };
                struct coordinator *core = coordinator_new(&settings_default, &self, 1);
                struct action a = {};
                unsigned n = 0;

                input.name = (char *) "t";
                input.root = (ProtobufCBinaryData){ HASH_SIZE, root.bytes };
                request.sql = (char *) "SELECT 1";
                request.data_class = (char *) c->data_class;
                request.inputs = &list;
                request.n_inputs = 1;
                coordinator_clock(core, NSEC_PER_SEC, INT64_C(1790000000000000));
                coordinator_start(core, NSEC_PER_SEC);
                coordinator_submit(core, 1, &request, &entropy, NSEC_PER_SEC);
                while (coordinator_output(core, &a)) {
                        if (a.type == ACTION_INPUT && ++n)
                                assert_int_equal(a.n, c->searches ? INPUT_SEARCH : 0);
                        action_done(&a);
                }
                assert_int_equal(n, 1);
                coordinator_free(core);
        }
}

static void test_failure_detail(void **state) {
        const struct input_failure f = { .asked = 3, .who = "one silent, two silent" };
        struct hash_value root = { { 0xab } };
        char detail[512], text[700], hex[2 * HASH_SIZE + 1];

        hex_encode(hash_bytes(&root), hex);
        input_failure_detail(&f, &root, detail, sizeof(detail));
        (void) outcome_detail_text(OUTCOME_DATA_UNAVAILABLE, BYTES_STR(detail), text, sizeof(text));
        assert_non_null(strstr(text, hex));
        assert_non_null(strstr(text, "nor at 3 peers that were asked: one silent, two silent; "));
        input_failure_detail(&(struct input_failure){}, &root, detail, sizeof(detail));
        assert_int_equal(strlen(detail), 5 + 2 * HASH_SIZE);
}

TEST_MAIN(cmocka_unit_test(test_search_by_data_class), cmocka_unit_test(test_failure_detail),
          cmocka_unit_test(test_planner), cmocka_unit_test(test_a_failed_input_is_let_go),
          cmocka_unit_test(test_retry_budget), cmocka_unit_test(test_retry_pause),
          cmocka_unit_test(test_voters))
