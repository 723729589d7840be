/* quorate-transport: moves bytes between this node and others. See README.md here. */

#include "common/crypto/random.h"
#include "common/daemon/service.h"
#include "services/transport/config.h"
#include "services/transport/shell/shell.h"

/* What name look-ups read. */
static const struct sandbox_path readable[] = {
        { .path = "/etc" },
        { .path = "/lib" },
        { .path = "/lib64" },
        { .path = "/usr/lib" },
        { .path = "/usr/share/zoneinfo" },
        { .path = "/run/systemd/resolve" },
        { .path = "/dev/urandom" },
        {},
};

static const struct service transport_daemon = {
        .name = "transport",
        .summary = "Moves bytes between this node and others over QUIC.",
        .keys = transport_config_keys,
        .config_size = sizeof(struct transport_settings),
        .sandbox = { .flags = SANDBOX_NO_EXEC | SANDBOX_NO_FORK | SANDBOX_NO_FILES,
                     .paths = readable },
        .check_config = shell_check,
        .start = shell_start,
        .reload = shell_reload,
        .drain = shell_drain,
        .stop = shell_stop,
};

int main(int argc, char **argv) {
        crypto_start();
        return service_main(argc, argv, &transport_daemon);
}
