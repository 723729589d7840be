/* Progress and end of a job, as plain C for the caller. */

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/client/result.h"
#include "common/wire/peerid.h"

static const char *peer_text(ProtobufCBinaryData peer, char ret[64]) {
        struct peer_id id;

        if (!peer_id_parse(BYTES(peer.data, peer.len), &id))
                return strcpy(ret, "?");
        return peer_id_text(&id, ret);
}

static void new_peers(struct quorate_result *r, size_t n) {
        free(r->peers);
        r->peers = xcalloc(n, sizeof(*r->peers));
}

void result_take_progress(struct quorate_result *r, struct result_frame *f) {
        const Coordinator__JobProgress *p =
                ((const Coordinator__ResultFrame *) f->message.message)->progress;

        result_frame_free(r->progress_frame);
        r->progress_frame = f;
        free(r->progress_hosts);
        r->progress_hosts = xnew_n(struct quorate_host_progress, p->n_hosts);
        new_peers(r, p->n_hosts);
        for (size_t i = 0; i < p->n_hosts; i++)
                r->progress_hosts[i] = (struct quorate_host_progress){
                        .peer = peer_text(p->hosts[i]->peer, r->peers[i]),
                        .stage = p->hosts[i]->stage,
                        .rows = p->hosts[i]->rows,
                        .bytes = p->hosts[i]->bytes,
                        .cpu_us = p->hosts[i]->cpu_us,
                };
        r->progress = (struct quorate_progress){ .stage = p->stage,
                                                 .note = p->note,
                                                 .rows = p->rows,
                                                 .bytes = p->bytes,
                                                 .elapsed_us = p->elapsed_us,
                                                 .hosts = r->progress_hosts,
                                                 .n_hosts = p->n_hosts };
}

static bool copy_answer(ProtobufCBinaryData from, uint8_t ret[32]) {
        if (from.len != HASH_SIZE)
                return false;
        memcpy(ret, from.data, HASH_SIZE);
        return true;
}

static void take_hosts(struct quorate_result *r, const Coordinator__ResultEnd *e) {
        r->end_hosts = xnew_n(struct quorate_host, e->n_hosts);
        r->problems = xcalloc(e->n_hosts, sizeof(*r->problems));
        new_peers(r, e->n_hosts);
        for (size_t i = 0; i < e->n_hosts; i++) {
                const Coordinator__HostReport *from = e->hosts[i];
                struct quorate_host *to = &r->end_hosts[i];

                *to = (struct quorate_host){
                        .peer = peer_text(from->peer, r->peers[i]),
                        .verdict = from->verdict,
                        .engine = from->engine,
                        .address = from->address,
                        .voter = from->voter,
                        .origin = from->origin,
                        .problem = from->problem
                                           ? client_problem_text(from->problem, r->problems[i],
                                                                 sizeof(r->problems[i]))
                                           : "",
                        .counted = from->counted,
                        .elapsed_us = from->elapsed_us,
                };
                to->has_answer = copy_answer(from->answer, to->answer);
        }
}

static void take_problem(struct quorate_result *r, const Types__Problem *p) {
        const char *name = outcome_name(p->code);

        r->end.error = name ? name : "INTERNAL";
        r->end.message = client_problem_text(p, r->message, sizeof(r->message));
        r->end.position = p->position;
        r->end.exit_code = outcome_exit_code(p->code);
}

struct quorate_cost client_estimate(const Coordinator__Estimate *e) {
        if (!e)
                return (struct quorate_cost){ .source = "" };
        return (struct quorate_cost){ .rows = e->rows,
                                      .bytes = e->bytes,
                                      .cpu_us = e->cpu_us,
                                      .memory = e->memory,
                                      .source = e->source,
                                      .runs = e->runs };
}

static struct quorate_cost took(const Types__Metering *m) {
        if (!m)
                return (struct quorate_cost){ .source = "" };
        return (struct quorate_cost){ .rows = m->rows,
                                      .bytes = m->bytes,
                                      .cpu_us = m->cpu_us,
                                      .memory = m->peak_memory,
                                      .source = "ran" };
}

static unsigned state_of(const char *name) {
        for (unsigned s = 1; s < _STATE_MAX; s++)
                if (result_state_name(s) && strcmp(result_state_name(s), name) == 0)
                        return s;
        return 0;
}

void result_take_end(struct quorate_result *r, struct result_frame *f) {
        const Coordinator__ResultEnd *e =
                ((const Coordinator__ResultFrame *) f->message.message)->end;
        unsigned state = state_of(e->state);

        r->ended = true;
        r->end_frame = f;
        take_hosts(r, e);
        r->end = (struct quorate_end){
                .state = e->state,
                .error = "",
                .message = "",
                .position = -1,
                .route = e->route,
                .reason = e->reason,
                .class_name = e->class_name,
                .receipt = e->receipt,
                .confidence = e->confidence,
                .executed_locally = e->executed_locally,
                .agreement = e->agreement,
                .quorum = e->quorum,
                .replicas = e->replicas,
                .rows = e->rows,
                .bytes = e->bytes,
                .elapsed_us = e->elapsed_us,
                .first_row_us = e->first_row_us,
                .hosts = r->end_hosts,
                .n_hosts = e->n_hosts,
                .engines = e->engines,
                .n_engines = e->n_engines,
                .unusable = e->unusable,
                .diverse = e->diverse,
                .cached_age_us = e->cached_age_us,
                .fell_over = e->fell_over,
                .error_state = e->error_state,
                .exit_code = state ? result_state_exit_code(state) : 5,
        };
        r->end.estimate = client_estimate(e->estimate);
        r->end.actual = took(e->actual);
        if (*e->fell_over) /* the job we were attached to went on as another one */
                (void) copy_answer(e->job, r->job);
        r->end.has_answer = copy_answer(e->answer, r->end.answer);
        (void) copy_answer(e->cached_job, r->end.cached_job);
        if (e->problem && e->problem->code)
                take_problem(r, e->problem);
}
