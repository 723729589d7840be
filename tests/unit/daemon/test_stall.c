/* ZMQ_FD is edge-triggered: a loop that forgets to ask before it sleeps stalls after
 * some ten thousand calls. 200,000 calls in bursts of changing size, with a 10 ms
 * timer and a signal on the same loop, which must get their turns too. */

#include <signal.h>
#include <unistd.h>

#include "tests/support/test.h"
#include "tests/unit/daemon/fixture.h"

#define CALLS 200000

struct run {
        struct fixture f;
        unsigned n_sent, n_done, n_ticks, n_signals, burst;
        struct loop_source *timer, *signal;
        nsec_t due, latest;
};

static void send_burst(struct run *r);

static void on_done(void *userdata, const struct rpc_result *result) {
        struct run *r = userdata;

        assert_int_equal(result->code, RPC_OK);
        r->n_done++;
        if (r->n_done == r->n_sent && r->n_sent < CALLS)
                send_burst(r);
}

/* 1, 2, 3, ... 300, 1, ...: every length of queue is tried. */
static void send_burst(struct run *r) {
        Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;

        r->burst = r->burst % 300 + 1;
        for (unsigned i = 0; i < r->burst && r->n_sent < CALLS; i++, r->n_sent++)
                (void) rpc_call(r->f.client, "Say", &request, 60 * NSEC_PER_SEC, on_done, r);
}

static int on_tick(void *userdata) {
        struct run *r = userdata;
        nsec_t now = loop_now(r->f.loop);

        r->n_ticks++;
        r->latest = nsec_max(r->latest, nsec_sub(now, r->due));
        if (r->n_ticks % 10 == 0)
                (void) kill(getpid(), SIGUSR1);
        r->due = now + 10 * NSEC_PER_MSEC;
        return loop_timer_set(r->timer, r->due);
}

static int on_usr1(void *userdata, int signo) {
        struct run *r = userdata;

        r->n_signals++;
        return 0;
}

static void test_stall(void **state) {
        nsec_t progress, began;
        unsigned before = 0;
        sigset_t set;
        struct run r = {};

        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        fixture_init(&r.f, OVER_BUS);
        fixture_serve(&r.f, 0);
        fixture_connect(&r.f);
        assert_int_equal(loop_add_timer(r.f.loop, on_tick, &r, &r.timer), 0);
        assert_int_equal(loop_add_signal(r.f.loop, SIGUSR1, on_usr1, &r, &r.signal), 0);
        assert_int_equal(loop_timer_set(r.timer, loop_now(r.f.loop)), 0);
        r.due = began = progress = loop_now(r.f.loop);
        send_burst(&r);
        while (r.n_done < CALLS) {
                assert_int_equal(loop_turn(r.f.loop, NSEC_NEVER), 0);
                if (r.n_done != before)
                        progress = loop_now(r.f.loop);
                before = r.n_done;
                assert_true(loop_now(r.f.loop) - progress <
                            5 * NSEC_PER_SEC); /* the timer wakes us */
        }
        print_message("# %u calls in %llu ms, timer at most %llu us late\n", CALLS,
                      (unsigned long long) ((loop_now(r.f.loop) - began) / NSEC_PER_MSEC),
                      (unsigned long long) (r.latest / NSEC_PER_USEC));
        assert_true(r.n_ticks >= 10 && r.n_signals >= r.n_ticks / 10 - 1);
        loop_source_free(r.timer);
        loop_source_free(r.signal);
        fixture_done(&r.f);
}

TEST_MAIN(cmocka_unit_test(test_stall))
