#include "services/coordinator/trust.h"

#include <math.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"

struct mark {
        int64_t time_us;
        bool is_correct;
};

struct host_trust {
        struct peer_id peer;
        struct list recent; /* judged longest ago first */
        struct mark *marks; /* ring of settings.window */
        size_t n_marks, next;
        uint32_t correct_jobs; /* long enough, since probation began */
        int64_t hardware_us;   /* last `hardware`, 0: none */
        bool is_proved_liar;
};

struct trust {
        struct trust_settings settings;
        struct map *hosts;
        struct list recent;
};

struct trust *trust_new(const struct trust_settings *settings, uint64_t seed) {
        struct trust *t = xnew(struct trust);

        t->settings = *settings;
        t->hosts = map_new(seed);
        list_init(&t->recent);
        return t;
}

static void forget(struct trust *t, struct host_trust *h) {
        map_remove(t->hosts, peer_id_bytes(&h->peer));
        list_remove(&h->recent);
        free(h->marks);
        free(h);
}

struct trust *trust_free(struct trust *t) {
        if (!t)
                return NULL;
        LIST_FOREACH_SAFE (it, &t->recent)
                forget(t, LIST_ENTRY(it, struct host_trust, recent));
        map_free(t->hosts);
        free(t);
        return NULL;
}

static struct host_trust *host_of(const struct trust *t, const struct peer_id *peer) {
        return map_get(t->hosts, peer_id_bytes(peer));
}

static struct host_trust *host_make(struct trust *t, const struct peer_id *peer) {
        struct host_trust *h = host_of(t, peer);

        if (!h) {
                if (map_count(t->hosts) >= TRUST_HOSTS_MAX)
                        forget(t, LIST_ENTRY(list_first(&t->recent), struct host_trust, recent));
                h = xnew(struct host_trust);
                h->peer = *peer;
                h->marks = xnew_n(struct mark, t->settings.window);
                list_init(&h->recent);
                map_set(t->hosts, peer_id_bytes(peer), h);
        }
        list_remove(&h->recent);
        list_push_back(&t->recent, &h->recent);
        return h;
}

static void mark_add(struct trust *t, struct host_trust *h, int64_t time_us, bool is_correct) {
        h->marks[h->next] = (struct mark){ time_us, is_correct };
        h->next = (h->next + 1) % t->settings.window;
        if (h->n_marks < t->settings.window)
                h->n_marks++;
}

/* Whether this one counts as a fault; remembers it. */
static bool hardware_counts(struct trust *t, struct host_trust *h, int64_t time_us) {
        int64_t window_us = (int64_t) (t->settings.hardware_window / NSEC_PER_USEC);
        bool again = h->hardware_us && time_us - h->hardware_us < window_us;

        h->hardware_us = time_us;
        h->correct_jobs = 0;
        return again;
}

void trust_add(struct trust *t, const struct peer_id *peer, const struct judgement *j) {
        struct host_trust *h = host_make(t, peer);

        if (j->is_proved)
                h->is_proved_liar = true;
        if (j->verdict == VERDICT_CORRECT) {
                h->correct_jobs += j->elapsed >= t->settings.probation_job_min;
                mark_add(t, h, j->time_us, true);
        } else if (verdict_is_fault(j->verdict) ||
                   (j->verdict == VERDICT_HARDWARE && hardware_counts(t, h, j->time_us))) {
                mark_add(t, h, j->time_us, false);
        }
}

void trust_lift(struct trust *t, const struct peer_id *peer) {
        struct host_trust *h = host_of(t, peer);

        if (h)
                h->is_proved_liar = false;
}

double trust_wilson(double n, double s) {
        const double z = 1.96;
        double trials = n + 3, p = (s + 1) / trials;
        double centre = p + z * z / (2 * trials);
        double spread = z * sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials));

        return (centre - spread) / (1 + z * z / trials);
}

double trust_score(const struct trust *t, const struct peer_id *peer, int64_t now_us) {
        const struct host_trust *h = host_of(t, peer);
        double n = 0, s = 0;

        if (!h)
                return trust_wilson(0, 0);
        if (h->is_proved_liar)
                return 0;
        for (size_t i = 0; i < h->n_marks; i++) {
                int64_t age_us = now_us > h->marks[i].time_us ? now_us - h->marks[i].time_us : 0;
                double half_lives = (double) age_us * 1e3 / (double) t->settings.half_life;
                double w = exp2(-half_lives);

                n += w;
                s += h->marks[i].is_correct ? w : 0;
        }
        return trust_wilson(n, s);
}

bool trust_is_known(const struct trust *t, const struct peer_id *peer) {
        const struct host_trust *h = host_of(t, peer);

        return h && !h->is_proved_liar && h->correct_jobs >= t->settings.probation_jobs;
}

bool trust_is_proved_liar(const struct trust *t, const struct peer_id *peer) {
        const struct host_trust *h = host_of(t, peer);

        return h && h->is_proved_liar;
}

size_t trust_history(const struct trust *t, struct peer_id *ret, size_t max) {
        size_t n = 0;

        for (const struct list *l = t->recent.previous; l != &t->recent && n < max;
             l = l->previous) {
                const struct host_trust *h = LIST_ENTRY(l, struct host_trust, recent);

                if (trust_is_known(t, &h->peer))
                        ret[n++] = h->peer;
        }
        return n;
}
