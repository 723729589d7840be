#include "services/coordinator/lane.h"

#include "common/wire/unpack.h"
#include "tests/support/test.h"

struct fixture {
        struct actions *actions;
        struct budget budget;
        struct lane lane;
        struct buffer wire; /* what the peer sent */
        uint64_t seen[64];
        size_t n_seen, hold_after;
};

static void fixture_init(struct fixture *f, uint64_t limit) {
        *f = (struct fixture){ .hold_after = SIZE_MAX };
        f->actions = actions_new();
        budget_init(&f->budget, limit, NULL);
        lane_init(&f->lane, f->actions, 1, 4, LANE_FRAME_MAX, &f->budget);
        buffer_init(&f->wire, 1u << 20);
}

static void fixture_done(struct fixture *f) {
        lane_done(&f->lane);
        assert_int_equal(f->budget.used, 0);
        buffer_done(&f->wire);
        actions_free(f->actions);
}

static void put_rows(struct fixture *f, uint64_t from) {
        Grid__Rows rows = GRID__ROWS__INIT;
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        struct buffer packed;

        rows.from_batch = from;
        m.body_case = GRID__JOB_MESSAGE__BODY_ROWS;
        m.rows = &rows;
        buffer_init(&packed, 1024);
        wire_pack(&packed, &m.base);
        frame_put(&f->wire, buffer_bytes(&packed));
        buffer_done(&packed);
}

static bool on_message(void *userdata, const Grid__JobMessage *m) {
        struct fixture *f = userdata;

        f->seen[f->n_seen++] = m->rows->from_batch;
        if (f->n_seen == f->hold_after)
                lane_hold(&f->lane, true);
        return true;
}

static int feed(struct fixture *f, struct bytes data) {
        return lane_feed(&f->lane, data, on_message, f);
}

static unsigned count(struct fixture *f, enum action_type type) {
        unsigned n = 0;
        struct action a;

        while (actions_take(f->actions, &a)) {
                n += a.type == type ? (type == ACTION_CONSUMED ? (unsigned) a.n : 1) : 0;
                action_done(&a);
        }
        return n;
}

static void assert_in_order(const struct fixture *f, size_t n) {
        assert_int_equal(f->n_seen, n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(f->seen[i], i + 1);
}

static void test_byte_by_byte(void **state) {
        struct fixture f;

        fixture_init(&f, 1u << 20);
        for (unsigned i = 1; i <= 5; i++)
                put_rows(&f, i);
        for (size_t i = 0; i < f.wire.len; i++)
                assert_int_equal(feed(&f, BYTES(f.wire.data + i, 1)), LANE_OK);
        assert_in_order(&f, 5);
        assert_int_equal(count(&f, ACTION_CONSUMED), f.wire.len);
        assert_int_equal(f.budget.used, 0);
        fixture_done(&f);
}

/* The callback of the third message holds: nothing more is read, what comes waits,
 * no credit goes back, and afterwards all is there in order. */
static void test_hold(void **state) {
        struct fixture f;
        size_t half;

        fixture_init(&f, 1u << 20);
        for (unsigned i = 1; i <= 10; i++)
                put_rows(&f, i);
        half = f.wire.len / 2 + 1; /* inside a message */
        f.hold_after = 3;
        assert_int_equal(feed(&f, BYTES(f.wire.data, half)), LANE_OK);
        assert_in_order(&f, 3);
        assert_true(lane_has_backlog(&f.lane));
        assert_int_equal(count(&f, ACTION_CONSUMED), 1);
        assert_int_equal(feed(&f, BYTES(f.wire.data + half, f.wire.len - half)), LANE_OK);
        assert_in_order(&f, 3);
        assert_int_equal(count(&f, ACTION_CONSUMED), 0);
        assert_true(f.budget.used > 0);

        f.hold_after = 7;
        lane_hold(&f.lane, false);
        assert_int_equal(feed(&f, BYTES_NONE), LANE_OK);
        assert_in_order(&f, 7);
        lane_hold(&f.lane, false);
        assert_int_equal(feed(&f, BYTES_NONE), LANE_OK);
        assert_in_order(&f, 10);
        assert_false(lane_has_backlog(&f.lane));
        assert_int_equal(count(&f, ACTION_CONSUMED), 1);
        assert_int_equal(f.budget.used, 0);
        fixture_done(&f);
}

static void test_held_bytes_are_charged(void **state) {
        struct fixture f;

        fixture_init(&f, 64);
        put_rows(&f, 1);
        lane_hold(&f.lane, true);
        while (f.budget.used + f.wire.len <= 64)
                assert_int_equal(feed(&f, buffer_bytes(&f.wire)), LANE_OK);
        assert_int_equal(feed(&f, buffer_bytes(&f.wire)), LANE_E_QUOTA);
        assert_int_equal(f.n_seen, 0);
        fixture_done(&f);
}

static void test_window(void **state) {
        CLEANUP(freep) char *sql = xcalloc(1, 5 * STREAM_UNIT_MAX + 1);
        Grid__Describe describe = GRID__DESCRIBE__INIT;
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        struct fixture f;

        memset(sql, 'x', 5 * STREAM_UNIT_MAX);
        fixture_init(&f, 1u << 20);
        describe.sql = sql;
        m.body_case = GRID__JOB_MESSAGE__BODY_DESCRIBE;
        m.describe = &describe;
        assert_int_equal(lane_send(&f.lane, &m), LANE_OK);
        lane_finish(&f.lane);
        assert_true(lane_queued(&f.lane) > STREAM_UNIT_MAX);
        assert_int_equal(count(&f, ACTION_SEND), 4);
        lane_window(&f.lane, 1);
        assert_int_equal(count(&f, ACTION_SEND), 1);
        assert_int_equal(count(&f, ACTION_FINISH), 0);
        lane_window(&f.lane, 5);
        assert_int_equal(count(&f, ACTION_FINISH), 1);
        assert_int_equal(f.budget.used, 0);
        fixture_done(&f);
}

TEST_MAIN(cmocka_unit_test(test_byte_by_byte), cmocka_unit_test(test_hold),
          cmocka_unit_test(test_held_bytes_are_charged), cmocka_unit_test(test_window))
