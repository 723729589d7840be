#include "services/keyring/config.h"

const struct config_key keyring_config_keys[] = {
        CONFIG_STRING(keyring_config, seed, "seed", "",
                      "file with the node's seed; empty: the credential \"seed\" or <state>/seed"),
        CONFIG_STRING(keyring_config, passphrase_file, "passphrase-file", "",
                      "file with the passphrase of a sealed seed; empty: credential or none"),
        {},
};
