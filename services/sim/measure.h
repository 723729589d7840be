#pragma once

/* What is asked of a simulated network, and what came of it: look-ups compared with the truth,
 * records found in their newest version, draws of candidates, how soon capability records arrive.
 * Probes are spread evenly over the measured time; one whose node dies before the
 * end counts as void. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "services/sim/traffic.h"

struct network;
struct node;
struct dht_action;
struct gossip_action;

#define MEASURE_K    20 /* the closest that a look-up should find … */
#define MEASURE_GOOD 18 /* … and how many of them make it good */
#define HISTOGRAM    24

struct histogram {
        uint64_t counts[HISTOGRAM]; /* the last takes all above */
};

/* What a run came to: plain values, so that it can go through a pipe. What is in the unions is
 * added up over runs. */
struct figures {
        uint64_t seed, trace;
        double hours, alive_s; /* measured; of all nodes together */
        double cpu_s;          /* filled in by the shell, as are peak and in_use: bytes of memory */
        uint64_t peak, in_use, nodes_end, n_events, n_links;
        uint64_t draws_dead_max, records, copies_p1, copies_p50;
        double hops, lookup_s, get_s; /* sums */
        double estimate_median;
        union {
                uint64_t counted[42];
                struct {
                        uint64_t lookups, lookups_good, lookups_void;
                        uint64_t gets, gets_good, gets_old, gets_void;
                        /* drawable: of each draw, who offered then, or as many as it may give */
                        uint64_t draws, draws_void, draws_full, drawn, drawable, drawn_dead;
                        uint64_t draws_dead; /* with two or more of them */
                        uint64_t deliveries_1, delivered_1, deliveries_3,
                                delivered_3; /* within 1 s, 3 s */
                        uint64_t signed_n, verified, departed, killed, returned, undone;
                        uint64_t estimates, estimates_inside, table_entries, table_attackers;
                        /* Of an attack: gets of the key, keys ground; newcomers examined; readings.
                         */
                        uint64_t targets, targets_good, ground, ground_bits;
                        uint64_t victims, victims_good, victim_asks, victim_asks_good;
                        uint64_t victim_entries, victim_honest;
                        uint64_t readings, announced, announced_found, announced_spam;
                };
        };
        union {
                struct histogram histograms[6];
                struct {
                        struct histogram found, hop_counts, lookup_times, get_times, draw_times,
                                copies;
                };
        };
        struct traffic traffic; /* of the measured time */
};

struct measure;
void measure_begin(struct network *net); /* the measured time begins: schedules the probes */
void measure_end(struct network *net, struct figures *ret);
void measure_free(struct network *net);

/* Told by nodes: a record of theirs is out, in a version above those before. */
void measure_published(struct network *net, struct bytes name, uint64_t sequence);
void measure_result(struct network *net, struct node *n, const struct dht_action *a);
void measure_drawn(struct network *net, struct node *n, const struct gossip_action *a);
/* Of attacks: the newest version of that record from a random node; a look-up of this node's own;
 * what it knew; what a reading of a topic brought. */
void measure_get_target(struct network *net, struct bytes name);
void measure_lookup_of(struct network *net, struct node *n);
void measure_victim(struct network *net, unsigned known, unsigned honest, bool is_good);
void measure_topic(struct network *net, unsigned wanted, unsigned honest, unsigned all);
/* A capability record of this sequence leaves its author now. */
void measure_spread(struct network *net, struct node *author);

void histogram_add(struct histogram *h, double value); /* by its integer part */
/* The value below which that share lies. */
unsigned histogram_quantile(const struct histogram *h, double share);
