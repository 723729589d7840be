#include "services/transport/dial.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/list.h"
#include "common/base/text.h"
#include "services/transport/rests.h"

#define OUTAGE_AFTER 4 /* silences in a row at different addresses, and no connection */

enum candidate_state { WAITING = 0, RUNNING, TO_CANCEL, OVER };

struct candidate {
        enum candidate_state state;
        struct endpoint to;
        struct multiaddr *name; /* instead of `to`: to be looked up */
        nsec_t deadline;        /* while RUNNING */
};

struct dial {
        struct list link;
        uint64_t id;
        struct peer_id peer;
        bool force, satisfied, over;
        nsec_t deadline, next_start;
        size_t n_candidates, n_running;
        struct candidate candidates[DIAL_CANDIDATES_MAX];
        struct dial_ending ending;
};

struct dialer {
        struct dialer_config config;
        struct rests *rests;
        struct list dials;
        size_t n_dials, n_running, n_alive;
        uint64_t last_id;
        unsigned n_silences;
        struct endpoint last_silent;
};

const struct dialer_config dialer_config_default = {
        .attempt_timeout = 2 * NSEC_PER_SEC,
        .name_timeout = 5 * NSEC_PER_SEC,
        .stagger = 250 * NSEC_PER_MSEC,
        .rest_min = 500 * NSEC_PER_MSEC,
        .rest_max = 120 * NSEC_PER_SEC,
        .parallel = 4,
        .parallel_total = 64,
        .dials_max = 256,
        .rests_max = 4096,
};

/* How telling an outcome is when several attempts failed: the greatest is reported. */
static const unsigned telling[DIAL_OUTCOME_N] = {
        [DIAL_CONNECTED] = 9, [DIAL_WRONG_PEER] = 6, [DIAL_REFUSED] = 5,   [DIAL_NO_ANSWER] = 4,
        [DIAL_NO_ROUTE] = 3,  [DIAL_NO_NAME] = 2,    [DIAL_CANCELLED] = 1,
};

struct dialer *dialer_new(const struct dialer_config *config, uint64_t seed) {
        struct dialer *d = xnew(struct dialer);

        d->config = *config;
        d->rests = rests_new(config->rest_min, config->rest_max, config->rests_max, seed);
        list_init(&d->dials);
        return d;
}

static void dial_free(struct dialer *d, struct dial *dial) {
        list_remove(&dial->link);
        d->n_dials--;
        for (size_t i = 0; i < dial->n_candidates; i++)
                free(dial->candidates[i].name);
        free(dial);
}

struct dialer *dialer_free(struct dialer *d) {
        struct list *link;

        if (!d)
                return NULL;
        while ((link = list_first(&d->dials)))
                dial_free(d, LIST_ENTRY(link, struct dial, link));
        rests_free(d->rests);
        free(d);
        return NULL;
}

void dialer_configure(struct dialer *d, const struct dialer_config *config) {
        d->config = *config;
}

static struct dial *find_by_peer(const struct dialer *d, const struct peer_id *peer) {
        LIST_FOREACH (link, &d->dials) {
                struct dial *dial = LIST_ENTRY(link, struct dial, link);

                if (!dial->over && !dial->satisfied && !peer_id_is_none(peer) &&
                    peer_id_equal(&dial->peer, peer))
                        return dial;
        }
        return NULL;
}

bool dialer_is_dialling(const struct dialer *d, const struct peer_id *peer) {
        return find_by_peer(d, peer) != NULL;
}

static bool has_candidate(const struct dial *dial, const struct endpoint *to) {
        for (size_t i = 0; i < dial->n_candidates; i++)
                if (!dial->candidates[i].name && endpoint_equal(&dial->candidates[i].to, to))
                        return true;
        return false;
}

static void add_endpoint(struct dial *dial, const struct endpoint *to) {
        if (dial->n_candidates < DIAL_CANDIDATES_MAX && !has_candidate(dial, to))
                dial->candidates[dial->n_candidates++] = (struct candidate){ .to = *to };
}

static void add_name(struct dial *dial, const struct multiaddr *name) {
        for (size_t i = 0; i < dial->n_candidates; i++)
                if (dial->candidates[i].name && multiaddr_equal(dial->candidates[i].name, name))
                        return;
        if (dial->n_candidates < DIAL_CANDIDATES_MAX)
                dial->candidates[dial->n_candidates++] =
                        (struct candidate){ .name = xmemdup(name, sizeof(*name)) };
}

/* Counts what is usable; resting addresses give the soonest end of a rest instead. */
static size_t add_addresses(struct dialer *d, struct dial *dial, const struct dial_request *request,
                            nsec_t now, nsec_t *soonest) {
        size_t n_usable = 0;

        for (size_t i = 0; i < request->n_addrs; i++) {
                const struct multiaddr *a = &request->addrs[i];
                enum endpoint_family family;
                struct endpoint to;
                struct bytes name;
                uint16_t port;

                if (multiaddr_name(a, &name, &port, &family) || multiaddr_dnsaddr(a, &name)) {
                        add_name(dial, a);
                        n_usable++;
                } else if (multiaddr_is_dialable_quic(a) && multiaddr_endpoint(a, &to)) {
                        nsec_t until = rests_until(d->rests, &to);

                        if (until > now && !request->force) {
                                *soonest = nsec_min(*soonest, until);
                                continue;
                        }
                        add_endpoint(dial, &to);
                        n_usable++;
                }
        }
        return n_usable;
}

/* Families take turns, the family of the best address first; the order within each stays.
 * Only candidates not started yet may be moved: attempts are numbered by position. */
static void interleave(struct dial *dial, size_t from) {
        for (size_t i = from + 1; i < dial->n_candidates; i++) {
                uint8_t unwanted = dial->candidates[i - 1].to.family;
                size_t j = i;
                struct candidate moved;

                while (j < dial->n_candidates && dial->candidates[j].to.family == unwanted)
                        j++;
                if (j == dial->n_candidates)
                        return;
                moved = dial->candidates[j];
                memmove(&dial->candidates[i + 1], &dial->candidates[i],
                        (j - i) * sizeof(dial->candidates[0]));
                dial->candidates[i] = moved;
        }
}

static struct dial *dial_new(struct dialer *d, const struct dial_request *request, nsec_t now) {
        struct dial *dial = xnew(struct dial);

        dial->id = ++d->last_id;
        dial->peer = request->peer;
        dial->next_start = now;
        dial->ending = (struct dial_ending){
                .dial = dial->id,
                .peer = request->peer,
                .outcome = DIAL_CANCELLED,
        };
        list_init(&dial->link);
        list_push_back(&d->dials, &dial->link);
        d->n_dials++;
        return dial;
}

int dialer_request(struct dialer *d, const struct dial_request *request, nsec_t now,
                   uint64_t *ret_dial, nsec_t *ret_retry) {
        struct dial *dial = find_by_peer(d, &request->peer);
        bool is_new = !dial;
        size_t n_before;
        nsec_t soonest = NSEC_NEVER;

        if (is_new && d->n_dials >= d->config.dials_max)
                return DIAL_E_BUSY;
        if (is_new)
                dial = dial_new(d, request, now);

        n_before = dial->n_candidates;
        if (add_addresses(d, dial, request, now, &soonest) == 0 && is_new) {
                dial_free(d, dial);
                if (soonest == NSEC_NEVER)
                        return DIAL_E_NO_ADDRESS;
                *ret_retry = soonest;
                return DIAL_E_BACKING_OFF;
        }
        interleave(dial, n_before);
        dial->deadline = nsec_max(dial->deadline, request->deadline);
        *ret_dial = dial->id;
        return DIAL_OK;
}

void dialer_set_alive(struct dialer *d, size_t n_connections) {
        d->n_alive = n_connections;
        if (n_connections > 0)
                d->n_silences = 0;
}

static uint64_t attempt_id(const struct dial *dial, size_t i) {
        return dial->id * DIAL_CANDIDATES_MAX + i;
}

static struct dial *find_attempt(const struct dialer *d, uint64_t attempt, struct candidate **ret) {
        LIST_FOREACH (link, &d->dials) {
                struct dial *dial = LIST_ENTRY(link, struct dial, link);
                size_t i = attempt % DIAL_CANDIDATES_MAX;

                if (dial->id != attempt / DIAL_CANDIDATES_MAX)
                        continue;
                if (i >= dial->n_candidates || dial->candidates[i].state != RUNNING)
                        return NULL;
                *ret = &dial->candidates[i];
                return dial;
        }
        return NULL;
}

static void stop_running(struct dialer *d, struct dial *dial, struct candidate *c,
                         enum candidate_state state) {
        check(c->state == RUNNING);
        c->state = state;
        dial->n_running--;
        d->n_running--;
}

static void end_dial(struct dialer *d, struct dial *dial) {
        dial->over = true;
        for (size_t i = 0; i < dial->n_candidates; i++) {
                struct candidate *c = &dial->candidates[i];

                if (c->state == RUNNING)
                        stop_running(d, dial, c, TO_CANCEL);
                else if (c->state == WAITING)
                        c->state = OVER;
        }
}

static bool has_waiting(const struct dial *dial) {
        for (size_t i = 0; i < dial->n_candidates; i++)
                if (dial->candidates[i].state == WAITING)
                        return true;
        return false;
}

static void end_dial_if_exhausted(struct dialer *d, struct dial *dial) {
        if (dial->n_running == 0 && (dial->satisfied || !has_waiting(dial)))
                end_dial(d, dial);
}

/* "place reason; place reason; ..." as far as there is room. */
static void note_tried(struct dial *dial, const struct candidate *c, const char *reason) {
        char text[MULTIADDR_TEXT_SIZE];
        char *tried = dial->ending.tried;
        size_t len = strlen(tried);

        if (c->name)
                multiaddr_text(c->name, text);
        else
                endpoint_text(&c->to, text);
        (void) snprintf(tried + len, sizeof(dial->ending.tried) - len, "%s%s %s", len ? "; " : "",
                        text, reason);
}

static void note_silence(struct dialer *d, const struct endpoint *to) {
        if (!endpoint_equal(&d->last_silent, to))
                d->n_silences++;
        d->last_silent = *to;
}

static bool is_outage(const struct dialer *d) {
        return d->n_alive == 0 && d->n_silences >= OUTAGE_AFTER;
}

static void judge_address(struct dialer *d, const struct candidate *c, enum dial_outcome outcome,
                          nsec_t now) {
        if (c->name || outcome == DIAL_CANCELLED)
                return;
        if (outcome == DIAL_CONNECTED) {
                d->n_silences = 0;
                rests_worked(d->rests, &c->to);
                return;
        }
        if (outcome == DIAL_NO_ANSWER || outcome == DIAL_NO_ROUTE)
                note_silence(d, &c->to);
        rests_failed(d->rests, &c->to, !is_outage(d), now);
}

static void end_attempt(struct dialer *d, struct dial *dial, struct candidate *c,
                        enum dial_outcome outcome, const char *reason, nsec_t now) {
        judge_address(d, c, outcome, now);
        if (telling[outcome] > telling[dial->ending.outcome])
                dial->ending.outcome = outcome;
        dial->next_start = now;
        if (outcome == DIAL_CONNECTED) {
                dial->ending.attempt = attempt_id(dial, (size_t) (c - dial->candidates));
                end_dial(d, dial);
                return;
        }
        note_tried(dial, c, reason);
        end_dial_if_exhausted(d, dial);
}

void dialer_ended(struct dialer *d, uint64_t attempt, enum dial_outcome outcome, const char *reason,
                  nsec_t now) {
        struct candidate *c;
        struct dial *dial = find_attempt(d, attempt, &c);

        if (!dial)
                return;
        stop_running(d, dial, c, OVER);
        end_attempt(d, dial, c, outcome, reason, now);
}

bool dialer_asked(const struct dialer *d, uint64_t attempt, struct peer_id *ret_peer,
                  struct multiaddr *ret_name) {
        struct candidate *c;
        const struct dial *dial = find_attempt(d, attempt, &c);

        if (!dial || !c->name)
                return false;
        *ret_peer = dial->peer;
        *ret_name = *c->name;
        return true;
}

void dialer_resolved(struct dialer *d, uint64_t attempt, const struct endpoint *found, size_t n,
                     nsec_t now) {
        struct candidate *c;
        struct dial *dial = find_attempt(d, attempt, &c);

        if (!dial)
                return;
        stop_running(d, dial, c, OVER);
        if (n == 0) {
                end_attempt(d, dial, c, DIAL_NO_NAME, "has no address", now);
                return;
        }
        for (size_t i = 0; i < n && i < DIAL_NAME_RESULTS; i++)
                add_endpoint(dial, &found[i]);
        dial->next_start = now;
        end_dial_if_exhausted(d, dial);
}

void dialer_satisfied(struct dialer *d, const struct peer_id *peer) {
        struct dial *dial = find_by_peer(d, peer);

        if (!dial)
                return;
        dial->satisfied = true;
        end_dial_if_exhausted(d, dial);
}

static void start(struct dialer *d, struct dial *dial, size_t i, nsec_t now,
                  struct dial_order *ret) {
        struct candidate *c = &dial->candidates[i];
        struct peer_id named;

        c->state = RUNNING;
        c->deadline = nsec_add(now, c->name ? d->config.name_timeout : d->config.attempt_timeout);
        dial->n_running++;
        d->n_running++;
        dial->next_start = nsec_add(now, d->config.stagger);
        *ret = (struct dial_order){
                .kind = c->name ? DIAL_ORDER_RESOLVE : DIAL_ORDER_CONNECT,
                .dial = dial->id,
                .attempt = attempt_id(dial, i),
                .peer = dial->peer,
                .to = c->to,
        };
        if (c->name)
                ret->name = *c->name;
        if (c->name && !peer_id_is_none(&dial->peer) && !multiaddr_peer(c->name, &named))
                (void) multiaddr_append_peer(&ret->name, &dial->peer);
}

static bool cancel_one(struct dial *dial, struct dial_order *ret) {
        for (size_t i = 0; i < dial->n_candidates; i++) {
                if (dial->candidates[i].state != TO_CANCEL)
                        continue;
                dial->candidates[i].state = OVER;
                *ret = (struct dial_order){
                        .kind = DIAL_ORDER_CANCEL,
                        .dial = dial->id,
                        .attempt = attempt_id(dial, i),
                        .peer = dial->peer,
                };
                return true;
        }
        return false;
}

static bool may_start(const struct dialer *d, const struct dial *dial) {
        return !dial->over && !dial->satisfied && dial->n_running < d->config.parallel &&
               d->n_running < d->config.parallel_total && has_waiting(dial);
}

static bool start_one(struct dialer *d, struct dial *dial, nsec_t now, struct dial_order *ret) {
        if (!may_start(d, dial) || dial->next_start > now)
                return false;
        for (size_t i = 0; i < dial->n_candidates; i++) {
                if (dial->candidates[i].state != WAITING)
                        continue;
                start(d, dial, i, now, ret);
                return true;
        }
        return false;
}

bool dialer_order(struct dialer *d, nsec_t now, struct dial_order *ret) {
        LIST_FOREACH (link, &d->dials) {
                struct dial *dial = LIST_ENTRY(link, struct dial, link);

                if (cancel_one(dial, ret) || start_one(d, dial, now, ret))
                        return true;
        }
        return false;
}

static bool has_to_cancel(const struct dial *dial) {
        for (size_t i = 0; i < dial->n_candidates; i++)
                if (dial->candidates[i].state == TO_CANCEL)
                        return true;
        return false;
}

bool dialer_finished(struct dialer *d, struct dial_ending *ret) {
        LIST_FOREACH (link, &d->dials) {
                struct dial *dial = LIST_ENTRY(link, struct dial, link);

                if (!dial->over || has_to_cancel(dial))
                        continue;
                *ret = dial->ending;
                dial_free(d, dial);
                return true;
        }
        return false;
}

static nsec_t dial_deadline(const struct dialer *d, const struct dial *dial) {
        nsec_t when = dial->deadline;

        if (dial->over)
                return 0;
        if (may_start(d, dial))
                when = nsec_min(when, dial->next_start);
        for (size_t i = 0; i < dial->n_candidates; i++)
                if (dial->candidates[i].state == RUNNING)
                        when = nsec_min(when, dial->candidates[i].deadline);
        return when;
}

nsec_t dialer_deadline(const struct dialer *d) {
        nsec_t when = NSEC_NEVER;

        LIST_FOREACH (link, &d->dials)
                when = nsec_min(when, dial_deadline(d, LIST_ENTRY(link, struct dial, link)));
        return when;
}

static void expire_attempts(struct dialer *d, struct dial *dial, nsec_t now) {
        char duration[32], reason[64];

        for (size_t i = 0; i < dial->n_candidates && !dial->over; i++) {
                struct candidate *c = &dial->candidates[i];
                bool is_name = c->name != NULL;

                if (c->state != RUNNING || c->deadline > now)
                        continue;
                stop_running(d, dial, c, TO_CANCEL);
                text_format_duration(is_name ? d->config.name_timeout : d->config.attempt_timeout,
                                     duration);
                (void) snprintf(reason, sizeof(reason), "no answer in %s", duration);
                end_attempt(d, dial, c, is_name ? DIAL_NO_NAME : DIAL_NO_ANSWER, reason, now);
        }
}

static void expire_dial(struct dialer *d, struct dial *dial) {
        for (size_t i = 0; i < dial->n_candidates; i++)
                if (dial->candidates[i].state == RUNNING)
                        note_tried(dial, &dial->candidates[i], "no answer before the deadline");
        if (telling[DIAL_NO_ANSWER] > telling[dial->ending.outcome])
                dial->ending.outcome = DIAL_NO_ANSWER;
        end_dial(d, dial);
}

void dialer_expire(struct dialer *d, nsec_t now) {
        LIST_FOREACH_SAFE (link, &d->dials) {
                struct dial *dial = LIST_ENTRY(link, struct dial, link);

                if (dial->over)
                        continue;
                expire_attempts(d, dial, now);
                if (!dial->over && dial->deadline <= now)
                        expire_dial(d, dial);
        }
}

nsec_t dialer_resting(const struct dialer *d, const struct endpoint *e) {
        return rests_until(d->rests, e);
}

void dialer_forget_rests(struct dialer *d) {
        rests_clear(d->rests);
}
