/* What doctor asks about this node: programs, key, configuration, processes. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/client/quorate.h"
#include "common/daemon/capability.h"
#include "proto/coordinator.pb-c.h"
#include "proto/keyring.pb-c.h"
#include "proto/transport.pb-c.h"
#include "services/ctl/caller.h"
#include "services/ctl/config_check.h"
#include "services/ctl/doctor.h"

static const char *const programs[] = { "keyring",     "transport", "dht",     "gossip",
                                        "coordinator", "worker",    "executor" };

static void look_at_programs(struct doctor *d, struct finding *f) {
        char path[PATH_MAX], missing[128] = "";

        for (size_t i = 0; i < ELEMENTSOF(programs); i++)
                if (!node_binary(programs[i], path)) {
                        strcat(missing, " quorate-");
                        strcat(missing, programs[i]);
                }
        if (!*missing) {
                finding_set(f, HEALTH_OK, "all %zu found, as %s", ELEMENTSOF(programs), path);
                return;
        }
        finding_set(f, HEALTH_FAIL, "not found:%s", missing);
        finding_remedy(f, "install quorate, or set QUORATE_LIBEXEC to the folder that has them");
}

static void look_at_executor(struct doctor *d, struct finding *f) {
        const struct quorate_question question = { .sql = "SELECT 42", .timeout_ms = 10000 };
        struct quorate_result *r = NULL;
        struct quorate *q = NULL;
        char path[PATH_MAX];
        int c = QUORATE_E_NO_NODE;

        if (node_binary("executor", path) && quorate_open_private(path, &q) == QUORATE_OK)
                c = quorate_query(q, &question, &r);
        while (c == QUORATE_OK || c == QUORATE_ROW || c == QUORATE_PROGRESS)
                c = quorate_next(r, 10000);
        if (c == QUORATE_END && quorate_end(r)->exit_code == 0)
                finding_set(f, HEALTH_OK,
                            "answers SELECT 42 in its sandbox, %.0f ms with its start",
                            (double) quorate_end(r)->elapsed_us / 1000);
        else
                finding_set(f, HEALTH_FAIL, "%.400s",
                            c == QUORATE_END ? quorate_end(r)->message
                            : q              ? quorate_error(q)
                                             : "no quorate-executor");
        if (f->health != HEALTH_OK)
                finding_remedy(f, "see what `%.200s --zygote sqlite` says", path);
        quorate_result_free(r);
        quorate_close(q);
}

static void look_at_config(struct doctor *d, struct finding *f) {
        bool exists = access(d->node.config, F_OK) == 0;
        size_t n_nodes = node_count_below(d->node.state);
        char why[512];

        if (n_nodes > 0 && !d->ctx->common.config) {
                finding_set(f, HEALTH_FAIL, "%.300s holds a grid of %zu nodes", d->node.state,
                            n_nodes);
                finding_remedy(f,
                               "ask about one of them: --state %.100s/node-1 --runtime "
                               "…/node-1",
                               d->node.state);
        } else if (!exists) {
                finding_set(f, HEALTH_OK, "%s: none, defaults", d->node.config);
        } else if (config_check(d->node.config, why)) {
                finding_set(f, HEALTH_FAIL, "%s", why);
                finding_remedy(f, "correct that line; `quorate config reference` lists the keys");
        } else {
                finding_set(f, HEALTH_OK, "%s: valid for every service", d->node.config);
        }
}

static void look_at_key(struct doctor *d, struct finding *f) {
        char path[PATH_MAX + 32];
        struct stat st;

        snprintf(path, sizeof(path), "%s/keyring/seed", d->node.state);
        if (lstat(path, &st) < 0 && errno == ENOENT) {
                finding_set(f, HEALTH_WARN, "%.400s: none yet", path);
                finding_remedy(f, "`quorate run` makes one, or `quorate key new`");
        } else if (stat(path, &st) < 0) {
                finding_set(f, HEALTH_WARN, "%.400s: %s", path, strerror(errno));
                finding_remedy(f, "look again as the user the node runs as");
        } else if (st.st_mode & 077) {
                finding_set(f, HEALTH_FAIL, "%.400s: mode %04o, others could read it", path,
                            st.st_mode & 07777);
                finding_remedy(f, "chmod 600 %.200s; keyring refuses to start until then", path);
        } else if (st.st_uid != geteuid() && geteuid() != 0) {
                finding_set(f, HEALTH_FAIL, "%.400s: belongs to uid %u", path,
                            (unsigned) st.st_uid);
                finding_remedy(f, "chown it to the user the node runs as");
        } else {
                finding_set(f, HEALTH_OK, "%.400s: mode 0600", path);
        }
}

/* ---- what runs ---- */

static void look_at_node(struct doctor *d, struct finding *f) {
        char down[256] = "", grid[256];

        d->runs = services_file_read(d->node.runtime, &d->services);
        if (!d->runs && node_is_grid(d->node.runtime, grid)) {
                finding_set(f, HEALTH_FAIL, "%s", grid);
                return;
        }
        if (!d->runs) {
                finding_set(f, HEALTH_WARN, "no node is running in %.400s", d->node.runtime);
                finding_remedy(f, "start it with `quorate run`; queries run alone until then");
                return;
        }
        for (size_t i = 0; i < d->services.n_rows; i++) {
                const struct services_row *s = &d->services.rows[i];
                size_t n = strlen(down);

                if (strcmp(s->state, "ready") != 0 || (kill(s->pid, 0) < 0 && errno != EPERM))
                        (void) snprintf(down + n, sizeof(down) - n, "%s%s (%s)", n ? ", " : "",
                                        s->name, s->state);
        }
        if (!*down) {
                finding_set(f, HEALTH_OK, "%zu services up, supervisor pid %d", d->services.n_rows,
                            d->services.supervisor);
                return;
        }
        finding_set(f, HEALTH_FAIL, "not up: %s", down);
        finding_remedy(f, "see what `quorate run` printed; `quorate status` when they are back");
}

/* Each of these alone keeps one service from the files and sockets of another. */
static bool is_apart(const struct services_row *s) {
        return services_row_has(s, "uid") || services_row_has(s, "mount");
}

static void look_at_isolation(struct doctor *d, struct finding *f) {
        size_t apart = 0;
        bool by_uid = true;

        if (!d->runs) {
                finding_set(f, HEALTH_OK, "told when a node runs");
                return;
        }
        for (size_t i = 0; i < d->services.n_rows; i++) {
                const struct services_row *s = &d->services.rows[i];

                finding_detail(f, "%-14s %s", s->name, services_row_text(s, (char[400]){ 0 }));
                apart += is_apart(s);
                by_uid = by_uid && services_row_has(s, "uid");
        }
        if (apart < d->services.n_rows) {
                finding_set(f, HEALTH_WARN, "isolation between services: OFF (one uid) for %zu",
                            d->services.n_rows - apart);
                finding_remedy(f, "allow user namespaces (see below), or run it as root");
        } else if (geteuid() == 0 && !by_uid) {
                finding_set(f, HEALTH_WARN, "by namespaces alone where a uid is said to be shared");
                finding_remedy(f, "allow user namespaces to workers (see below); give root "
                                  "CAP_SETUID, CAP_SETGID and CAP_CHOWN");
        } else {
                finding_set(f, HEALTH_OK, "each of %zu services by %s", apart,
                            by_uid ? "its own uid, and as said here" : "namespaces");
        }
}

static const struct {
        struct call_target target;
        const char *method;
} sockets[] = {
        { { "keyring/admin", &keyring__admin__descriptor, NSEC_PER_SEC }, "PublicKey" },
        { { "transport/peers", &transport__peers__descriptor, NSEC_PER_SEC }, "Status" },
        { { "coordinator/admin", &coordinator__admin__descriptor, NSEC_PER_SEC }, "Status" },
};

static void look_at_sockets(struct doctor *d, struct finding *f) {
        Types__Empty empty = TYPES__EMPTY__INIT;

        if (!d->runs) {
                finding_set(f, HEALTH_OK, "looked at when a node runs");
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(sockets); i++) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                char why[256] = "no connection";

                if (ctl_try(d->ctx, &sockets[i].target, sockets[i].method, &empty, &u, why) == 0)
                        continue;
                finding_set(f, HEALTH_FAIL, "%s: %s", sockets[i].target.capability, why);
                finding_remedy(f, "are you the user the node runs as? else restart `quorate run`");
                return;
        }
        finding_set(f, HEALTH_OK, "%zu services asked, all answer", ELEMENTSOF(sockets));
}

/* What the workers run, and what they cannot. */
static void tell_engines(const Coordinator__AdminStatus *s, struct finding *f) {
        for (size_t i = 0; i < s->n_engines; i++)
                finding_detail(f, "%s", s->engines[i]);
        for (size_t i = 0; i < s->n_notes; i++)
                if (strncmp(s->notes[i], "engine ", 7) == 0) {
                        finding_set(f, HEALTH_WARN, "%s", s->notes[i]);
                        finding_remedy(f, "correct [worker] duckdb, or set it to none");
                        return;
                }
        if (s->n_engines > 0) {
                finding_set(f, HEALTH_OK, "%zu: %s%s", s->n_engines, s->engines[0],
                            s->n_engines > 1 ? " and others" : "");
        } else {
                finding_set(f, HEALTH_WARN, "no worker is enlisted: this node runs no query");
                finding_remedy(f, "see why quorate-worker does not start: `quorate status`");
        }
}

static void look_at_engines(struct doctor *d, struct finding *f) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        const size_t last = ELEMENTSOF(sockets) - 1;
        char why[256] = "";

        if (!d->runs)
                finding_set(f, HEALTH_OK, "told when a node runs");
        else if (ctl_try(d->ctx, &sockets[last].target, sockets[last].method, &empty, &u, why))
                finding_set(f, HEALTH_OK, "not told: %s", why);
        else
                tell_engines(u.message, f);
}

const struct doctor_check doctor_node_checks[] = {
        { "programs", look_at_programs },   { "executor", look_at_executor },
        { "config", look_at_config },       { "key", look_at_key },
        { "node", look_at_node },           { "sockets", look_at_sockets },
        { "engines", look_at_engines },     { "discovery", doctor_look_at_discovery },
        { "isolation", look_at_isolation }, {},
};
