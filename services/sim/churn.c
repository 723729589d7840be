#include "services/sim/churn.h"

#include <math.h>

#include "services/sim/node.h"

#define APART     (100 * NSEC_PER_MSEC) /* between the first starts */
#define APART_ALL (120 * NSEC_PER_SEC)  /* at most, all of them */
#define BOOTSTRAP 3                     /* peers a newcomer is given */
#define ARRIVES   (2 * NSEC_PER_SEC)    /* from a departure to who comes instead */
#define MISSED    (45 * NSEC_PER_SEC)   /* until nobody has a connection to who is gone */

static nsec_t exponential(struct network *net, nsec_t mean) {
        return (nsec_t) (-log(1 - rng_unit(&net->rng)) * (double) mean);
}

static void on_leave(struct network *net, struct node *n, struct event *e);

static void plan_leave(struct network *net, struct node *n) {
        if (net->settings.session > 0 && !n->is_attacker)
                (void) network_event(net, net->now + exponential(net, net->settings.session),
                                     on_leave, n);
}

static void start(struct network *net, struct node *n) {
        struct node *at[BOOTSTRAP];
        size_t n_at = 0;

        for (unsigned i = 0; i < 4 * BOOTSTRAP && n_at < BOOTSTRAP; i++) {
                struct node *other = network_any(net);

                if (other && other != n && !other->is_hidden)
                        at[n_at++] = other;
        }
        node_start(n, at, n_at);
        plan_leave(net, n);
}

static void on_stranger(struct network *net, struct node *nobody, struct event *e) {
        if (net->n_up < net->settings.n_nodes - net->settings.sybils + net->n_attackers)
                start(net, node_new(net, net->honest, UINT32_MAX));
}

/* a: the slot; id: the identity. */
static void on_return(struct network *net, struct node *nobody, struct event *e) {
        struct node *n = net->slots[e->a];

        if (!n || n->identity != e->id || n->is_up)
                return;
        net->n_returned++;
        start(net, n);
}

static void on_forgotten(struct network *net, struct node *nobody, struct event *e) {
        struct node *n = net->slots[e->a];

        if (n && n->identity == e->id && !n->is_up)
                node_free(n);
}

static void plan(struct network *net, const struct node *n, nsec_t pause, event_fn fn) {
        struct event *e = network_event(net, net->now + pause, fn, NULL);

        e->a = n->slot;
        e->id = n->identity;
}

/* Strangers come as far as those who return leave room. */
static void on_leave(struct network *net, struct node *n, struct event *e) {
        bool returns;
        nsec_t pause;

        if (net->now < n->stays_until) {
                (void) network_event(net, n->stays_until, on_leave, n);
                return;
        }
        returns = rng_chance(&net->rng, net->settings.returning);
        pause = nsec_max(exponential(net, net->settings.away), MISSED + NSEC_PER_SEC);
        net->n_departed++;
        if (returns)
                plan(net, n, pause, on_return);
        else
                plan(net, n, MISSED, on_forgotten);
        (void) network_event(net, net->now + ARRIVES, on_stranger, NULL);
        if (rng_chance(&net->rng, net->settings.killed)) {
                net->n_killed++;
                node_kill(n);
        } else {
                node_stop(n);
        }
}

void churn_begin(struct network *net) {
        uint32_t n = net->settings.n_nodes - net->settings.sybils;
        nsec_t apart = nsec_min(APART, APART_ALL / (n + 1));

        for (uint32_t i = 0; i < n; i++)
                (void) network_event(net, net->now + i * apart, on_stranger, NULL);
}
