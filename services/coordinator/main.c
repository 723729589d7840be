/* quorate-coordinator: takes queries, has hosts answer them, serves those of
 * others. See README.md here. */

#include "common/daemon/service.h"
#include "services/coordinator/config.h"
#include "services/coordinator/shell.h"

static const struct service coordinator_daemon = {
        .name = "coordinator",
        .summary = "plans, verifies and serves queries",
        .keys = coordinator_config_keys,
        .config_size = sizeof(struct coordinator_config),
        .sandbox = { .flags = SANDBOX_NO_NET | SANDBOX_NO_EXEC | SANDBOX_NO_FORK },
        .check_config = shell_check,
        .start = shell_start,
        .drain = shell_drain,
        .stop = shell_stop,
};

int main(int argc, char **argv) {
        return service_main(argc, argv, &coordinator_daemon);
}
