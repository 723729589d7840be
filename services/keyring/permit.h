#pragma once

/* The only ways to a signature, for the files of this folder that build statements. */

#include "services/keyring/keyring.h"

/* Counts a refusal and returns it. */
int keyring_refuse(struct keyring *k, int r);
/* The table's word: socket, prefix, rate. */
int keyring_permit(struct keyring *k, const struct keyring_ask *ask, enum keyring_statement what,
                   struct bytes statement);
/* With the node's key, what its row allows; verified before it is given out. */
int keyring_sign(struct keyring *k, const struct keyring_ask *ask, enum keyring_statement what,
                 struct bytes statement, struct signature *ret);
