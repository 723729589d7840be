#include "services/coordinator/verdicts.h"

#include "proto/grid.pb-c.h"
#include "services/coordinator/replica.h"
#include "tests/support/test.h"

/* The outbox of verdicts alone: its streams and its journal, on virtual time. */

#define RECORDS_MAX 4096

struct world {
        struct core core;
        struct verdicts *verdicts;
        nsec_t now;
        uint64_t open[64]; /* streams asked for and not yet answered */
        size_t n_open, n_opened, n_sent, n_reset;
        struct {
                enum journal_kind kind;
                struct refbuf *data;
        } disk[RECORDS_MAX];
        size_t n_disk;
};

static const struct verdicts_counters *count(const struct world *w) {
        return verdicts_count(w->verdicts);
}

static struct candidate host(unsigned n) {
        struct candidate c = { .peer = { .len = 38,
                                         .bytes = { 0, 36, 8, 1, 18, 32, (uint8_t) n,
                                                    (uint8_t) (n >> 8) } },
                               .n_addresses = 1 };

        assert_int_equal(
                multiaddr_from_text(BYTES_LIT("/ip4/9.1.2.3/udp/1/quic-v1"), &c.addresses[0]),
                MULTIADDR_OK);
        return c;
}

static void up(struct world *w) {
        w->core.settings = settings_default;
        w->core.actions = actions_new();
        w->verdicts = verdicts_new(&w->core, 1);
}

static struct world *fresh(void) {
        static struct world w;

        memset(&w, 0, sizeof(w));
        w.now = NSEC_PER_SEC;
        up(&w);
        return &w;
}

static void down(struct world *w) {
        verdicts_free(w->verdicts);
        actions_free(w->core.actions);
}

static void done(struct world *w) {
        down(w);
        while (w->n_disk > 0)
                refbuf_unref(w->disk[--w->n_disk].data);
}

static void forget_open(struct world *w, uint64_t id) {
        for (size_t i = 0; i < w->n_open; i++)
                if (w->open[i] == id)
                        w->open[i--] = w->open[--w->n_open];
}

static void carry_out(struct world *w, const struct action *a) {
        switch (a->type) {
        case ACTION_OPEN:
                assert_int_equal(a->n_addresses, 1);
                w->open[w->n_open++] = a->id;
                w->n_opened++;
                break;
        case ACTION_SEND:
                w->n_sent++;
                break;
        case ACTION_RESET:
                w->n_reset++;
                forget_open(w, a->id); /* its dial ran out of time */
                break;
        case ACTION_JOURNAL:
                w->disk[w->n_disk].kind = (enum journal_kind) a->n;
                w->disk[w->n_disk++].data = refbuf_ref(a->data);
                break;
        default:
                break;
        }
}

static void pump(struct world *w) {
        struct action a;

        while (actions_take(w->core.actions, &a)) {
                carry_out(w, &a);
                action_done(&a);
        }
}

static void advance(struct world *w, nsec_t by) {
        nsec_t end = w->now + by;

        pump(w);
        while (verdicts_deadline(w->verdicts) <= end) {
                w->now = nsec_max(w->now, verdicts_deadline(w->verdicts));
                verdicts_expire(w->verdicts, w->now);
                pump(w);
        }
        w->now = end;
}

static void restart(struct world *w) {
        down(w);
        up(w);
        w->n_open = 0;
        for (size_t i = 0; i < w->n_disk; i++)
                assert_int_equal(verdicts_restore(w->verdicts, w->disk[i].kind,
                                                  refbuf_bytes(w->disk[i].data), w->now),
                                 0);
}

static void owe(struct world *w, unsigned to, unsigned job) {
        struct hash_value id = hash_of("test.job", BYTES(&job, sizeof(job)));
        struct candidate c = host(to);
        struct signed_bytes v = { .signature = { 7 } };

        buffer_init(&v.bytes, 64);
        buffer_put(&v.bytes, "a verdict", 9);
        assert_true(verdicts_owe(w->verdicts, &id, &c, &v, w->now));
        buffer_done(&v.bytes);
        pump(w);
}

static uint64_t answer_open(struct world *w, unsigned to) {
        struct stream_remote remote = { .peer = host(to).peer };
        uint64_t id;

        assert_true(w->n_open > 0);
        id = w->open[--w->n_open];
        assert_true(verdicts_opened(w->verdicts, id, &remote, 8, w->now));
        pump(w);
        return id;
}

static void test_delivered(void **state) {
        struct world *w = fresh();
        uint64_t stream;

        owe(w, 1, 1);
        assert_int_equal(w->disk[0].kind, JOURNAL_OWED);
        advance(w, 0);
        stream = answer_open(w, 1);
        assert_int_equal(w->n_sent, 1);
        assert_int_equal(count(w)->delivered, 0); /* sent is not taken */
        verdicts_finished(w->verdicts, stream, w->now);
        pump(w);
        assert_int_equal(count(w)->delivered, 1);
        assert_int_equal(w->disk[1].kind, JOURNAL_OWED_DROP);
        assert_bytes_equal(refbuf_bytes(w->disk[1].data), refbuf_bytes(w->disk[0].data));
        restart(w);
        advance(w, 120 * NSEC_PER_SEC);
        assert_int_equal(w->n_opened, 1); /* settled for good */
        done(w);
}

static void test_tried_again_until_taken(void **state) {
        struct world *w = fresh();
        uint64_t stream;

        owe(w, 1, 1);
        advance(w, 0);
        stream = w->open[--w->n_open];
        verdicts_closed(w->verdicts, stream, w->now); /* not reached */
        advance(w, 400 * NSEC_PER_MSEC);
        assert_int_equal(w->n_opened, 2);
        stream = answer_open(w, 1);
        assert_true(verdicts_data(w->verdicts, stream, w->now)); /* no acknowledgement */
        pump(w);
        assert_int_equal(w->n_reset, 1);
        advance(w, 900 * NSEC_PER_MSEC);
        stream = answer_open(w, 1);
        verdicts_closed(w->verdicts, stream, w->now); /* its disk was full */
        advance(w, 1700 * NSEC_PER_MSEC);
        stream = answer_open(w, 1);
        verdicts_finished(w->verdicts, stream, w->now);
        pump(w);
        assert_int_equal(count(w)->delivered, 1);
        assert_int_equal(count(w)->attempts, w->n_opened);
        done(w);
}

static void test_given_up_after_a_minute(void **state) {
        struct world *w = fresh();

        owe(w, 1, 1);
        advance(w, 59 * NSEC_PER_SEC); /* nobody answers the dials */
        assert_int_equal(count(w)->given_up, 0);
        assert_in_range(w->n_opened, 8, 40); /* backs off */
        advance(w, 2 * NSEC_PER_SEC);
        assert_int_equal(count(w)->given_up, 1);
        assert_int_equal(w->disk[w->n_disk - 1].kind, JOURNAL_OWED_DROP);
        assert_int_equal(verdicts_deadline(w->verdicts), NSEC_NEVER);
        done(w);
}

static void test_a_restart_goes_on(void **state) {
        struct world *w = fresh();
        uint64_t stream;

        owe(w, 1, 1);
        owe(w, 2, 1);
        advance(w, 0);
        restart(w);
        advance(w, 0);
        assert_int_equal(w->n_open, 2);
        stream = answer_open(w, 2);
        verdicts_finished(w->verdicts, stream, w->now);
        pump(w);
        restart(w);
        advance(w, 0);
        assert_int_equal(w->n_open, 1);
        (void) answer_open(w, 1);
        done(w);
}

static void test_another_peer_answers(void **state) {
        struct world *w = fresh();
        struct stream_remote remote = { .peer = host(9).peer };

        owe(w, 1, 1);
        advance(w, 0);
        assert_true(verdicts_opened(w->verdicts, w->open[--w->n_open], &remote, 8, w->now));
        pump(w);
        assert_int_equal(w->n_sent, 0);
        assert_int_equal(w->n_reset, 1);
        assert_false(verdicts_opened(w->verdicts, 4711, &remote, 8, w->now)); /* not ours */
        done(w);
}

static void test_budget(void **state) {
        struct world *w = fresh();

        for (unsigned i = 0; i < 100; i++) /* one host is not reached: it gets its share */
                owe(w, 1, i);
        assert_int_equal(count(w)->owed, VERDICTS_PER_HOST);
        assert_int_equal(count(w)->refused, 100 - VERDICTS_PER_HOST);
        for (unsigned i = 0; i < 2000; i++)
                owe(w, 2 + i, i);
        assert_int_equal(count(w)->owed, VERDICTS_MAX);
        advance(w, 0);
        assert_int_equal(w->n_open, VERDICTS_STREAMS);
        advance(w, 61 * NSEC_PER_SEC);
        assert_int_equal(count(w)->given_up, VERDICTS_MAX);
        done(w);
}

TEST_MAIN(cmocka_unit_test(test_delivered), cmocka_unit_test(test_tried_again_until_taken),
          cmocka_unit_test(test_given_up_after_a_minute), cmocka_unit_test(test_a_restart_goes_on),
          cmocka_unit_test(test_another_peer_answers), cmocka_unit_test(test_budget))
