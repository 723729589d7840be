#pragma once

/* Two real nodes in one test, each with a service on its transport/streams as gossip is one: a
 * asks, b is asked. */

#include <stdbool.h>

#include "common/base/memory.h"
#include "common/daemon/channel.h"
#include "common/daemon/loop.h"
#include "common/daemon/service.h"
#include "common/streams/exchange.h"
#include "tests/support/node.h"

#define SEC      NSEC_PER_SEC
#define MS       NSEC_PER_MSEC
#define PROTOCOL "/test/exchange/1"
#define IDLE     "/test/idle/1" /* its streams keep no connection alive */
#define FRAME    4096
#define PEERS    8

/* What a question comes to. */
enum { ANSWERS, REFUSES, IS_SILENT, ANSWERS_TOO_MUCH };

struct service_side {
        struct test_node *node;
        struct service_context ctx;
        struct streams *streams;
        struct exchange *exchange;
        int manner;
        uint64_t n_up, n_down, n_self, n_gone, n_news;
        struct peer_id id, connected[PEERS];
        struct multiaddr address; /* the first one it listens on */
        size_t n_connected;
        /* the latest question of ours */
        bool is_done;
        enum exchange_result result;
        char answer[64];
};

struct pair {
        struct loop *loop;
        struct service_side a, b;
};

/* For cmocka; *state is the pair. What places keep is little there (services.c). */
int pair_setup(void **state);
int pair_teardown(void **state);
void service_init(struct service_side *s, struct loop *loop);
void service_done(struct service_side *s);
extern uint64_t services_finished; /* how often a peer said that it asks no more */
extern bool services_end_late;     /* the questions of begin() do */

bool wait_for(struct loop *loop, const uint64_t *count, uint64_t least, nsec_t timeout);
void turn(struct loop *loop, nsec_t duration);
/* a asks b; returns the number. */
uint64_t begin(struct pair *p, const char *protocol, bool wants_answer);
enum exchange_result ask(struct pair *p, const char *protocol, bool wants_answer);
uint64_t counted(const struct service_side *s, const char *name); /* of streams_counters() */
