#pragma once

/* Peers this node has nothing to do with: the union of what each service that is connected denies,
 * and of what services said that keep a list. Asked in every handshake and before every dial. */

#include <stdbool.h>
#include <stddef.h>

#include "common/wire/peerid.h"

#define DENY_MAX        4096 /* peers of one list */
#define DENY_OWNERS_MAX 4
#define DENY_OWNER_SIZE 32

struct denials; /* all lists together */

/* What one connection denies; all zero is nothing. */
struct denial {
        struct peer_id *peers;
        size_t n;
};

struct denials *denials_new(uint64_t seed);
struct denials *denials_free(struct denials *d); /* after its lists; always NULL */
bool denials_name(const struct denials *d, const struct peer_id *peer);
size_t denials_count(const struct denials *d); /* peers */

/* `peers` (n <= DENY_MAX, copied; one named twice counts once) instead of what the list held. */
void denial_replace(struct denials *d, struct denial *list, const struct peer_id *peers, size_t n);
void denial_done(struct denials *d, struct denial *list);

/* The same for the list of that owner, which lives as long as `d`. False: not a name of 1 to
 * DENY_OWNER_SIZE - 1 bytes, or there are DENY_OWNERS_MAX others; nothing was changed. */
bool denials_keep(struct denials *d, const char *owner, const struct peer_id *peers, size_t n);
