#include "services/dht/slots.h"

#include <string.h>

#include "common/base/error.h"

static bool same_subnet(const struct slot_member *a, const struct slot_member *b) {
        return a->subnet.family && memcmp(&a->subnet, &b->subnet, sizeof(a->subnet)) == 0;
}

static bool same_wide(const struct slot_member *a, const struct slot_member *b) {
        return a->subnet.family == ENDPOINT_IP6 && b->subnet.family == ENDPOINT_IP6 &&
               memcmp(a->subnet.prefix, b->subnet.prefix, 4) == 0;
}

/* How many members stand in the subnet of `who`; one who is exempt counts himself alone. */
static size_t count_subnet(const struct slot_member *members, size_t n,
                           const struct slot_member *who) {
        size_t same = 0;

        for (size_t i = 0; i < n; i++)
                same += same_subnet(&members[i], who) || &members[i] == who;
        return same;
}

static size_t count_wide(const struct slot_member *members, size_t n,
                         const struct slot_member *who) {
        size_t same = 0;

        for (size_t i = 0; i < n; i++)
                same += same_wide(&members[i], who);
        return same;
}

/* Who must go: of the largest group the one of the highest rank. The newcomer is the
 * last of `all`. */
static size_t weakest(const struct slot_member *all, size_t n, size_t *ret_group) {
        size_t worst = n - 1, largest = count_subnet(all, n, &all[worst]);

        for (size_t i = 0; i + 1 < n; i++) {
                size_t group = count_subnet(all, n, &all[i]);

                if (group > largest || (group == largest && all[i].rank > all[worst].rank)) {
                        worst = i;
                        largest = group;
                }
        }
        *ret_group = largest;
        return worst;
}

/* When it is the turn of `who`: behind how many of its group, and then by a rank of that group,
 * which is drawn as evenly for many members as for one: the least of their ranks would not be. */
static uint64_t turn_of(const struct slot_member *members, size_t n, size_t who) {
        const struct slot_member *m = &members[who];
        uint64_t turn = 0, rank = m->rank;

        for (size_t i = 0; i < n; i++) {
                if (i == who || !(same_subnet(&members[i], m) || same_wide(&members[i], m)))
                        continue;
                turn += members[i].rank < m->rank;
                rank ^= members[i].rank;
        }
        return turn << 56 | rank >> 8;
}

size_t slots_choose(const struct slot_member *members, size_t n, size_t *ret, size_t max) {
        uint64_t turns[SLOTS_MAX + 1];

        check(n <= SLOTS_MAX + 1);
        for (size_t i = 0; i < n; i++)
                turns[i] = turn_of(members, n, i);
        for (size_t i = 0; i < n; i++) {
                size_t place = 0;

                for (size_t j = 0; j < n; j++)
                        place += turns[j] < turns[i] || (turns[j] == turns[i] && j < i);
                if (place < max)
                        ret[place] = i;
        }
        return n < max ? n : max;
}

int slots_admit(const struct slots_limits *limits, const struct slot_member *members, size_t n,
                const struct slot_member *newcomer, size_t *ret_victim) {
        struct slot_member all[SLOTS_MAX + 1];
        size_t group, worst;

        check(n <= SLOTS_MAX && limits->total <= SLOTS_MAX);
        if (count_subnet(members, n, newcomer) >= limits->per_subnet ||
            count_wide(members, n, newcomer) >= limits->per_wide)
                return SLOTS_E_SUBNET;
        if (n < limits->total)
                return SLOTS_ROOM;
        if (n > 0)
                memcpy(all, members, n * sizeof(*members));
        all[n] = *newcomer;
        worst = weakest(all, n + 1, &group);
        if (worst == n || (group == 1 && limits->is_fixed))
                return SLOTS_E_FULL;
        *ret_victim = worst;
        return SLOTS_REPLACE;
}
