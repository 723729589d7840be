#pragma once

/* What can be set in [keyring]. */

#include "common/daemon/config.h"

struct keyring_config {
        char *seed; /* "": $CREDENTIALS_DIRECTORY/seed if there is one, else <state>/seed */
        char *passphrase_file; /* "": $CREDENTIALS_DIRECTORY/passphrase if there is one, else none
                                */
};

extern const struct config_key keyring_config_keys[];
