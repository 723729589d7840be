#pragma once

/* What a peer is worth to the mesh: the score function of GossipSub 1.1
 * (libp2p/specs, pubsub/gossipsub/gossipsub-v1.1.md, "Peer Scoring"), P1 to P7.
 * Pure arithmetic; who delivered what is told by the router.
 *
 * Weights. P3 and P3b (delivery deficit) are off by default: they need a known
 * message rate, and shards of quiet hosts have none. A peer that sends one
 * invalid message (P4, squared) or asks to be grafted in back-off three times
 * (P7, squared) falls below graylist within a heartbeat. */

#include <stdbool.h>

#include "common/base/nsec.h"

struct pubsub_topic_params {
        double weight; /* of the topic in the sum: 1 */
        /* P1, time in mesh: positive, small, capped */
        double mesh_weight, mesh_cap;
        nsec_t mesh_quantum;
        /* P2, first deliveries */
        double first_weight, first_decay, first_cap;
        /* P3, P3b: deficit of deliveries in the mesh; weights <= 0 */
        double deficit_weight, deficit_decay, deficit_threshold, deficit_cap;
        nsec_t deficit_window, deficit_activation;
        double failure_weight, failure_decay;
        /* P4, invalid messages; weight < 0 */
        double invalid_weight, invalid_decay;
};

struct score_params {
        struct pubsub_topic_params topic; /* of topics that are given none */
        double topic_cap;                 /* of the sum over topics */
        double app_weight;                /* P5 */
        double colocation_weight;         /* P6; < 0 */
        unsigned colocation_threshold;    /* peers of one address without penalty */
        double behaviour_weight, behaviour_decay, behaviour_threshold; /* P7 */
        nsec_t decay_interval;
        double decay_to_zero;
        nsec_t retain; /* of a peer that left with a negative score */
        /* thresholds: graylist < publish <= gossip < 0 <= accept_px */
        double graylist, publish, gossip, accept_px, opportunistic;
};
void score_params_default(struct score_params *ret);

/* Of one peer in one topic. All zero is a newcomer. */
struct topic_score {
        bool in_mesh, is_counting; /* is_counting: long enough in the mesh for P3 */
        nsec_t mesh_since;
        double first, deficit, failure, invalid;
};

void topic_score_grafted(struct topic_score *t, nsec_t now);
/* Leaving with a deficit is remembered (P3b). */
void topic_score_pruned(struct topic_score *t, const struct pubsub_topic_params *p);
void topic_score_first(struct topic_score *t, const struct pubsub_topic_params *p);
void topic_score_duplicate(struct topic_score *t, const struct pubsub_topic_params *p);
void topic_score_decay(struct topic_score *t, const struct pubsub_topic_params *p,
                       double decay_to_zero, nsec_t now);
/* Decay will change nothing. */
bool topic_score_is_at_rest(const struct topic_score *t);
double topic_score_value(const struct topic_score *t, const struct pubsub_topic_params *p,
                         nsec_t now);

/* What is left of `value` after one decay interval. */
double score_decay(double value, double decay, double decay_to_zero);
