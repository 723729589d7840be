#pragma once

/* Places under one key that many may write to (topics, mailboxes). Subnets share
 * them: when all are taken, somebody of the subnet that has the most must go, the
 * newcomer counted in; among equals a secret hash decides. So a thousand identities
 * of a few subnets take a few places, coming again changes nothing, and no date
 * that a publisher can choose plays a part. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/dht/contact.h"

#define SLOTS_MAX 128

struct slot_member {
        uint8_t slot[32];
        struct subnet subnet; /* exempt ones (family 0) are each on their own */
        uint64_t rank;        /* lower ones stay */
};

struct slots_limits {
        size_t total;                /* at most SLOTS_MAX */
        size_t per_subnet, per_wide; /* of one /24 or /48; of one v6 /32 */
        bool is_fixed;               /* somebody who is alone of his subnet is never replaced */
};

enum slots_result {
        SLOTS_ROOM = 0,
        SLOTS_REPLACE,  /* *ret_victim goes, the newcomer comes */
        SLOTS_E_SUBNET, /* its subnet has its share */
        SLOTS_E_FULL,   /* all taken, by others who deserve it as much */
};

/* Who is told when not all can be: the first `max` of a fair order, as numbers of members. One
 * of each /24 and v6 /32 comes first, then the second of each; ranks decide which one, and among
 * subnets. n is at most SLOTS_MAX + 1: a place for ourselves. Returns how many. */
size_t slots_choose(const struct slot_member *members, size_t n, size_t *ret, size_t max);

/* `members` do not include the newcomer. Returns enum slots_result. */
int slots_admit(const struct slots_limits *limits, const struct slot_member *members, size_t n,
                const struct slot_member *newcomer, size_t *ret_victim);
