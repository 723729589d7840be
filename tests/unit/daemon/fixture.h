#pragma once

/* An echo service and a client on one loop, over real sockets in a temporary
 * directory; either transport. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/daemon/bus.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc.h"
#include "common/daemon/seqpacket.h"
#include "tests/unit/daemon/echo.pb-c.h"

enum transport {
        OVER_SEQPACKET,
        OVER_BUS,
};

#define HELD_MAX 1024

struct echo_service {
        Echo__Echo_Service base;
        uint64_t n_runs;
        struct call *held[HELD_MAX];
        size_t n_held, n_moot;
};

struct fixture {
        enum transport transport;
        struct loop *loop;
        char folder[64], path[96];
        struct echo_service service;
        struct rpc_server *rpc;
        struct bus_server *bus_server;
        struct seqpacket_server *seqpacket_server;
        struct bus_client *bus_client;
        struct seqpacket *seqpacket;
        struct rpc_client *client;
        struct channel_acceptor *acceptor; /* set before fixture_serve() */
        int listeners[2];                  /* kept open, as a supervisor does */
        pid_t child;
};

/* What one call came to. */
struct outcome {
        unsigned n_done;
        uint32_t code;
        char text[128];
        uint64_t n_runs;
        size_t len;
};

void fixture_init(struct fixture *f, enum transport transport);
void fixture_serve(struct fixture *f, unsigned flags); /* on the same loop */
void fixture_unserve(struct fixture *f);
/* A child process serves; with kill and a new one, the instance changes. */
void fixture_spawn(struct fixture *f, unsigned flags);
void fixture_kill(struct fixture *f);
void fixture_connect(struct fixture *f);
void fixture_done(struct fixture *f);
struct link *fixture_link(struct fixture *f);

void fixture_request(struct fixture *f, const char *method, size_t len, uint32_t fail,
                     nsec_t timeout, struct outcome *ret);
void on_outcome(void *userdata, const struct rpc_result *result);

/* Turns the loop until the condition holds; fails the test after 10 s. */
#define RUN_UNTIL(f, condition)                                                   \
        do {                                                                      \
                nsec_t give_up_ = loop_now((f)->loop) + 10 * NSEC_PER_SEC;        \
                                                                                  \
                while (!(condition)) {                                            \
                        assert_int_equal(loop_turn((f)->loop, NSEC_PER_MSEC), 0); \
                        assert_true(loop_now((f)->loop) < give_up_);              \
                }                                                                 \
        } while (0)
