#pragma once

/* Which addresses this node listens on and tells others. */

#include <stddef.h>

#include "common/daemon/config.h"
#include "common/wire/multiaddr.h"

#define ADDRESSES_MAX 32

struct addresses {
        size_t n;
        struct multiaddr list[ADDRESSES_MAX];
};

/* The `listen` rows as endpoints, at most one per family; the defaults if there are none.
 * False: said why in the log. */
bool addresses_to_listen(const struct config_list *rows, struct endpoint ret[2], size_t *ret_n);
/* For an unspecified address one for each interface that is up (loopback only when there
 * is nothing else), else the endpoint itself. */
void addresses_of(const struct endpoint *bound, struct addresses *add_to);
/* Rows in the notation of multiaddr_from_config(). False: said which one is wrong. */
bool addresses_parse(const struct config_list *rows, const char *key, struct addresses *ret);
