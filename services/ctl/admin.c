/* quorate status, pause and resume: one node's coordinator from outside. */

#include <string.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/peerid.h"
#include "proto/coordinator.pb-c.h"
#include "proto/transport.pb-c.h"
#include "services/ctl/caller.h"
#include "services/ctl/colour.h"
#include "services/ctl/discovery_status.h"
#include "services/ctl/json.h"
#include "services/ctl/node.h"
#include "services/ctl/own_key.h"
#include "services/ctl/people.h"
#include "services/ctl/services_file.h"

static const struct call_target admin = { "coordinator/admin", &coordinator__admin__descriptor, 0 };

/* ---- status ---- */

static void metrics_json(const char *name, Types__Metric *const *metrics, size_t n, bool *first) {
        bool none = true;

        json_key(stdout, name, first);
        fputc('{', stdout);
        for (size_t i = 0; i < n; i++) {
                json_key(stdout, metrics[i]->name, &none);
                printf("%.15g", metrics[i]->value);
        }
        fputc('}', stdout);
}

static void observed_json(const Transport__StatusReply *t, bool *first) {
        json_key(stdout, "observed", first);
        for (size_t i = 0; i < t->n_observed; i++) {
                const Transport__Observed *o = t->observed[i];
                bool first_member = true;

                fputs(i ? ",{" : "[{", stdout);
                json_member_string(stdout, "address", o->address, &first_member);
                json_member_u64(stdout, "networks", o->networks, &first_member);
                json_member_bool(stdout, "believed", o->believed, &first_member);
                fputc('}', stdout);
        }
        fputs(t->n_observed ? "]" : "[]", stdout);
}

/* Addresses of the configuration that name nobody: for whom they stand. */
static void met_json(const Transport__StatusReply *t, bool *first) {
        json_key(stdout, "first_met", first);
        for (size_t i = 0; i < t->n_met; i++) {
                const Transport__Met *m = t->met[i];
                bool first_member = true;

                fputs(i ? ",{" : "[{", stdout);
                json_member_string(stdout, "address", m->address, &first_member);
                people_json_peer("peer", m->peer, &first_member);
                json_member_bool(stdout, "refused", m->other, &first_member);
                fputc('}', stdout);
        }
        fputs(t->n_met ? "]" : "[]", stdout);
}

static void met_text(const Transport__StatusReply *t) {
        char id[PEER_ID_TEXT_SIZE];

        for (size_t i = 0; i < t->n_met; i++)
                printf("first met    %s is %s%s\n", t->met[i]->address,
                       people_peer(t->met[i]->peer, id),
                       t->met[i]->other
                               ? "; somebody else answers there now and is refused: if its "
                                 "key was changed, write PEERID@host:port"
                               : "");
}

static void services_text(const struct command_context *ctx, const struct services_file *f) {
        for (size_t i = 0; i < f->n_rows; i++)
                printf("%-12s %s%-8s%s %s\n", f->rows[i].name,
                       colour_begin(ctx, stdout, f->rows[i].state), f->rows[i].state,
                       colour_end(ctx, stdout, f->rows[i].state),
                       services_row_text(&f->rows[i], (char[400]){ 0 }));
}

static void services_json(const struct services_file *f, bool *first) {
        json_key(stdout, "services", first);
        fputc('[', stdout);
        for (size_t i = 0; i < f->n_rows; i++) {
                bool none = true;

                fputs(i ? ",{" : "{", stdout);
                json_member_string(stdout, "service", f->rows[i].name, &none);
                json_member_string(stdout, "state", f->rows[i].state, &none);
                json_member_u64(stdout, "uid", f->rows[i].uid, &none);
                json_member_string(stdout, "isolation", f->rows[i].isolation, &none);
                fputc('}', stdout);
        }
        fputc(']', stdout);
}

struct whole_status {
        const Coordinator__AdminStatus *coordinator;
        const Transport__StatusReply *transport; /* NULL: does not answer */
        struct services_file services;
        struct discovery_status discovery;
};

static void status_json(const struct whole_status *w) {
        const Coordinator__AdminStatus *s = w->coordinator;
        const Transport__StatusReply *t = w->transport;
        char id[PEER_ID_TEXT_SIZE] = "";
        struct peer_id peer;
        bool first = true;

        if (peer_id_parse(BYTES(s->peer.data, s->peer.len), &peer))
                peer_id_text(&peer, id);
        fputc('{', stdout);
        json_member_string(stdout, "peer", id, &first);
        json_member_bool(stdout, "paused", s->paused, &first);
        json_member_u64(stdout, "workers", s->workers, &first);
        json_member_u64(stdout, "slots", s->slots, &first);
        json_member_u64(stdout, "slots_busy", s->slots_busy, &first);
        json_member_u64(stdout, "jobs_own", s->jobs_own, &first);
        json_member_u64(stdout, "jobs_served", s->jobs_served, &first);
        json_member_u64(stdout, "candidates", s->candidates, &first);
        json_member_u64(stdout, "cache_bytes", s->cache_bytes, &first);
        json_member_u64(stdout, "cache_quota", s->cache_quota, &first);
        people_json_texts("engines", s->engines, s->n_engines, &first);
        people_json_texts("notes", s->notes, s->n_notes, &first);
        services_json(&w->services, &first);
        discovery_status_json(&w->discovery, t, &first);
        metrics_json("coordinator", s->metrics, s->n_metrics, &first);
        if (t) {
                json_member_u64(stdout, "connections", t->connections, &first);
                people_json_texts("listen", t->listen, t->n_listen, &first);
                observed_json(t, &first);
                met_json(t, &first);
                json_member_string(stdout, "network", t->network, &first);
                json_member_string(stdout, "mode", t->mode, &first);
                json_member_string(stdout, "mdns", t->mdns, &first);
                metrics_json("transport", t->metrics, t->n_metrics, &first);
        }
        fputs("}\n", stdout);
}

static void print_network(const Transport__StatusReply *t, bool dht_answers) {
        printf("connections  %u (%u inbound)\n", t->connections, t->inbound);
        printf("network      %s (%s)\n", t->network, t->mode);
        printf("mdns         %s%s\n", t->mdns,
               dht_answers ? "" : " (dht does, and does not answer now)");
}

static void status_text(const struct command_context *ctx, const struct whole_status *w) {
        const Coordinator__AdminStatus *s = w->coordinator;
        const Transport__StatusReply *t = w->transport;
        bool verbose = ctx->common.verbose;
        char id[PEER_ID_TEXT_SIZE] = "?";
        struct peer_id peer;

        if (peer_id_parse(BYTES(s->peer.data, s->peer.len), &peer))
                peer_id_text(&peer, id);
        printf("peer         %s%s%s%s\n", id, s->paused ? colour_begin(ctx, stdout, "paused") : "",
               s->paused ? "  (paused)" : "", s->paused ? colour_end(ctx, stdout, "paused") : "");
        own_key_text(w->discovery.gossip.message);
        for (size_t i = 0; t && i < t->n_listen; i++)
                printf("listens on   %s\n", t->listen[i]);
        for (size_t i = 0; t && i < t->n_observed; i++)
                printf("seen at      %s (by peers of %u network%s%s)\n", t->observed[i]->address,
                       t->observed[i]->networks, t->observed[i]->networks == 1 ? "" : "s",
                       t->observed[i]->believed ? "" : ", not believed yet");
        if (t) {
                met_text(t);
                print_network(t, w->discovery.dht.message != NULL);
        }
        printf("workers      %u, %u of %u slots busy\n", s->workers, s->slots_busy, s->slots);
        printf("jobs         %u own, %u for others\n", s->jobs_own, s->jobs_served);
        printf("candidates   %u\n", s->candidates);
        for (size_t i = 0; i < s->n_engines; i++)
                printf("engine       %s\n", s->engines[i]);
        printf("datasets     %.1f of %.1f MiB\n", (double) s->cache_bytes / (1 << 20),
               (double) s->cache_quota / (1 << 20));
        for (size_t i = 0; i < s->n_notes; i++)
                printf("note         %s\n", s->notes[i]);
        discovery_status_text(&w->discovery, t);
        services_text(ctx, &w->services);
        for (size_t i = 0; verbose && i < s->n_metrics; i++)
                printf("  %-40s %.15g\n", s->metrics[i]->name, s->metrics[i]->value);
        for (size_t i = 0; verbose && t && i < t->n_metrics; i++)
                printf("  %-40s %.15g\n", t->metrics[i]->name, t->metrics[i]->value);
}

static int run_status(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked coordinator = {};
        CLEANUP(unpacked_donep) struct unpacked transport = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        struct whole_status w = {};
        struct node node;
        char why[256];
        int code = ctl_call(ctx, &admin, "Status", &empty, &coordinator);

        if (code)
                return code;
        if (ctl_try(ctx, &discovery_links, "Status", &empty, &transport, why) && !ctx->common.json)
                printf("transport does not answer: %s\n", why);
        discovery_status_ask(ctx, &w.discovery);
        if (node_find(&ctx->common, &node) == NODE_OK) /* with systemd there is none */
                (void) services_file_read(node.runtime, &w.services);
        w.coordinator = coordinator.message;
        w.transport = transport.message;
        if (ctx->common.json)
                status_json(&w);
        else
                status_text(ctx, &w);
        discovery_status_done(&w.discovery);
        return EXIT_OK;
}

const struct command command_status = {
        .name = "status",
        .no_operands = true,
        .usage = "status",
        .summary = "Show what this node is and does; -v with all counters",
        .run = run_status,
};

/* ---- pause, resume ---- */

struct pause_options {
        nsec_t drain;
};
static const struct option pause_table[] = {
        { OPTION_DURATION, 0, "drain", offsetof(struct pause_options, drain), "TIME",
          "running jobs of others may finish within it [60s]" },
        {},
};
static const struct pause_options pause_defaults = { .drain = 60 * NSEC_PER_SEC };

static int say(const struct command_context *ctx, int code, const char *text) {
        if (code == EXIT_OK)
                puts(ctx->common.json ? "{\"ok\":true}" : text);
        return code;
}

static int run_pause(const struct command_context *ctx) {
        const struct pause_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Coordinator__PauseRequest request = COORDINATOR__PAUSE_REQUEST__INIT;

        request.drain_ms = o->drain / NSEC_PER_MSEC;
        return say(ctx, ctl_call(ctx, &admin, "Pause", &request, &u),
                   "paused: no new jobs of others; `quorate resume` takes them again");
}

static int run_resume(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Types__Empty empty = TYPES__EMPTY__INIT;

        return say(ctx, ctl_call(ctx, &admin, "Resume", &empty, &u), "takes jobs of others again");
}

const struct command command_pause = {
        .name = "pause",
        .no_operands = true,
        .usage = "pause [--drain TIME]",
        .summary = "Take no more jobs of others",
        .example = "quorate pause --drain 2min",
        .options = pause_table,
        .options_size = sizeof(struct pause_options),
        .defaults = &pause_defaults,
        .run = run_pause,
};
const struct command command_resume = {
        .name = "resume",
        .no_operands = true,
        .usage = "resume",
        .summary = "Take jobs of others again",
        .run = run_resume,
};
