/* quorate-gossip: says what this node offers, hears what others offer, keeps the
 * deny list. See README.md here. */

#include "common/daemon/service.h"
#include "services/gossip/config.h"
#include "services/gossip/shell.h"

static const struct service gossip_daemon = {
        .name = "gossip",
        .summary = "hears and tells what hosts offer",
        .keys = gossip_config_keys,
        .config_size = sizeof(struct gossip_options),
        .sandbox = { .flags = SANDBOX_NO_NET | SANDBOX_NO_EXEC | SANDBOX_NO_FORK },
        .check_config = shell_check,
        .start = shell_start,
        .stop = shell_stop,
};

int main(int argc, char **argv) {
        return service_main(argc, argv, &gossip_daemon);
}
