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
#include "services/ctl/capture.h"
#include "services/ctl/doctor.h"

#define SERVICES_FILE_MAX 16384

static const char *const programs[] = { "keyring", "transport", "coordinator", "worker",
                                        "executor" };

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
        char binary[PATH_MAX], why[512];

        finding_set(f, HEALTH_OK, exists ? "%s: valid for every service" : "%s: none, defaults",
                    d->node.config);
        for (const char *const *s = capability_services; *s && exists; s++) {
                const char *argv[] = { binary, "--check-config", "--config", d->node.config, NULL };
                CLEANUP(capture_donep) struct capture c = {};

                if (!node_binary(*s, binary) || capture_run(argv, false, &c) || c.status == 0)
                        continue;
                finding_set(f, HEALTH_FAIL, "%s", capture_complaint(&c, why));
                finding_remedy(f, "correct that line; `quorate-%s --help-config` lists the keys",
                               *s);
                return;
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

/* runtime/services.json, "" when there is none. */
static void read_services(const struct doctor *d, char ret[SERVICES_FILE_MAX]) {
        char path[PATH_MAX + 32];
        FILE *f;
        size_t n = 0;

        snprintf(path, sizeof(path), "%s/services.json", d->node.runtime);
        f = fopen(path, "re");
        if (f) {
                n = fread(ret, 1, SERVICES_FILE_MAX - 1, f);
                fclose(f);
        }
        ret[n] = 0;
}

static bool member(const char *object, const char *name, char *ret, size_t size) {
        const char *at = strstr(object, name), *end;

        if (!at)
                return false;
        at += strlen(name);
        end = at + strcspn(at, "\",}");
        (void) snprintf(ret, size, "%.*s", (int) (end - at), at);
        return true;
}

/* Names every service that is not up; *ret_n how many there are. */
static void services_down(const char *json, unsigned *ret_n, char ret[256]) {
        *ret_n = 0;
        ret[0] = 0;
        for (const char *at = json; (at = strstr(at, "{\"service\":\"")); at++) {
                char name[32] = "", state[16] = "", pid[16] = "";
                size_t n = strlen(ret);

                (*ret_n)++;
                if (member(at, "\"service\":\"", name, sizeof(name)) &&
                    member(at, "\"state\":\"", state, sizeof(state)) &&
                    member(at, "\"pid\":", pid, sizeof(pid)) &&
                    (strcmp(state, "ready") != 0 || kill(atoi(pid), 0) < 0))
                        (void) snprintf(ret + n, 256 - n, "%s%s (%s)", n ? ", " : "", name, state);
        }
}

static void look_at_node(struct doctor *d, struct finding *f) {
        char json[SERVICES_FILE_MAX], pid[16] = "", down[256];
        unsigned n;

        read_services(d, json);
        d->runs = member(json, "\"supervisor\":", pid, sizeof(pid)) &&
                  (kill(atoi(pid), 0) == 0 || errno == EPERM);
        if (!d->runs) {
                finding_set(f, HEALTH_WARN, "no node is running in %.400s", d->node.runtime);
                finding_remedy(f, "start it with `quorate run`; queries run alone until then");
                return;
        }
        services_down(json, &n, down);
        if (!*down) {
                finding_set(f, HEALTH_OK, "%u services up, supervisor pid %s", n, pid);
                return;
        }
        finding_set(f, HEALTH_FAIL, "not up: %s", down);
        finding_remedy(f, "see what `quorate run` printed; `quorate status` when they are back");
}

static void look_at_isolation(struct doctor *d, struct finding *f) {
        char json[SERVICES_FILE_MAX], worst[128] = "";
        size_t fewest = SIZE_MAX;

        read_services(d, json);
        for (const char *at = json; d->runs && (at = strstr(at, "\"isolation\":\"")); at++) {
                char layers[128] = "";

                if (member(at, "\"isolation\":\"", layers, sizeof(layers)) &&
                    strlen(layers) < fewest) {
                        fewest = strlen(layers);
                        (void) strcpy(worst, layers);
                }
        }
        if (!d->runs)
                finding_set(f, HEALTH_OK, "told when a node runs");
        else if (fewest > 0 && fewest != SIZE_MAX)
                finding_set(f, HEALTH_OK, "between services, at least: %s", worst);
        else
                finding_set(f, HEALTH_WARN, "isolation between services: OFF (one uid)");
        if (f->health != HEALTH_OK)
                finding_remedy(f, "allow user namespaces (see below), or run it as root");
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

const struct doctor_check doctor_node_checks[] = {
        { "programs", look_at_programs },   { "executor", look_at_executor },
        { "config", look_at_config },       { "key", look_at_key },
        { "node", look_at_node },           { "sockets", look_at_sockets },
        { "isolation", look_at_isolation }, {},
};
