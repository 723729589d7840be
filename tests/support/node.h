#pragma once

/* A keyring and a transport as real processes in a folder below /tmp, for tests of
 * what others see of them. The programs are named by QUORATE_KEYRING and
 * QUORATE_TRANSPORT. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/nsec.h"
#include "common/daemon/capability.h"
#include "common/wire/peerid.h"

#define NODE_SOCKETS 5 /* keyring/transport, streams, streams.data, peers, events */

struct test_node {
        char folder[64]; /* runtime and state */
        char paths[NODE_SOCKETS][CAPABILITY_PATH_SIZE];
        int fds[NODE_SOCKETS];
        pid_t keyring, transport;
        char *config;
};

/* `config`: rows of section [transport]; without a row `listen`, a free port of the loopback
 * address. */
struct test_node *test_node_new(const char *config);
struct test_node *test_node_prepare(const char *config); /* transport is not started */
/* Stops both, checks that they end cleanly, removes the folder. Always NULL. */
struct test_node *test_node_free(struct test_node *n);

/* Another keyring process with the same seed: its TLS keys are new. */
void test_node_restart_keyring(struct test_node *n);
/* Another seed, too: the node is somebody else. transport must be stopped, and started after it. */
void test_node_change_key(struct test_node *n);
/* Expects transport, stopped before, to end by itself: returns its exit code, and in `said`
 * what it wrote to standard error. */
int test_node_try_transport(struct test_node *n, char *said, size_t size);
void test_node_set_config(struct test_node *n, const char *config);
void test_node_start_transport(struct test_node *n);
void test_node_kill_transport(struct test_node *n); /* SIGKILL, and waited for */
void test_node_stop_transport(struct test_node *n); /* SIGTERM, and checked */
/* Resident set size of transport in KiB, now and at its highest. */
long test_node_rss(const struct test_node *n, bool peak);
const char *test_node_path(const struct test_node *n, const char *capability);
