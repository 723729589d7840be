#pragma once

/* For the files that build statements (keyring.c, gossip.c): the one way to the key. */

#include "services/keyring/keyring.h"

/* Signs what an encoder wrote (encoded: enum statement_result), or passes on that it
 * refused. Takes the bytes over into *ret. Returns enum keyring_result. */
int keyring_finish(struct keyring *k, const struct keyring_ask *ask, enum keyring_statement what,
                   int encoded, struct buffer *bytes, struct keyring_signed *ret);
int keyring_refuse(struct keyring *k, int r); /* counts it; returns r */
