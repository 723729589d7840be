#pragma once

/* Run by root, services have uids of their own. What they share beside sockets is [network]
 * secret-file: its group is one of theirs, which is what its mode says (640). */

#include <sys/types.h>

enum secret_group_result {
        SECRET_GROUP_OK = 0,
        SECRET_GROUP_E_REFUSED, /* why is in the error text, with the remedy */
};

/* The group by which a service reads the secret that `config` names; 0: it names none, or this
 * service does not ask for one. Asks the service's program, which parses the configuration. */
int secret_group_of(const char *binary, const char *config, gid_t *ret, char error[256]);
