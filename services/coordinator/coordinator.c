#include "services/coordinator/coordinator.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/denied.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/hosts.h"
#include "services/coordinator/requester.h"
#include "services/coordinator/role.h"

/* The order of enum role_index. */
static const struct role *const roles[_ROLE_N] = { &requester_role, &host_role };

struct coordinator {
        struct core core;
        struct governor governor;
        void *role[_ROLE_N];
};

#define EACH_ROLE(c, member, ...)                                      \
        do {                                                           \
                for (int i_ = 0; i_ < _ROLE_N; i_++)                   \
                        roles[i_]->member((c)->role[i_], __VA_ARGS__); \
        } while (0)

/* To the owner of an id. */
#define TO_OWNER(c, id, member, ...) \
        roles[core_owner(id)]->member((c)->role[core_owner(id)], (id), __VA_ARGS__)

struct coordinator *coordinator_new(const struct coordinator_settings *settings,
                                    const struct peer_id *self, uint64_t seed) {
        struct coordinator *c = xnew(struct coordinator);

        c->core.settings = *settings;
        c->core.self = *self;
        c->core.verify = sign_verify;
        c->core.actions = actions_new();
        c->core.governor = &c->governor;
        rng_init(&c->core.rng, seed);
        governor_init(&c->governor, settings->host.served_slots, settings->host.overcommit);
        c->core.denied =
                denied_new(rng_u64(&c->core.rng), settings->host.denied, settings->host.n_denied);
        /* Ids differ between runs of one node, so that an old answer meets nobody. The
         * host's share the odd numbers with inbound streams, which count from 1. */
        c->core.next_id[ROLE_REQUESTER] = (rng_u64(&c->core.rng) >> 32 << 1) + 2;
        c->core.next_id[ROLE_HOST] = (UINT64_C(1) << 62) + 1;
        for (int i = 0; i < _ROLE_N; i++)
                c->role[i] = roles[i]->new (&c->core, rng_u64(&c->core.rng));
        return c;
}

static void engines_clear(struct core *core) {
        for (size_t i = 0; i < core->n_engines; i++)
                free(core->engines[i]);
        free(core->engines);
        core->engines = NULL;
        core->n_engines = 0;
}

struct coordinator *coordinator_free(struct coordinator *c) {
        if (!c)
                return NULL;
        for (int i = _ROLE_N - 1; i >= 0; i--)
                roles[i]->free(c->role[i]);
        actions_free(c->core.actions);
        denied_free(c->core.denied);
        engines_clear(&c->core);
        free(c);
        return NULL;
}

void coordinator_clock(struct coordinator *c, nsec_t now, int64_t wall_us) {
        c->core.wall_offset_us = wall_us - (int64_t) (now / NSEC_PER_USEC);
}

void coordinator_verifier(struct coordinator *c, core_verify_fn fn) {
        c->core.verify = fn;
}

int coordinator_restore(struct coordinator *c, enum journal_kind kind, struct bytes record,
                        nsec_t now) {
        enum role_index role = core_owner(kind);

        return roles[role]->restore(c->role[role], kind, record, now);
}

void coordinator_start(struct coordinator *c, nsec_t now) {
        EACH_ROLE(c, start, now);
}

bool coordinator_output(struct coordinator *c, struct action *ret) {
        return actions_take(c->core.actions, ret);
}

nsec_t coordinator_deadline(const struct coordinator *c) {
        nsec_t next = NSEC_NEVER;

        for (int i = 0; i < _ROLE_N; i++)
                next = nsec_min(next, roles[i]->deadline(c->role[i]));
        return next;
}

void coordinator_expire(struct coordinator *c, nsec_t now) {
        EACH_ROLE(c, expire, now);
}

void coordinator_submit(struct coordinator *c, uint64_t call,
                        const Coordinator__SubmitRequest *request, const struct entropy *entropy,
                        nsec_t now) {
        requester_submit(c->role[ROLE_REQUESTER], call, request, entropy, now);
}

void coordinator_explain(struct coordinator *c, uint64_t call,
                         const Coordinator__SubmitRequest *request, nsec_t now) {
        requester_submit(c->role[ROLE_REQUESTER], call, request, NULL, now);
}

bool coordinator_cancel(struct coordinator *c, struct bytes job, nsec_t now) {
        return requester_cancel(c->role[ROLE_REQUESTER], job, now);
}

bool coordinator_attach(struct coordinator *c, uint64_t client, struct bytes job,
                        uint64_t from_batch, nsec_t now) {
        return requester_attach(c->role[ROLE_REQUESTER], client, job, from_batch, now);
}

void coordinator_client_credit(struct coordinator *c, uint64_t client, uint32_t units, nsec_t now) {
        requester_client_credit(c->role[ROLE_REQUESTER], client, units, now);
}

void coordinator_client_closed(struct coordinator *c, uint64_t client, nsec_t now) {
        requester_client_closed(c->role[ROLE_REQUESTER], client, now);
}

void coordinator_stream_opened(struct coordinator *c, uint64_t stream,
                               const struct stream_remote *remote, uint32_t window, nsec_t now) {
        check(core_owner(stream) == ROLE_REQUESTER);
        TO_OWNER(c, stream, opened, remote, window, now);
}

void coordinator_stream_inbound(struct coordinator *c, uint64_t stream,
                                const struct stream_remote *remote, uint32_t window, nsec_t now) {
        check(core_owner(stream) == ROLE_HOST);
        TO_OWNER(c, stream, opened, remote, window, now);
}

void coordinator_stream_data(struct coordinator *c, uint64_t stream, struct bytes data,
                             nsec_t now) {
        TO_OWNER(c, stream, data, data, now);
}

void coordinator_stream_window(struct coordinator *c, uint64_t stream, uint32_t units, nsec_t now) {
        TO_OWNER(c, stream, window, units, now);
}

void coordinator_stream_finished(struct coordinator *c, uint64_t stream, nsec_t now) {
        TO_OWNER(c, stream, finished, now);
}

void coordinator_stream_closed(struct coordinator *c, uint64_t stream, uint32_t code, nsec_t now) {
        TO_OWNER(c, stream, closed, code, now);
}

void coordinator_signed(struct coordinator *c, uint64_t request, struct bytes statement,
                        struct bytes signature, nsec_t now) {
        TO_OWNER(c, request, answered, statement, signature, now);
}

void coordinator_sign_failed(struct coordinator *c, uint64_t request, nsec_t now) {
        TO_OWNER(c, request, answered, BYTES_NONE, BYTES_NONE, now);
}

void coordinator_report(struct coordinator *c, uint64_t run, struct bytes report, nsec_t now) {
        TO_OWNER(c, run, report, report, now);
}

void coordinator_run_lost(struct coordinator *c, uint64_t run, nsec_t now) {
        TO_OWNER(c, run, run_lost, now);
}

void coordinator_input_ready(struct coordinator *c, uint64_t fetch, const struct input_facts *facts,
                             nsec_t now) {
        TO_OWNER(c, fetch, input, facts, NULL, now);
}

void coordinator_input_failed(struct coordinator *c, uint64_t fetch,
                              const struct input_failure *failure, nsec_t now) {
        TO_OWNER(c, fetch, input, NULL, failure, now);
}

void input_failure_detail(const struct input_failure *f, const struct hash_value *root, char *ret,
                          size_t size) {
        char hex[2 * HASH_SIZE + 1], asked[32] = "", searched[32] = "";

        hex_encode(hash_bytes(root), hex);
        if (f->asked > 0)
                (void) snprintf(asked, sizeof(asked), " asked=%u", f->asked);
        if (f->searched)
                (void) snprintf(searched, sizeof(searched), " searched=%u", f->n_searched);
        (void) snprintf(ret, size, "root=%s%s%s%s%s", hex, asked, searched, *f->who ? " who=" : "",
                        f->who);
}

void coordinator_journalled(struct coordinator *c, uint64_t id, nsec_t now) {
        TO_OWNER(c, id, journalled, true, now);
}

void coordinator_journal_failed(struct coordinator *c, uint64_t id, nsec_t now) {
        TO_OWNER(c, id, journalled, false, now);
}

void coordinator_recalled(struct coordinator *c, uint64_t id, struct bytes record, nsec_t now) {
        host_recalled(c->role[ROLE_HOST], id, record, now);
}

void coordinator_spool_data(struct coordinator *c, uint64_t spool, struct bytes data, nsec_t now) {
        requester_spool(c->role[ROLE_REQUESTER], spool, data, now);
}

void coordinator_spool_failed(struct coordinator *c, uint64_t spool, nsec_t now) {
        requester_spool(c->role[ROLE_REQUESTER], spool, BYTES_NONE, now);
}

void coordinator_cached(struct coordinator *c, uint64_t id, struct bytes file, nsec_t now) {
        requester_cached(c->role[ROLE_REQUESTER], id, file, now);
}

void coordinator_candidates(struct coordinator *c, const struct candidate *list, size_t n,
                            nsec_t now) {
        requester_candidates(c->role[ROLE_REQUESTER], list, n, now);
}

void coordinator_discovery(struct coordinator *c, bool is_there) {
        requester_discovery(c->role[ROLE_REQUESTER], is_there);
}

void coordinator_found(struct coordinator *c, uint64_t id, const struct found *found, nsec_t now) {
        requester_found(c->role[ROLE_REQUESTER], id, found, now);
}

size_t coordinator_history(const struct coordinator *c, struct peer_id *ret, size_t max) {
        return requester_history(c->role[ROLE_REQUESTER], ret, max);
}

static void deny(struct coordinator *c, const struct peer_id *peer) {
        struct event e = { .level = EVENT_WARNING, .name = "deny_list_full", .peer = *peer };

        if (!denied_set(c->core.denied, peer, true))
                actions_event(c->core.actions, &e);
}

void coordinator_deny(struct coordinator *c, const struct peer_id *peer, bool is_denied,
                      nsec_t now) {
        if (!is_denied) {
                (void) denied_set(c->core.denied, peer, false);
                return;
        }
        deny(c, peer);
        EACH_ROLE(c, denied, now);
}

void coordinator_deny_list(struct coordinator *c, const struct peer_id *list, size_t n,
                           nsec_t now) {
        denied_clear(c->core.denied);
        for (size_t i = 0; i < n; i++)
                deny(c, &list[i]);
        EACH_ROLE(c, denied, now);
}

bool coordinator_is_denied(const struct coordinator *c, const struct peer_id *peer) {
        return denied_has(c->core.denied, peer);
}

double coordinator_trust(const struct coordinator *c, const struct peer_id *peer, nsec_t now,
                         bool *ret_known) {
        return requester_trust(c->role[ROLE_REQUESTER], peer, now, ret_known);
}

void coordinator_offered(const struct coordinator *c, struct offered *ret) {
        const struct host_settings *s = &c->core.settings.host;
        const struct governor *g = &c->governor;

        *ret = (struct offered){ .is_paused = g->is_paused || !s->enabled,
                                 .price = s->price,
                                 .data_class = s->data_class,
                                 .groups = s->groups,
                                 .n_groups = s->n_groups };
        if (ret->is_paused)
                return;
        ret->slots = governor_served_slots(g);
        ret->free_slots = governor_free_slots(g);
        ret->memory = g->share * ret->slots;
}

void coordinator_capacity(struct coordinator *c, const struct governor_worker *workers, size_t n,
                          const char *const *engines, size_t n_engines, nsec_t now) {
        engines_clear(&c->core);
        c->core.engines = xnew_n(char *, n_engines + 1);
        for (size_t i = 0; i < n_engines; i++)
                c->core.engines[i] = xstrdup(engines[i]);
        c->core.n_engines = n_engines;
        governor_capacity(&c->governor, workers, n);
        EACH_ROLE(c, capacity, now);
}

void coordinator_transport(struct coordinator *c, bool is_there, nsec_t now) {
        c->core.is_cut_off = !is_there;
        c->core.was_cut_off = now;
}

void coordinator_pause(struct coordinator *c, nsec_t drain, nsec_t now) {
        governor_pause(&c->governor, now, drain);
        EACH_ROLE(c, capacity, now);
}

void coordinator_resume(struct coordinator *c, nsec_t now) {
        governor_resume(&c->governor);
        EACH_ROLE(c, capacity, now);
}

size_t coordinator_jobs(const struct coordinator *c, struct buffer *ret, size_t max) {
        return requester_jobs(c->role[ROLE_REQUESTER], ret, max);
}

int coordinator_slot_take(struct coordinator *c, uint64_t *memory) {
        if (*memory > c->governor.share)
                *memory = c->governor.share;
        return governor_take(&c->governor, GOVERNOR_OWN, *memory);
}

void coordinator_slot_give(struct coordinator *c, uint64_t memory) {
        governor_give(&c->governor, GOVERNOR_OWN, memory);
}

void coordinator_busy(const struct coordinator *c, uint32_t *ret_own, uint32_t *ret_served) {
        *ret_own = c->governor.busy[GOVERNOR_OWN];
        *ret_served = c->governor.busy[GOVERNOR_SERVED];
}

size_t coordinator_records(const struct coordinator *c) {
        return host_records_count(c->role[ROLE_HOST]);
}

const struct host_counters *coordinator_host(const struct coordinator *c) {
        return host_counters(c->role[ROLE_HOST]);
}

const struct verdicts_counters *coordinator_owed(const struct coordinator *c) {
        return requester_owed(c->role[ROLE_REQUESTER]);
}

const struct answers_counters *coordinator_answers(const struct coordinator *c) {
        return requester_answers(c->role[ROLE_REQUESTER]);
}

void coordinator_rows(struct coordinator *c, const struct hash_value *root, uint64_t rows) {
        requester_rows(c->role[ROLE_REQUESTER], root, rows);
}

const struct estimates_counters *coordinator_estimates(const struct coordinator *c) {
        return requester_estimates(c->role[ROLE_REQUESTER]);
}
