/* quorate-dht: finds peers, keeps signed records. See README.md here. */

#include "common/daemon/service.h"
#include "services/dht/config.h"
#include "services/dht/shell.h"

static const struct service dht_daemon = {
        .name = "dht",
        .summary = "finds peers and keeps signed records",
        .keys = dht_config_keys,
        .config_size = sizeof(struct dht_options),
        .sandbox = { .flags = SANDBOX_NO_NET | SANDBOX_NO_EXEC | SANDBOX_NO_FORK },
        .check_config = shell_check,
        .start = shell_start,
        .stop = shell_stop,
};

int main(int argc, char **argv) {
        return service_main(argc, argv, &dht_daemon);
}
