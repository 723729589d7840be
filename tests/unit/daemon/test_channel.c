#include <stdlib.h>
#include <unistd.h>

#include "common/base/rng.h"
#include "common/daemon/channel.h"
#include "proto/bus.pb-c.h"
#include "tests/support/test.h"
#include "tests/unit/daemon/fixture.h"

#define STREAMS_MAX 400
#define SLEEP       2 /* seconds */

/* One end of a stream, as either side sees it. */
struct end {
        struct channel *channel; /* NULL once ended */
        struct world *world;
        unsigned number, n_accepted, n_writable, n_finished, n_ended;
        unsigned n_sent, n_received, n_unconsumed; /* units */
        unsigned to_send;                          /* pump: units still to be sent */
        bool holds;                                /* does not consume at once */
        uint32_t code;
        char metadata[32], text[64];
};

struct world {
        struct fixture f;
        struct channel_acceptor acceptor;
        struct end near[STREAMS_MAX], far[STREAMS_MAX];
        unsigned n_near, n_far;
        bool far_holds, decides_late;
};

static const uint8_t unit[CHANNEL_UNIT];

static void pump(struct end *e) {
        while (e->channel && e->to_send > 0) {
                /* The first bytes count units, so that order shows. */
                uint8_t small[8];

                store_be32(small, e->number);
                store_be32(small + 4, e->n_sent);
                if (channel_send(e->channel, BYTES_OF(small)) != CHANNEL_OK)
                        return;
                e->n_sent++;
                e->to_send--;
        }
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        struct end *e = userdata;

        e->n_accepted++;
        assert_true(metadata.len < sizeof(e->metadata));
        memcpy(e->metadata, metadata.data, metadata.len);
        pump(e);
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct end *e = userdata;

        if (data.len == 8) {
                assert_int_equal(load_be32(data.data), e->number);
                assert_int_equal(load_be32(data.data + 4), e->n_received);
        }
        e->n_received++;
        if (e->holds)
                e->n_unconsumed++;
        else
                channel_consumed(c, 1);
}

static void on_writable(struct channel *c, void *userdata) {
        struct end *e = userdata;

        e->n_writable++;
        pump(e);
}

static void on_finish(struct channel *c, void *userdata) {
        struct end *e = userdata;

        e->n_finished++;
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct end *e = userdata;

        e->n_ended++;
        e->code = code;
        e->channel = NULL;
        (void) snprintf(e->text, sizeof(e->text), "%s", text);
}

static const struct channel_handler handler = { .on_accepted = on_accepted,
                                                .on_data = on_data,
                                                .on_writable = on_writable,
                                                .on_finish = on_finish,
                                                .on_end = on_end };

static void on_open(struct channel *c, void *userdata, const char *name, struct bytes metadata) {
        struct world *w = userdata;
        struct end *e = &w->far[w->n_far];

        assert_true(w->n_far < STREAMS_MAX);
        e->channel = c;
        e->world = w;
        e->number = w->n_far++;
        e->holds = w->far_holds;
        memcpy(e->metadata, metadata.data, metadata.len);
        if (strcmp(name, "sleep") == 0) {
                sleep(SLEEP);
                channel_reset(c, 43, "slept well");
        } else if (strcmp(name, "refuse") == 0) {
                e->channel = NULL;
                channel_reset(c, 42, "not you");
        } else if (!w->decides_late) {
                assert_int_equal(channel_accept(c, BYTES_LIT("welcome"), &handler, e), 0);
        }
}

static void world_init(struct world **ret) {
        struct world *w = xnew(struct world);

        fixture_init(&w->f, OVER_BUS);
        w->acceptor = (struct channel_acceptor){ .on_open = on_open, .userdata = w };
        w->f.acceptor = &w->acceptor;
        *ret = w;
}

static void world_start(struct world **ret) {
        world_init(ret);
        fixture_serve(&(*ret)->f, 0);
        fixture_connect(&(*ret)->f);
        RUN_UNTIL(&(*ret)->f, fixture_link(&(*ret)->f)->is_up);
}

static void world_done(struct world *w) {
        fixture_done(&w->f);
        for (unsigned i = 0; i < w->n_near; i++)
                assert_int_equal(w->near[i].n_ended, 1);
        free(w);
}

static struct end *open_stream(struct world *w, const char *name) {
        struct end *e = &w->near[w->n_near];

        e->world = w;
        e->number = w->n_near++;
        e->channel = channel_open(fixture_link(&w->f), name, BYTES_LIT("hello"), &handler, e);
        assert_non_null(e->channel);
        return e;
}

static struct channel_stats stats_of(struct world *w) {
        struct channel_stats s;

        channel_link_stats(fixture_link(&w->f), &s);
        return s;
}

static void test_life(void **state) {
        struct end *near, *far;
        struct world *w;

        world_start(&w);
        near = open_stream(w, "talk");
        assert_int_equal(channel_send(near->channel, BYTES_LIT("x")), CHANNEL_E_ENDED);
        RUN_UNTIL(&w->f, near->n_accepted);
        far = &w->far[0];
        assert_string_equal(near->metadata, "welcome");
        assert_string_equal(far->metadata, "hello");
        assert_int_equal(channel_send(near->channel, BYTES_OF(unit)), CHANNEL_OK);
        assert_int_equal(channel_send(far->channel, BYTES_LIT("a")), CHANNEL_OK);
        assert_int_equal(channel_finish(near->channel), CHANNEL_OK);
        assert_int_equal(channel_send(near->channel, BYTES_LIT("x")), CHANNEL_E_ENDED);
        RUN_UNTIL(&w->f, far->n_finished && near->n_received);
        assert_int_equal(far->n_received, 1);
        assert_int_equal(far->n_ended, 0);
        assert_int_equal(channel_send(far->channel, BYTES_LIT("b")), CHANNEL_OK); /* half open */
        assert_int_equal(channel_finish(far->channel), CHANNEL_OK);
        assert_int_equal(far->n_ended, 0); /* not inside channel_finish() */
        RUN_UNTIL(&w->f, near->n_ended && far->n_ended);
        assert_int_equal(near->n_received, 2);
        assert_int_equal(near->code | far->code, 0);
        RUN_UNTIL(&w->f, stats_of(w).outstanding < CHANNEL_KEPT);
        assert_int_equal(stats_of(w).streams, 0);
        world_done(w);
}

static void test_refusals(void **state) {
        struct end *a, *b, *c;
        struct world *w;

        world_start(&w);
        a = open_stream(w, "refuse");
        RUN_UNTIL(&w->f, a->n_ended);
        assert_int_equal(a->code, 42);
        assert_string_equal(a->text, "not you");
        w->acceptor.max_streams = 1;
        b = open_stream(w, "talk");
        c = open_stream(w, "talk");
        RUN_UNTIL(&w->f, b->n_accepted && c->n_ended);
        assert_int_equal(c->code, RPC_E_QUOTA);
        channel_reset(b->channel, 1, NULL);
        b->n_ended = 1; /* by ourselves: no callback */
        RUN_UNTIL(&w->f, w->far[1].n_ended);
        assert_int_equal(w->far[1].code, 1);
        world_done(w);
}

static void test_withdrawn(void **state) {
        struct world *w;
        struct end *a;

        world_start(&w);
        w->decides_late = true;
        a = open_stream(w, "talk");
        RUN_UNTIL(&w->f, w->n_far == 1);
        channel_reset(a->channel, 5, "changed my mind");
        a->n_ended = 1;
        for (int i = 0; i < 20; i++)
                assert_int_equal(loop_turn(w->f.loop, NSEC_PER_MSEC), 0);
        assert_int_equal(channel_accept(w->far[0].channel, BYTES_NONE, &handler, &w->far[0]),
                         CHANNEL_E_ENDED);
        world_done(w);
}

static void turns(struct world *w, int n) {
        for (int i = 0; i < n; i++)
                assert_int_equal(loop_turn(w->f.loop, NSEC_PER_MSEC), 0);
}

/* A few units come back with no credit; with one more all do, of ended streams too. */
static void test_kept(void **state) {
        struct end *a, *b;
        struct world *w;

        world_start(&w);
        a = open_stream(w, "talk");
        b = open_stream(w, "talk");
        a->to_send = 8;
        b->to_send = CHANNEL_KEPT - 1 - 8;
        RUN_UNTIL(&w->f, w->far[0].n_received + w->far[1].n_received == CHANNEL_KEPT - 1);
        channel_reset(w->far[1].channel, 1, "");
        w->far[1].channel = NULL;
        RUN_UNTIL(&w->f, b->n_ended);
        turns(w, 20);
        assert_int_equal(stats_of(w).outstanding, CHANNEL_KEPT - 1);
        a->to_send = 1;
        pump(a);
        RUN_UNTIL(&w->f, stats_of(w).outstanding == 0);
        world_done(w);
}

/* One waits behind many that have nothing to send any more, and only the credit that is
 * kept would tell it that they are done. */
static void test_kept_stalls_nobody(void **state) {
        static const unsigned left = 3;
        struct end *first;
        struct world *w;

        world_start(&w);
        w->far_holds = true;
        first = open_stream(w, "talk");
        first->to_send = 1000;
        RUN_UNTIL(&w->f, w->far[0].n_unconsumed == CHANNEL_UNITS / 2);
        for (unsigned i = 1; i < 300; i++)
                open_stream(w, "talk")->to_send = 1000;
        RUN_UNTIL(&w->f, w->near[299].n_accepted && stats_of(w).outstanding == CHANNEL_UNITS);
        turns(w, 20);
        for (unsigned i = 0; i < 300; i++) {
                struct end *e = &w->far[i];
                unsigned n = e->n_unconsumed - (i == 0 ? left : 0);

                w->near[i].to_send *= i == 0;
                channel_consumed(e->channel, n);
                e->n_unconsumed -= n;
        }
        turns(w, 1);
        (void) usleep(100000); /* all credit lies in the socket, for one turn */
        turns(w, 20);
        w->far[0].holds = false;
        channel_consumed(w->far[0].channel, w->far[0].n_unconsumed);
        RUN_UNTIL(&w->f, w->far[0].n_received == 1000);
        world_done(w);
}

/* What was kept for a stream is told when others begin to hold theirs: its share is less then than
 * what it has out. */
static void test_kept_is_told_when_others_stall(void **state) {
        struct end *first;
        struct world *w;

        world_start(&w);
        first = open_stream(w, "talk");
        first->to_send = CHANNEL_KEPT - 1;
        RUN_UNTIL(&w->f, w->far[0].n_received == CHANNEL_KEPT - 1);
        turns(w, 20);
        w->far_holds = true;
        for (unsigned i = 1; i <= 40; i++)
                open_stream(w, "talk")->to_send = 1;
        RUN_UNTIL(&w->f, w->near[40].n_accepted);
        turns(w, 50);
        first->to_send = 100;
        pump(first);
        RUN_UNTIL(&w->f, w->far[0].n_received == CHANNEL_KEPT - 1 + 100);
        world_done(w);
}

/* A lone stream gets half; with all of them stalled no more than 256 units are out. */
static void test_bound(void **state) {
        struct world *w;
        unsigned total = 0;

        world_start(&w);
        w->far_holds = true;
        open_stream(w, "talk")->to_send = 1000;
        RUN_UNTIL(&w->f, w->far[0].n_unconsumed == CHANNEL_UNITS / 2);
        for (unsigned i = 1; i < 300; i++)
                open_stream(w, "talk")->to_send = 1000;
        RUN_UNTIL(&w->f, w->near[299].n_accepted);
        RUN_UNTIL(&w->f, stats_of(w).outstanding == CHANNEL_UNITS);
        turns(w, 50);
        for (unsigned i = 0; i < 300; i++)
                total += w->far[i].n_received;
        assert_int_equal(total, CHANNEL_UNITS);
        assert_int_equal(stats_of(w).outstanding, CHANNEL_UNITS);
        world_done(w);
}

/* Whatever order consumers take over in, the bound holds and everything arrives. */
static void test_property(void **state) {
        static const unsigned n_streams = 40, n_units = 200;
        unsigned left = n_streams * n_units;
        struct world *w;
        struct rng rng;

        world_start(&w);
        rng_init(&rng, 7);
        w->far_holds = true;
        for (unsigned i = 0; i < n_streams; i++)
                open_stream(w, "talk")->to_send = n_units;
        RUN_UNTIL(&w->f, w->n_far == n_streams);
        for (unsigned turn = 0; left > 0; turn++) {
                struct end *e = &w->far[rng_below(&rng, n_streams)];
                unsigned n = e->n_unconsumed ? (unsigned) rng_below(&rng, e->n_unconsumed) + 1 : 0;

                channel_consumed(e->channel, n);
                e->n_unconsumed -= n;
                left -= n;
                assert_true(stats_of(w).outstanding <= CHANNEL_UNITS);
                if (turn % 4 == 0)
                        assert_int_equal(loop_turn(w->f.loop, 0), 0);
                assert_true(turn < 10000000);
        }
        for (unsigned i = 0; i < n_streams; i++)
                assert_int_equal(w->far[i].n_received, n_units);
        RUN_UNTIL(&w->f, stats_of(w).outstanding < CHANNEL_KEPT);
        world_done(w);
}

static void test_fairness(void **state) {
        static const unsigned n_units = 20000;
        struct world *w;

        world_start(&w);
        for (int i = 0; i < 2; i++)
                open_stream(w, "talk")->to_send = n_units;
        /* The first starts alone and must give way. */
        RUN_UNTIL(&w->f, w->far[0].n_received > n_units / 2);
        assert_in_range(w->far[1].n_received, n_units * 4 / 10, n_units * 6 / 10);
        RUN_UNTIL(&w->f, w->far[0].n_received + w->far[1].n_received == 2 * n_units);
        world_done(w);
}

/* Who waited for credit and finishes when another stream leaves it some waits no more. */
static void test_finish_ends_waiting(void **state) {
        struct end *a, *b;
        struct world *w;

        world_start(&w);
        w->far_holds = true;
        b = open_stream(w, "talk");
        b->to_send = 1;
        RUN_UNTIL(&w->f, b->n_sent == 1);
        a = open_stream(w, "talk");
        a->to_send = 1000;
        RUN_UNTIL(&w->f, w->far[1].n_received == CHANNEL_UNITS / 3);
        assert_false(channel_is_writable(a->channel));
        channel_reset(b->channel, 1, "");
        b->n_ended = 1;
        assert_true(channel_is_writable(a->channel));
        a->to_send = a->n_writable = 0;
        assert_int_equal(channel_finish(a->channel), CHANNEL_OK);
        RUN_UNTIL(&w->f, w->far[1].n_finished);
        channel_consumed(w->far[1].channel, w->far[1].n_unconsumed);
        RUN_UNTIL(&w->f, stats_of(w).outstanding < CHANNEL_KEPT);
        for (int i = 0; i < 5; i++)
                assert_int_equal(loop_turn(w->f.loop, NSEC_PER_MSEC), 0);
        assert_int_equal(a->n_writable, 0);
        world_done(w);
}

static void test_reset_overtakes(void **state) {
        struct world *w;
        struct end *near;

        world_start(&w);
        near = open_stream(w, "talk");
        RUN_UNTIL(&w->f, near->n_accepted);
        near->to_send = 100;
        pump(near);
        assert_int_equal(near->n_sent, 100);
        channel_reset(near->channel, 9, "stop");
        near->n_ended = 1;
        (void) usleep(100000); /* all of it lies in the sockets */
        RUN_UNTIL(&w->f, w->far[0].n_ended);
        assert_int_equal(w->far[0].code, 9);
        assert_int_equal(w->far[0].n_received, 0);
        RUN_UNTIL(&w->f, stats_of(w).outstanding < CHANNEL_KEPT); /* late units are credited too */
        world_done(w);
}

static void test_peer_gone(void **state) {
        struct world *w;

        world_init(&w);
        fixture_spawn(&w->f, 0);
        fixture_connect(&w->f);
        RUN_UNTIL(&w->f, fixture_link(&w->f)->is_up);
        for (int i = 0; i < 10; i++)
                open_stream(w, "talk")->to_send = 5;
        RUN_UNTIL(&w->f, w->near[9].n_accepted);
        fixture_kill(&w->f);
        RUN_UNTIL(&w->f, w->near[0].n_ended && w->near[9].n_ended);
        assert_int_equal(w->near[5].code, RPC_E_GONE);
        assert_null(channel_open(fixture_link(&w->f), "talk", BYTES_NONE, &handler, w));
        world_done(w);
}

#define SAID 200

/* The other process stands still, though ZeroMQ's thread of it does not: our connection ends with
 * frames unread there, and they are heard after our next one, which has the same descriptor there,
 * has said hello. That one stays. */
static void test_left_unread(void **state) {
        static struct outcome said[SAID], last;
        struct world *w;

        world_init(&w);
        fixture_spawn(&w->f, 0);
        fixture_connect(&w->f);
        RUN_UNTIL(&w->f, fixture_link(&w->f)->is_up);
        (void) open_stream(w, "sleep");
        for (unsigned i = 0; i < SAID; i++)
                fixture_request(&w->f, "Say", 1, 0, 20 * NSEC_PER_SEC, &said[i]);
        turns(w, 100);
        w->f.client = rpc_client_free(w->f.client);
        w->f.bus_client = bus_client_free(w->f.bus_client);
        assert_int_equal(said[SAID - 1].n_done, 1);
        fixture_connect(&w->f);
        RUN_UNTIL(&w->f, fixture_link(&w->f)->is_up);
        for (unsigned i = 0; i < 3; i++) {
                fixture_request(&w->f, "Say", 1, 0, 5 * NSEC_PER_SEC, &last);
                RUN_UNTIL(&w->f, last.n_done == 1);
                assert_int_equal(last.code, RPC_OK);
        }
        world_done(w);
}

static void forge(struct world *w, Bus__Kind kind, uint64_t id, unsigned units, size_t len,
                  bool data) {
        Bus__Header h = BUS__HEADER__INIT;
        struct frame f = { .header = &h, .body = BYTES(unit, len) };

        h.kind = kind;
        h.id = id;
        h.units = units;
        (void) link_send(fixture_link(&w->f), &f, data);
}

/* What a hostile peer may do to the accounting; each cuts that peer and nothing else. */
static const struct {
        const char *name;
        Bus__Kind kind;
        uint64_t id;
        unsigned units, times;
        size_t len;
        bool data;
} forgeries[] = {
        { "data without credit", BUS__KIND__DATA, 2, 0, CHANNEL_UNITS + 1, 1, true },
        { "credit out of nothing", BUS__KIND__CREDIT, 2, 1, 1, 0, true },
        { "empty data", BUS__KIND__DATA, 2, 0, 1, 0, true },
        { "the other side's ids", BUS__KIND__OPEN, 5, 0, 1, 0, false },
        { "an id again", BUS__KIND__OPEN, 2, 0, 1, 0, false },
        { "accepts what it opened", BUS__KIND__ACCEPTED, 2, 0, 1, 0, false },
};

/* After a rest of ours the first thing that is sent may come before the news that the other side
 * went: it did nothing wrong, and is joined again when it is back, though it is the same process.
 */
static void test_gone_unheard(void **state) {
        struct outcome said;
        struct world *w;
        struct end *e;

        world_start(&w);
        e = open_stream(w, "any");
        RUN_UNTIL(&w->f, e->n_accepted == 1);
        fixture_unserve(&w->f);
        usleep(200000); /* ZeroMQ's thread hears of it, our loop does not */
        assert_int_not_equal(channel_send(e->channel, BYTES_LIT("one more")), 0);
        fixture_serve(&w->f, 0);
        RUN_UNTIL(&w->f, e->n_ended == 1);
        RUN_UNTIL(&w->f, fixture_link(&w->f)->is_up);
        fixture_request(&w->f, "Say", 10, 0, 5 * NSEC_PER_SEC, &said);
        RUN_UNTIL(&w->f, said.n_done == 1);
        assert_int_equal(said.code, RPC_OK);
        world_done(w);
}

static void test_forgeries(void **state) {
        FOREACH_CASE (c, forgeries) {
                struct world *w;

                world_start(&w);
                w->far_holds = true;
                (void) open_stream(w, "talk");
                RUN_UNTIL(&w->f, w->near[0].n_accepted);
                for (unsigned i = 0; i < c->times; i++)
                        forge(w, c->kind, c->id, c->units, c->len, c->data);
                RUN_UNTIL(&w->f, w->far[0].n_ended && w->near[0].n_ended);
                assert_int_equal(w->far[0].code, RPC_E_GONE);
                assert_true(w->far[0].n_received <= CHANNEL_UNITS);
                world_done(w);
        }
}

TEST_MAIN(cmocka_unit_test(test_life), cmocka_unit_test(test_refusals),
          cmocka_unit_test(test_withdrawn), cmocka_unit_test(test_kept),
          cmocka_unit_test(test_kept_stalls_nobody),
          cmocka_unit_test(test_kept_is_told_when_others_stall), cmocka_unit_test(test_bound),
          cmocka_unit_test(test_property), cmocka_unit_test(test_fairness),
          cmocka_unit_test(test_finish_ends_waiting), cmocka_unit_test(test_reset_overtakes),
          cmocka_unit_test(test_peer_gone), cmocka_unit_test(test_gone_unheard),
          cmocka_unit_test(test_left_unread), cmocka_unit_test(test_forgeries))
