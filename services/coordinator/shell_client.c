#include "services/coordinator/shell_actions.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "common/daemon/log.h"
#include "common/wire/unpack.h"
#include "services/coordinator/shell_outbox.h"

#define RESULTS_PER_LINK 64

/* Why a result channel was ended by us; common/client/result.c knows them. */
#define RESULT_NO_JOB 1
#define RESULT_ENDED  2

struct ended {
        char state[64];
};

/* One result channel of a client. */
struct client {
        struct shell *shell;
        uint64_t id;
        struct channel *channel;
        struct outbox out;
};

static void client_free(struct client *x) {
        map_remove_u64(x->shell->clients, x->id);
        outbox_done(&x->out);
        free(x);
}

static void flush(struct client *x) {
        size_t n = outbox_flush(&x->out, x->channel);

        if (n > 0) {
                coordinator_client_credit(x->shell->core, x->id, (uint32_t) n, shell_now(x->shell));
                shell_turn(x->shell);
        }
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        channel_consumed(c, 1); /* a client says nothing on it */
}

static void on_writable(struct channel *c, void *userdata) {
        flush(userdata);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct client *x = userdata;
        struct shell *s = x->shell;
        uint64_t id = x->id;

        if (code)
                log_notice("a client lost its result channel: %u %s", code, text);
        client_free(x);
        coordinator_client_closed(s->core, id, shell_now(s));
        shell_turn(s);
}

static const struct channel_handler client_handler = { .on_data = on_data,
                                                       .on_writable = on_writable,
                                                       .on_end = on_end };

/* What became of a job that nobody can be attached to any more. */
static int note_ended(void *userdata, enum journal_kind kind, struct bytes data) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct ended *e = userdata;

        if (!wire_unpack(&coordinator__job_summary__descriptor, data, NULL, &u))
                (void) snprintf(e->state, sizeof(e->state), "%s",
                                ((const Coordinator__JobSummary *) u.message)->state);
        return 0;
}

static void say_no_job(struct shell *s, struct channel *c, struct bytes job) {
        CLEANUP(freep) char *path = NULL;
        char hex[2 * HASH_SIZE + 1], text[512];
        struct ended e = {};
        struct hash_value id;

        if (job.len == HASH_SIZE) {
                memcpy(id.bytes, job.data, HASH_SIZE);
                (void) journal_file_find(s->journal, JOURNAL_ENDED, &id, note_ended, &e);
        }
        if (!*e.state) {
                channel_reset(c, RESULT_NO_JOB,
                              "no such job: it ended long ago, or was never here; see `quorate "
                              "job list`");
                return;
        }
        hex_encode(job, hex);
        path = xasprintf("%s/%s.receipt", s->receipts_path, hex);
        if (access(path, F_OK) == 0)
                (void) snprintf(text, sizeof(text),
                                "this job has ended: %s; see `quorate receipt show %s`", e.state,
                                path);
        else
                (void) snprintf(text, sizeof(text),
                                "this job has ended: %s; it has no receipt; run the query again",
                                e.state);
        channel_reset(c, RESULT_ENDED, text);
}

static void open_result(struct shell *s, struct channel *c, struct bytes metadata) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Coordinator__ResultOpen *in;
        struct client *x;

        if (wire_unpack(&coordinator__result_open__descriptor, metadata, NULL, &u)) {
                channel_reset(c, RPC_E_MALFORMED, "not a ResultOpen");
                return;
        }
        in = u.message;
        x = xnew(struct client);
        x->shell = s;
        x->id = ++s->next_number;
        x->channel = c;
        map_set_u64(s->clients, x->id, x);
        if (channel_accept(c, BYTES_NONE, &client_handler, x) != CHANNEL_OK) {
                client_free(x);
                return;
        }
        s->counters.clients++;
        if (coordinator_attach(s->core, x->id, BYTES(in->job.data, in->job.len), in->from_batch,
                               shell_now(s))) {
                coordinator_client_credit(s->core, x->id, OUTBOX_WINDOW, shell_now(s));
        } else {
                say_no_job(s, c, BYTES(in->job.data, in->job.len));
                client_free(x);
        }
        shell_turn(s);
}

static void on_open(struct channel *c, void *userdata, const char *name, struct bytes metadata) {
        static const struct {
                const char *name;
                void (*open)(struct shell *s, struct channel *c, struct bytes metadata);
        } rows[] = { { "result", open_result }, { "upload", shell_upload_open } };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (strcmp(rows[i].name, name) == 0) {
                        rows[i].open(userdata, c, metadata);
                        return;
                }
        channel_reset(c, RPC_E_UNKNOWN_METHOD, "neither result nor upload");
}

/* ---- Actions ---- */

static void refuse(struct call *call, unsigned why, const char *detail) {
        char text[512];

        call_fail(call, (int) why, "%s",
                  outcome_detail_text(why, BYTES_STR(detail ? detail : ""), text, sizeof(text)));
}

void shell_do_reply(struct shell *s, struct action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(freep) struct pending_call *p = map_remove_u64(s->calls, a->id);

        if (!p)
                return;
        if (!a->data)
                refuse(p->call, (unsigned) a->n, a->event.text);
        else if (wire_unpack(p->output, refbuf_bytes(a->data), NULL, &u))
                call_fail(p->call, RPC_E_INTERNAL, "the answer is malformed: please report this");
        else
                call_reply(p->call, u.message);
}

void shell_do_client(struct shell *s, struct action *a) {
        struct client *x = map_get_u64(s->clients, a->id);

        if (!x)
                return;
        check(outbox_put(&x->out, TAKE(a->data)));
        flush(x);
}

void shell_do_client_finish(struct shell *s, struct action *a) {
        struct client *x = map_get_u64(s->clients, a->id);

        if (!x)
                return;
        x->out.finish_wanted = true;
        flush(x);
}

/* ---- Life ---- */

static void on_gone(void *userdata, struct link *link) {
        shell_uploads_gone(userdata, link);
}

int shell_client_start(struct shell *s) {
        int r;

        s->query_acceptor = (struct channel_acceptor){ .on_open = on_open,
                                                       .userdata = s,
                                                       .max_streams = RESULTS_PER_LINK };
        s->query_rpc = rpc_server_new(s->loop, &s->services[0].base, RPC_EFFECTS);
        s->admin_rpc = rpc_server_new(s->loop, &s->services[1].base, RPC_EFFECTS);
        rpc_server_watch(s->query_rpc, NULL, on_gone, s);
        r = bus_serve(s->ctx, "coordinator/query", s->query_rpc, &s->query_acceptor, &s->query_bus);
        if (!r)
                r = bus_serve(s->ctx, "coordinator/admin", s->admin_rpc, NULL, &s->admin_bus);
        return r ? log_fault(r, "cannot serve coordinator/query: was its socket passed down?") : 0;
}

/* A call must be ended before its server goes. */
static void end_calls(struct shell *s) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        while (s->calls && map_next(s->calls, &cursor, &key, &value)) {
                map_remove(s->calls, key);
                call_fail(((struct pending_call *) value)->call, RPC_E_GONE,
                          "coordinator is stopping");
                free(value);
        }
}

void shell_client_stop(struct shell *s) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        while (s->clients && map_next(s->clients, &cursor, &key, &value)) {
                struct client *x = value;

                channel_reset(x->channel, RPC_E_GONE, "coordinator is stopping");
                client_free(x);
        }
        shell_uploads_stop(s);
        end_calls(s);
        s->query_bus = bus_server_free(s->query_bus);
        s->admin_bus = bus_server_free(s->admin_bus);
        s->query_rpc = rpc_server_free(s->query_rpc);
        s->admin_rpc = rpc_server_free(s->admin_rpc);
}
