#pragma once

/* One node with clients of its transport, and who and where it is. */

#include <stdbool.h>

#include "tests/support/node.h"
#include "tests/support/peers.h"
#include "tests/support/streams.h"

struct side {
        struct loop *loop;
        struct test_node *node;
        struct peers_client peers;
        struct streams_client streams;
        struct peer_id id;
        char address[256]; /* the first one it listens on */
};

void side_init(struct side *s, struct loop *loop, const char *config);
void side_done(struct side *s);
/* Another process with that configuration, as the same peer elsewhere. */
void side_restart(struct side *s, const char *config);
void side_kill(struct side *s); /* kill -9; then another process */
/* Of `target` (a multiaddr); false: peers.text says why not. */
bool side_connect(struct side *from, const char *target);
void side_disconnect(struct side *from, const struct side *to);
/* The latest Status; valid until the next call. */
const Transport__StatusReply *side_status(struct side *s);
double side_metric(struct side *s, const char *name); /* -1: there is none */
