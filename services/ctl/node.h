#pragma once

/* Where a node lives: one runtime directory (sockets) and one state directory.
 * Any number of nodes run on one machine, each with its own pair.
 *
 *   runtime: --runtime, $QUORATE_RUNTIME, root: /run/quorate,
 *            else $XDG_RUNTIME_DIR/quorate or /tmp/quorate-UID
 *   state:   --state, $QUORATE_STATE, root: /var/lib/quorate,
 *            else $XDG_DATA_HOME/quorate or ~/.local/share/quorate
 *   config:  --config, $QUORATE_CONFIG, <state>/quorate.conf where there is one (a node
 *            of `run --nodes`), root: /etc/quorate, else ~/.config/quorate */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "services/ctl/command.h"

struct node {
        char runtime[PATH_MAX], state[PATH_MAX], config[PATH_MAX];
        bool is_runtime_named; /* by a person: trusted as it is */
        uint32_t account;      /* its number among uids: common/daemon/account.h */
};

enum node_result {
        NODE_OK = 0,
        NODE_E_PATH, /* too long, or $HOME is not set */
        NODE_E_KEY,
};

/* Changes nothing on the disk. Returns enum node_result. */
int node_find(const struct common_options *options, struct node *ret);

/* The same for commands about a node that may be running: where neither option nor variable
 * names its state or its configuration, and one runs on these sockets, those are its own. */
int node_find_running(const struct common_options *options, struct node *ret);

/* The program of a service or "executor": beside this program in a build tree
 * (../<service>/quorate-<service>), in $QUORATE_LIBEXEC, or installed. False: none. */
bool node_binary(const char *service, char ret[PATH_MAX]);

/* How many nodes `run --nodes` keeps below this state directory, 0: it is that of one
 * node. Whoever asks for one of them must name <state>/node-1 or another. */
size_t node_count_below(const char *state);

/* True: this runtime directory is that of a grid, whose nodes have theirs below it; `why` has
 * one line about it that names the first of them. */
bool node_is_grid(const char *runtime, char why[256]);

#define NODE_PEER_SIZE 64
/* Makes the node's key when there is none (by the keyring program: nobody else ever
 * sees it), with this proof of work, and notes its peer id in <state>/peer. Fills
 * ret_peer, "" when the key was made elsewhere. Returns enum node_result, with one
 * line in the error text. */
int node_ensure_key(const struct node *n, unsigned difficulty, char ret_peer[NODE_PEER_SIZE],
                    char error[256]);

/* mkdir -p, 0700 for what is new. 0 or -errno. */
int node_mkdir(const char *path);
