#pragma once

/* What the files of the simulator share; scenarios include sim.h. */

#include "tests/sim/sim.h"

struct sim_record {
        struct list link;
        enum journal_kind kind;
        struct hash_value job;
        struct refbuf *data;
        nsec_t durable; /* from then on a crash keeps it */
};

struct sim_event;
typedef void (*sim_fire_fn)(struct sim *s, struct sim_event *e);

struct sim_event {
        struct heap_entry entry;
        sim_fire_fn fire;
        unsigned node, epoch; /* of the one it happens to; dropped when that one has restarted */
        unsigned sender, sender_epoch;
        nsec_t left; /* when it left the sender: dropped when that had crashed by then */
        uint64_t id, n;
        struct refbuf *data, *more;
        void *ref;
};

struct sim_event *sim_after(struct sim *s, unsigned node, nsec_t delay, sim_fire_fn fire);
void sim_send(struct sim *s, struct sim_event *e, unsigned sender, nsec_t left);

/* sim_node.c */
void sim_node_boot(struct sim_node *n);
void sim_node_down(struct sim_node *n);
void sim_drain(struct sim_node *n); /* carries out what the core wants */

/* sim_link.c */
void sim_link_open(struct sim_node *n, const struct action *a);
void sim_link_send(struct sim_node *n, const struct action *a);
void sim_link_consumed(struct sim_node *n, const struct action *a);
void sim_link_finish(struct sim_node *n, const struct action *a);
void sim_link_reset(struct sim_node *n, const struct action *a);
void sim_link_lose_all(struct sim_node *n);
void sim_link_done(struct sim *s);

/* sim_worker.c: the query is its own result: "q<number> rows=<n> ordered=<0|1> wide=<bytes>". */
void sim_worker_start(struct sim_node *n, const struct action *a);
void sim_worker_fetch(struct sim_node *n, const struct action *a);
void sim_worker_end(struct sim_node *n, uint64_t run);
void sim_worker_done(struct sim_node *n);
void sim_truth(const char *sql, struct schema **ret_schema, struct answer *ret);

/* sim_client.c */
void sim_client_submit(struct sim *s);
void sim_client_reply(struct sim *s, const struct action *a);
void sim_client_data(struct sim *s, const struct action *a);
void sim_client_done(struct sim_client *c);
