#include "services/gossip/score.h"

void score_params_default(struct score_params *ret) {
        *ret = (struct score_params){
                .topic = { .weight = 1,
                           .mesh_weight = 0.01,
                           .mesh_cap = 300,
                           .mesh_quantum = NSEC_PER_SEC,
                           .first_weight = 0.5,
                           .first_decay = 0.9772, /* half in 30 s */
                           .first_cap = 20,
                           .deficit_decay = 0.9772,
                           .failure_decay = 0.9772,
                           .deficit_cap = 100,
                           .deficit_window = 10 * NSEC_PER_MSEC,
                           .deficit_activation = 60 * NSEC_PER_SEC,
                           .invalid_weight = -100,
                           .invalid_decay = 0.99885 }, /* half in 10 min */
                .topic_cap = 100,
                .app_weight = 1,
                .colocation_weight = -5,
                .colocation_threshold = 8,
                .behaviour_weight = -20,
                .behaviour_decay = 0.9886, /* half in a minute */
                .behaviour_threshold = 1,
                .decay_interval = NSEC_PER_SEC,
                .decay_to_zero = 0.01,
                .retain = 600 * NSEC_PER_SEC,
                .graylist = -80,
                .publish = -40,
                .gossip = -10,
                .accept_px = 5,
                .opportunistic = 1,
        };
}

double score_decay(double value, double decay, double decay_to_zero) {
        value *= decay;
        return value < decay_to_zero ? 0 : value;
}

void topic_score_grafted(struct topic_score *t, nsec_t now) {
        t->in_mesh = true;
        t->is_counting = false;
        t->mesh_since = now;
}

static double shortfall(const struct topic_score *t, const struct pubsub_topic_params *p) {
        double missing = p->deficit_threshold - t->deficit;

        return t->is_counting && missing > 0 ? missing * missing : 0;
}

void topic_score_pruned(struct topic_score *t, const struct pubsub_topic_params *p) {
        t->failure += shortfall(t, p);
        t->in_mesh = t->is_counting = false;
}

static double capped(double value, double cap) {
        return value > cap ? cap : value;
}

void topic_score_first(struct topic_score *t, const struct pubsub_topic_params *p) {
        t->first = capped(t->first + 1, p->first_cap);
        topic_score_duplicate(t, p);
}

void topic_score_duplicate(struct topic_score *t, const struct pubsub_topic_params *p) {
        if (t->in_mesh)
                t->deficit = capped(t->deficit + 1, p->deficit_cap);
}

void topic_score_decay(struct topic_score *t, const struct pubsub_topic_params *p,
                       double decay_to_zero, nsec_t now) {
        t->first = score_decay(t->first, p->first_decay, decay_to_zero);
        t->deficit = score_decay(t->deficit, p->deficit_decay, decay_to_zero);
        t->failure = score_decay(t->failure, p->failure_decay, decay_to_zero);
        t->invalid = score_decay(t->invalid, p->invalid_decay, decay_to_zero);
        if (t->in_mesh && now >= nsec_add(t->mesh_since, p->deficit_activation))
                t->is_counting = true;
}

bool topic_score_is_at_rest(const struct topic_score *t) {
        return !t->in_mesh && t->first == 0 && t->deficit == 0 && t->failure == 0 &&
               t->invalid == 0;
}

double topic_score_value(const struct topic_score *t, const struct pubsub_topic_params *p,
                         nsec_t now) {
        double sum = p->first_weight * t->first;

        if (t->in_mesh && p->mesh_quantum > 0)
                sum += p->mesh_weight *
                       capped((double) nsec_sub(now, t->mesh_since) / (double) p->mesh_quantum,
                              p->mesh_cap);
        sum += p->deficit_weight * shortfall(t, p);
        sum += p->failure_weight * t->failure;
        sum += p->invalid_weight * t->invalid * t->invalid;
        return p->weight * sum;
}
