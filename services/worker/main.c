/* quorate-worker: runs jobs of the coordinator in executors. See README.md here. */

#include "common/daemon/service.h"
#include "services/worker/config.h"
#include "services/worker/shell.h"

static const struct service worker_daemon = {
        .name = "worker",
        .summary = "Runs queries in sandboxed executors for the coordinator.",
        .keys = worker_config_keys,
        .config_size = sizeof(struct worker_config),
        /* Zygotes are started again and again: programs and namespaces stay allowed. */
        .sandbox = { .flags = SANDBOX_NO_NET | SANDBOX_NAMESPACES },
        .start = shell_start,
        .drain = shell_drain,
        .stop = shell_stop,
};

int main(int argc, char **argv) {
        return service_main(argc, argv, &worker_daemon);
}
