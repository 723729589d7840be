#include "services/dht/givers.h"

size_t givers_find(struct givers *g, const struct key *key, const struct subnet *subnet) {
        struct giver *fresh;

        for (size_t i = 0; i < g->n; i++)
                if (key_equal(&g->list[i].key, key))
                        return i;
        if (g->n == GIVERS_MAX)
                return GIVERS_MAX - 1;
        fresh = &g->list[g->n];
        *fresh = (struct giver){ .key = *key, .subnet = *subnet, .group = g->n };
        for (size_t i = 0; i < g->n && subnet->family; i++)
                if (subnet_equal(&g->list[i].subnet, subnet)) {
                        fresh->group = g->list[i].group;
                        break;
                }
        return g->n++;
}

bool givers_give(struct givers *g, size_t giver) {
        return g->list[giver].n_given++ < GIVEN_MAX;
}

size_t givers_group(const struct givers *g, size_t giver) {
        return g->list[giver].group;
}

void givers_count(struct givers *g, size_t group, bool added) {
        if (group != GIVER_SELF)
                g->list[group].n_values += added ? 1 : (size_t) -1;
}

bool givers_moves(const struct givers *g, size_t owner, size_t group) {
        return owner != GIVER_SELF && owner != group &&
               g->list[group].n_values + 1 < g->list[owner].n_values;
}

size_t givers_loser(const struct givers *g, size_t group) {
        size_t most = group;

        for (size_t i = 0; i < g->n; i++)
                if (g->list[i].n_values > g->list[most].n_values)
                        most = i;
        return g->list[most].n_values > g->list[group].n_values + 1 ? most : GIVER_SELF;
}
