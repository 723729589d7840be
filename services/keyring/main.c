/* quorate-keyring: holds the node's seed and signs what others may say with it.
 * See README.md here. */

#include <sys/prctl.h>

#include "common/base/error.h"
#include "common/crypto/random.h"
#include "common/daemon/service.h"
#include "services/keyring/config.h"
#include "services/keyring/mint.h"
#include "services/keyring/shell.h"
#include "services/keyring/succeed.h"

static const struct service keyring_daemon = {
        .name = "keyring",
        .summary = "Holds the node's seed and signs statements; --new FILE makes a seed.",
        .keys = keyring_config_keys,
        .config_size = sizeof(struct keyring_config),
        .sandbox = { .flags = SANDBOX_NO_SOCKET | SANDBOX_NO_EXEC | SANDBOX_NO_FORK |
                              SANDBOX_NO_THREAD | SANDBOX_NO_FILES },
        .start = shell_start,
        .stop = shell_stop,
};

int main(int argc, char **argv) {
        crypto_start();
        check(prctl(PR_SET_DUMPABLE, 0) == 0); /* a new seed must not end in a core file either */
        if (mint_is_asked(argc, argv))
                return mint_main(argc, argv);
        if (succeed_is_asked(argc, argv))
                return succeed_main(argc, argv);
        return service_main(argc, argv, &keyring_daemon);
}
