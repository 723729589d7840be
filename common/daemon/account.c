#include "common/daemon/account.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/daemon/capability.h"

#define WORKERS_AT  8
#define SOCKETS_AT  16
#define DATASETS_AT 63
#define FNV_BASIS   UINT64_C(14695981039346656037)
#define FNV_PRIME   UINT64_C(1099511628211)

/* FNV-1a of 64 bits, folded: the path is root's own choice, nobody attacks it. */
uint32_t account_node(const char *state) {
        uint64_t h = FNV_BASIS;

        for (const char *c = state; *c; c++)
                h = (h ^ (uint8_t) *c) * FNV_PRIME;
        h ^= h >> 40 ^ h >> 20;
        return (uint32_t) (h % ACCOUNT_NODES);
}

static uint32_t at(uint32_t node, unsigned place) {
        check(place < ACCOUNT_STEP);
        return ACCOUNT_FIRST + node % ACCOUNT_NODES * ACCOUNT_STEP + place;
}

uid_t account_uid(uint32_t node, const char *service, unsigned number) {
        unsigned i = 0;

        check(number <= SOCKETS_AT - WORKERS_AT);
        while (capability_services[i] && strcmp(capability_services[i], service) != 0)
                i++;
        check(capability_services[i] && i < WORKERS_AT);
        return at(node, number > 0 ? WORKERS_AT + number - 1 : i);
}

gid_t account_socket(uint32_t node, const char *capability) {
        unsigned i = 0;

        while (capabilities[i].name && strcmp(capabilities[i].name, capability) != 0)
                i++;
        check(capabilities[i].name && SOCKETS_AT + i < DATASETS_AT);
        return at(node, SOCKETS_AT + i);
}

gid_t account_datasets(uint32_t node) {
        return at(node, DATASETS_AT);
}

size_t account_groups(uint32_t node, const char *service, gid_t ret[ACCOUNT_GROUPS_MAX]) {
        size_t n = 0;

        for (const struct capability *c = capabilities; c->name; c++)
                if (capability_may_use(service, c->name)) {
                        check(n < ACCOUNT_GROUPS_MAX - 1);
                        ret[n++] = account_socket(node, c->name);
                }
        if (strcmp(service, "worker") == 0)
                ret[n++] = account_datasets(node);
        return n;
}

bool account_of(uid_t uid, uint32_t *ret_node, const char **ret_service) {
        uint32_t offset = uid - ACCOUNT_FIRST, place = offset % ACCOUNT_STEP;
        unsigned n = 0;

        while (capability_services[n])
                n++;
        if (uid < ACCOUNT_FIRST || offset / ACCOUNT_STEP >= ACCOUNT_NODES || place >= SOCKETS_AT ||
            (place < WORKERS_AT && place >= n))
                return false;
        *ret_node = offset / ACCOUNT_STEP;
        *ret_service = place < WORKERS_AT ? capability_services[place] : "worker";
        return true;
}

int account_become(uid_t uid, const gid_t *groups, size_t n_groups) {
        /* From root to another uid the kernel clears all capabilities, capabilities(7). */
        if (setgroups(n_groups, groups) < 0 || setresgid(uid, uid, uid) < 0 ||
            setresuid(uid, uid, uid) < 0)
                return error_origin(-errno);
        return 0;
}

bool account_is_granted(void) {
        const uid_t last = ACCOUNT_FIRST + ACCOUNT_NODES * ACCOUNT_STEP - 1;
        int status = 0;
        pid_t child;

        if (geteuid() != 0)
                return false;
        child = fork();
        if (child == 0)
                _exit(setgroups(1, &last) < 0 || setresgid(last, last, last) < 0 ||
                      setresuid(last, last, last) < 0);
        return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}
