#pragma once

/* Whether every service of this installation would take a configuration. */

enum config_check_result {
        CONFIG_CHECK_OK = 0,
        CONFIG_CHECK_E_INVALID,
};

/* `config`: a folder or a file that exists. Asks the programs, one after the other; of
 * the first that refuses one line with file and line number into why. */
int config_check(const char *config, char why[512]);
