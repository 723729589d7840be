#include "services/sim/attack.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "services/sim/attack_answers.h"
#include "services/sim/measure.h"
#include "services/sim/node.h"

#define MINUTE        (60 * NSEC_PER_SEC)
#define APART         (200 * NSEC_PER_MSEC)
#define BOOTSTRAP     3
#define KEY_BITS_MORE 1 /* ids are ground until they stand twice as dense as honest ones */
#define TARGET_GETS   50
#define TARGET_EVERY  (6 * NSEC_PER_SEC)
#define VICTIMS       20
#define VICTIM_AFTER  (10 * MINUTE)
#define VICTIM_ASKS   10
#define HONEST_SHARE  0.3
#define BUCKETS       24 /* deeper ones are empty in any network that fits */

static void attacker_start(struct network *net, struct node *n) {
        struct node *at[BOOTSTRAP];
        size_t n_at = 0;

        for (unsigned i = 0; i < 8 * BOOTSTRAP && n_at < BOOTSTRAP; i++) {
                struct node *other = network_any(net);

                if (other && !other->is_hidden)
                        at[n_at++] = other;
        }
        n->is_attacker = true;
        net->n_attackers++;
        node_start(n, at, n_at);
}

static void enlist(struct network *net, struct node *n) {
        struct attack *a = net->attack;

        a->nodes[a->n++] = n;
        n->is_hidden = false;
        attacker_start(net, n);
}

/* ---- Ids anywhere ---- */

static void on_join(struct network *net, struct node *nobody, struct event *e) {
        enlist(net, node_new(net, &net->attack->behaviour, e->a % net->settings.sybil_subnets));
}

static void on_turn(struct network *net, struct node *nobody, struct event *e) {
        struct attack *a = net->attack;

        a->is_hostile = true;
        for (size_t i = 0; i < a->n; i++)
                disk_wipe(&a->nodes[i]->disk);
}

static void join_all(struct network *net, event_fn join) {
        for (uint32_t i = 0; i < net->settings.sybils; i++)
                network_event(net, net->now + (i + 1) * APART, join, NULL)->a = i;
}

void attack_begin(struct network *net) {
        if (net->settings.sybils == 0)
                return;
        net->attack = xnew(struct attack);
        net->attack->behaviour = attack_behaviour();
        net->attack->nodes = xnew_n(struct node *, net->settings.sybils);
        if (net->settings.attack == ATTACK_KEY)
                return;
        join_all(net, on_join);
        (void) network_event(net, NSEC_PER_SEC + net->settings.warmup, on_turn, NULL);
}

/* ---- All around one key ---- */

/* Random public keys, since the stand-in for signatures needs no secret. */
static void on_join_near(struct network *net, struct node *nobody, struct event *e) {
        struct attack *a = net->attack;
        struct sign_public key;

        for (;;) {
                struct peer_id peer;
                struct key id;

                rng_bytes(&net->rng, key.bytes, sizeof(key.bytes));
                peer = peer_id_from_ed25519(&key);
                id = key_of_peer(&peer);
                a->n_ground++;
                if (key_common_prefix(&id, &a->target) >= a->bits)
                        break;
        }
        enlist(net, node_new_with(net, &a->behaviour, e->a % net->settings.sybil_subnets, &key));
}

/* So deep that all honest nodes together have about as many ids there as the attackers bring: they
 * fill the whole neighbourhood of the key. */
static unsigned ground_bits(const struct network *net) {
        unsigned bits = KEY_BITS_MORE;

        while ((net->settings.n_nodes >> bits) > MEASURE_K)
                bits++;
        return bits + KEY_BITS_MORE;
}

static void on_publish(struct network *net, struct node *nobody, struct event *e) {
        struct node *at[BOOTSTRAP] = { network_any(net), network_any(net), network_any(net) };

        node_start(net->attack->publisher, at, BOOTSTRAP);
}

static void on_get_target(struct network *net, struct node *nobody, struct event *e) {
        measure_get_target(net, refbuf_bytes(net->attack->name));
}

static void strike_key(struct network *net) {
        struct attack *a = net->attack;
        nsec_t turn = net->now + net->settings.patience;
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));

        a->publisher = node_new(net, &node_honest, UINT32_MAX);
        a->publisher->is_hidden = false;
        (void) record_name_put(&name, RECORD_ENDPOINT, &a->publisher->peer, BYTES_NONE);
        a->name = refbuf_new(buffer_bytes(&name));
        a->target = key_of(refbuf_bytes(a->name));
        a->bits = ground_bits(net);
        join_all(net, on_join_near);
        (void) network_event(net, turn, on_turn, NULL);
        (void) network_event(net, turn + MINUTE, on_publish, NULL);
        for (unsigned i = 0; i < TARGET_GETS; i++)
                (void) network_event(net, turn + 4 * MINUTE + i * TARGET_EVERY, on_get_target,
                                     NULL);
}

/* ---- Newcomers who are told of attackers ---- */

static void on_look(struct network *net, struct node *victim, struct event *e) {
        measure_lookup_of(net, victim);
}

/* Of the entries of one bucket: they are the closest to any key that falls into it. */
static void examine_bucket(const struct node *victim, unsigned prefix, unsigned *all,
                           unsigned *honest) {
        uint8_t random[KEY_SIZE] = {};
        struct key key = key_in_bucket(&victim->contact.key, prefix, random);
        struct contact known[MEASURE_K];
        size_t n = dht_closest_known(victim->dht, &key, known, MEASURE_K);

        for (size_t i = 0; i < n; i++) {
                const struct node *node = network_find(victim->net, &known[i].peer);

                if (key_common_prefix(&victim->contact.key, &known[i].key) == prefix) {
                        (*all)++;
                        *honest += node && !node->is_attacker;
                }
                contact_done(&known[i]);
        }
}

/* Ten minutes later: whom it knows, and whether it finds its way. */
static void on_examine(struct network *net, struct node *victim, struct event *e) {
        unsigned all = 0, honest = 0;

        for (unsigned prefix = 0; prefix < BUCKETS; prefix++)
                examine_bucket(victim, prefix, &all, &honest);
        measure_victim(net, all, honest, honest >= HONEST_SHARE * all);
        for (unsigned i = 0; i < VICTIM_ASKS; i++)
                (void) network_event(net, net->now + i * NSEC_PER_SEC, on_look, victim);
}

static void on_victim(struct network *net, struct node *nobody, struct event *e) {
        struct attack *a = net->attack;
        struct node *at[5], *victim;

        at[4] = network_any(net);
        while (at[4]->is_attacker || at[4]->is_hidden)
                at[4] = network_any(net);
        for (unsigned i = 0; i < 4; i++)
                at[i] = a->nodes[rng_below(&net->rng, a->n)];
        victim = node_new(net, &node_honest, UINT32_MAX);
        victim->is_hidden = false;
        at[4]->stays_until = net->now + VICTIM_AFTER + MINUTE; /* or there would be no honest one */
        node_start(victim, at, ELEMENTSOF(at));
        (void) network_event(net, net->now + VICTIM_AFTER, on_examine, victim);
}

static void strike_newcomers(struct network *net) {
        nsec_t time = nsec_sub(net->settings.measured, VICTIM_AFTER + MINUTE);

        for (unsigned i = 0; i < VICTIMS; i++)
                (void) network_event(net, net->now + time * i / VICTIMS, on_victim, NULL);
}

/* ---- Life ---- */

void attack_strike(struct network *net) {
        if (net->attack && net->settings.attack == ATTACK_KEY)
                strike_key(net);
        else if (net->attack && net->settings.attack == ATTACK_ECLIPSE)
                strike_newcomers(net);
        else if (net->attack && net->settings.attack == ATTACK_TOPIC)
                attack_spam(net);
}

void attack_figures(const struct network *net, struct figures *ret) {
        if (!net->attack)
                return;
        ret->ground = net->attack->n_ground;
        ret->ground_bits = net->attack->bits;
}

void attack_free(struct network *net) {
        if (!net->attack)
                return;
        refbuf_unref(net->attack->name);
        free(net->attack->nodes);
        free(net->attack);
        net->attack = NULL;
}
