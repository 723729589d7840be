#include "services/ctl/grid.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/crypto/random.h"
#include "common/daemon/account.h"
#include "services/ctl/durable.h"

/* The nodes of a local grid need no proof of work: they are all ours. */
#define GRID_DIFFICULTY 0

/* Below ip_local_port_range, whose ports the kernel lends. */
#define PORT_FIRST 20000
#define PORT_LAST  32767
#define PORT_TRIES 256

struct neighbour {
        char peer[NODE_PEER_SIZE];
        unsigned port;
};

static int refuse(char error[256], const char *path, const char *what) {
        snprintf(error, 256, "%.150s: %.90s", path, what);
        return GRID_E_REFUSED;
}

static bool is_free(unsigned port) {
        const struct sockaddr_in address = { .sin_family = AF_INET,
                                             .sin_port = htons((uint16_t) port),
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        CLEANUP(fd_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        return fd >= 0 && bind(fd, (const struct sockaddr *) &address, sizeof(address)) == 0;
}

static bool is_taken(const struct neighbour *all, size_t n, unsigned port) {
        for (size_t i = 0; i < n; i++)
                if (all[i].port == port)
                        return true;
        return false;
}

/* A UDP port that nobody has now, nor another node of the grid. Written down once, so a later run
 * finds the same: it must not be one that the kernel lends to any socket meanwhile. */
static unsigned free_port(const struct neighbour *all, size_t n) {
        for (unsigned i = 0; i < PORT_TRIES; i++) {
                unsigned port =
                        PORT_FIRST + (unsigned) (random_u64() % (PORT_LAST - PORT_FIRST + 1));

                if (!is_taken(all, n, port) && is_free(port))
                        return port;
        }
        return 0;
}

static int place(const struct node *base, size_t i, struct node *ret) {
        *ret = *base;
        ret->account = account_node(base->state) + (uint32_t) i;
        if (snprintf(ret->runtime, PATH_MAX, "%.3900s/node-%zu", base->runtime, i + 1) < 0 ||
            snprintf(ret->state, PATH_MAX, "%.3900s/node-%zu", base->state, i + 1) < 0 ||
            snprintf(ret->config, PATH_MAX, "%.3900s/node-%zu/quorate.conf", base->state, i + 1) <
                    0)
                return GRID_E_REFUSED;
        return GRID_OK;
}

/* Each knows the first alone, who knows nobody: the rest is discovery. A network of its
 * own, so that it meets no other grid on this machine or its LAN; without proof of work. */
static void write_config(FILE *f, const struct neighbour *all, size_t self) {
        char name[9] = "";

        for (size_t i = 0; i < sizeof(name) - 1; i++) /* base58, but names are lower case */
                name[i] = (char) tolower(all[0].peer[strlen(all[0].peer) - 8 + i]);
        fprintf(f,
                "# Written by `quorate run --nodes` once; yours to edit.\n"
                "[network]\nname = grid-%s\n"
                "[transport]\nlisten = /ip4/127.0.0.1/udp/%u/quic-v1\n"
                "[gossip]\nname = node-%zu\nwork = 0\n"
                "[dht]\nwork = 0\n",
                name, all[self].port, self + 1);
        if (self > 0)
                fprintf(f, "bootstrap = /ip4/127.0.0.1/udp/%u/quic-v1/p2p/%s\n", all[0].port,
                        all[0].peer);
        /* All of them are the same person's: they may see each other's data. */
        fputs("[host]\ndata-class = sensitive\n", f);
}

/* Of a run that did not get to its end, or one that a person has edited since. */
static bool has_config(const struct node *node) {
        struct stat st;

        return stat(node->config, &st) == 0 && st.st_size > 0;
}

/* 0: it says none as write_config() does. */
static unsigned port_of(const struct node *node) {
        FILE *f = fopen(node->config, "re");
        char line[512];
        unsigned port = 0;

        while (f && port == 0 && fgets(line, sizeof(line), f))
                if (sscanf(line, " listen = /ip4/127.0.0.1/udp/%u", &port) != 1)
                        port = 0;
        if (f)
                fclose(f);
        return port;
}

static int create_config(const struct node *node, const struct neighbour *all, size_t self,
                         char error[256]) {
        CLEANUP(freep) char *text = NULL;
        size_t size = 0;
        FILE *f;
        int r;

        if (has_config(node))
                return GRID_OK;
        f = open_memstream(&text, &size);
        if (f)
                write_config(f, all, self);
        if (!f || fclose(f) != 0)
                return refuse(error, node->config, strerror(errno));
        r = durable_write_mode(node->config, BYTES(text, size), 0644); /* services have uids */
        return r ? refuse(error, node->config, strerror(-r)) : GRID_OK;
}

/* <state>/nodes is written when all the rest is there: how many nodes, 0 for none yet. */
static int read_count(const struct node *base, size_t *ret) {
        char path[PATH_MAX + 16];
        FILE *f;

        *ret = 0;
        snprintf(path, sizeof(path), "%s/nodes", base->state);
        f = fopen(path, "re");
        if (!f)
                return errno == ENOENT ? GRID_OK : GRID_E_REFUSED;
        if (fscanf(f, "%zu", ret) != 1)
                *ret = 0;
        fclose(f);
        return GRID_OK;
}

static int write_count(const struct node *base, size_t n, char error[256]) {
        char path[PATH_MAX + 16], text[32];
        int r;

        snprintf(path, sizeof(path), "%s/nodes", base->state);
        snprintf(text, sizeof(text), "%zu\n", n);
        r = durable_write_mode(path, BYTES_STR(text), 0644);
        return r ? refuse(error, path, strerror(-r)) : GRID_OK;
}

static int create_all(const struct node *base, struct grid *grid, char error[256]) {
        struct neighbour all[GRID_NODES_MAX] = {};
        size_t n = grid->n_nodes;

        crypto_start();
        for (size_t i = 0; i < n; i++)
                if (has_config(&grid->nodes[i]))
                        all[i].port = port_of(&grid->nodes[i]);
        for (size_t i = 0; i < n; i++) {
                if (node_ensure_key(&grid->nodes[i], GRID_DIFFICULTY, all[i].peer, error))
                        return GRID_E_REFUSED;
                if (!has_config(&grid->nodes[i]))
                        all[i].port = free_port(all, n);
                if (i == 0 && !all[i].port && has_config(&grid->nodes[i]))
                        return refuse(error, grid->nodes[i].config,
                                      "say `listen = /ip4/127.0.0.1/udp/PORT/quic-v1`: the other "
                                      "nodes are to find it");
                if (!all[i].peer[0] || (!all[i].port && !has_config(&grid->nodes[i])))
                        return refuse(error, grid->nodes[i].state,
                                      "no known key or no port; use another --state");
        }
        for (size_t i = 0; i < n; i++)
                if (create_config(&grid->nodes[i], all, i, error))
                        return GRID_E_REFUSED;
        return write_count(base, n, error);
}

static bool is_used(const struct node *node) {
        char path[PATH_MAX + 16];
        CLEANUP(fd_closep) int fd = -1;

        snprintf(path, sizeof(path), "%s/lock", node->state);
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
        (void) remove(path);
        return 0;
}

void grid_forget(const struct grid *grid) {
        char path[PATH_MAX];

        for (size_t i = 0; i < grid->n_nodes; i++)
                if (!grid->is_new || is_used(&grid->nodes[i]))
                        return;
        snprintf(path, sizeof(path), "%s", grid->nodes[0].state);
        (void) nftw(dirname(path), remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int plan_many(const struct node *base, struct grid *ret, char error[256]) {
        CLEANUP(fd_closep)
        int planning = -1; /* one at a time, or one would undo what the other makes */
        size_t before;

        ret->is_new = access(base->state, F_OK) < 0;
        if (node_mkdir(base->state))
                return refuse(error, base->state, "cannot be made; give --state DIR");
        planning = open(base->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (planning < 0 || flock(planning, LOCK_EX) < 0) /* moments: it makes keys without work */
                return refuse(error, base->state, strerror(errno));
        if (read_count(base, &before))
                return refuse(error, base->state, strerror(errno));
        ret->is_new = ret->is_new && before == 0; /* else another run made it meanwhile */
        for (size_t i = 0; i < ret->n_nodes; i++)
                if (place(base, i, &ret->nodes[i]))
                        return refuse(error, base->state, "path too long; give --state DIR");
        if (before == 0) { /* new, or the first run did not get to its end */
                if (create_all(base, ret, error) == GRID_OK)
                        return GRID_OK;
                grid_forget(ret);
                return GRID_E_REFUSED;
        }
        if (before == ret->n_nodes)
                return GRID_OK;
        snprintf(error, 256, "%.150s holds a grid of %zu nodes; use that number or another --state",
                 base->state, before);
        return GRID_E_REFUSED;
}

int grid_plan(const struct common_options *options, size_t n_nodes, struct grid *ret,
              char error[256]) {
        struct node base;

        if (node_find(options, &base))
                return refuse(error, "--state", "no usable directory; give --state and --runtime");
        ret->n_nodes = n_nodes;
        ret->is_new = false;
        if (n_nodes > 1)
                return plan_many(&base, ret, error);
        ret->nodes[0] = base;
        ret->nodes[0].account = account_node(base.state);
        return GRID_OK;
}
