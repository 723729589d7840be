#pragma once

/* Name look-ups that do not stop the loop: lookup() in a thread of their own, one name at
 * a time, at most 64 waiting. */

#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/wire/multiaddr.h"

struct loop;
struct names;

/* found: n endpoints, none when there are none; valid during the call. */
typedef void (*names_found_fn)(void *userdata, uint64_t number, const struct endpoint *found,
                               size_t n);

/* The thread starts with the first look-up. `server` NULL: the machine's resolver. Returns
 * 0 or a fault. */
int names_new(struct loop *loop, const struct endpoint *server, names_found_fn fn, void *userdata,
              struct names **ret);
/* Waits for the look-up under way; those waiting are forgotten. */
struct names *names_free(struct names *n);
DEFINE_CLEANUP(struct names *, names_free);

/* Of /dns|dns4|dns6/NAME/udp/PORT/... or /dnsaddr/NAME; fn follows, never from inside. */
void names_find(struct names *n, uint64_t number, const struct multiaddr *name);
