/* The calling side of rpc.h. Completions are queued and run from the loop, so that
 * no callback ever runs inside rpc_send(), and any callback may free the client. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/heap.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc_body.h"
#include "proto/bus.pb-c.h"

struct event {
        struct list in_client;
        const char *name;
        const ProtobufCMessageDescriptor *type;
        rpc_event_fn fn;
        void *userdata;
};

/* One count for the process: a server knows a caller by its instance, so two
 * connections of one process must not use an id twice. */
static uint64_t last_id;

struct rpc_client {
        struct link_user user;
        struct loop *loop;
        const ProtobufCServiceDescriptor *service;
        struct list pending, finished, events;
        struct map *by_id;
        size_t n_bytes; /* bodies of those in by_id */
        uint64_t n_unwanted_events;
        struct heap deadlines;
        nsec_t armed;
        struct loop_source *timer, *defer;
        void (*up)(void *userdata);
        void (*down)(void *userdata);
        void *watcher;
};

struct pending {
        struct list in_client;       /* pending or finished */
        uint64_t id, trace, sent_to; /* sent_to: instance, 0 while it waits */
        const ProtobufCMethodDescriptor *method;
        struct refbuf *body;
        nsec_t deadline;
        struct heap_entry due;
        int *fds;
        size_t n_fds;
        bool again;
        uint32_t code; /* of a finished one */
        rpc_done_fn fn;
        void *userdata;
};

static void pending_free(struct pending *p) {
        for (size_t i = 0; i < p->n_fds; i++)
                fd_close(p->fds[i]);
        free(p->fds);
        refbuf_unref(p->body);
        free(p);
}

/* Out of every index but a list. */
static void unlink_pending(struct rpc_client *c, struct pending *p) {
        (void) map_remove_u64(c->by_id, p->id);
        c->n_bytes -= p->body->len;
        heap_remove(&c->deadlines, &p->due);
        list_remove(&p->in_client);
}

static void finish_later(struct rpc_client *c, struct pending *p, uint32_t code) {
        unlink_pending(c, p);
        p->code = code;
        list_push_back(&c->finished, &p->in_client);
        check(loop_defer(c->defer) == 0);
}

static void report(struct pending *p, const struct rpc_result *result) {
        rpc_done_fn fn = p->fn;
        void *userdata = p->userdata;

        pending_free(p);
        if (fn)
                fn(userdata, result);
}

static void report_code(struct pending *p, uint32_t code) {
        char text[32];
        struct rpc_result result = { .code = code, .text = rpc_status_text(code, text) };

        report(p, &result);
}

/* One per turn of the source: the callback may free the client. */
static int on_defer(void *userdata) {
        struct rpc_client *c = userdata;
        struct list *it = list_pop_front(&c->finished);
        struct pending *p;
        int r = 0;

        if (!it)
                return 0;
        if (!list_is_empty(&c->finished))
                r = loop_defer(c->defer);
        p = LIST_ENTRY(it, struct pending, in_client);
        report_code(p, p->code);
        return r;
}

static int on_timer(void *userdata) {
        struct rpc_client *c = userdata;
        struct heap_entry *e;

        while ((e = heap_pop_due(&c->deadlines, loop_now(c->loop))))
                finish_later(c, container_of(e, struct pending, due), RPC_E_TIMEOUT);
        c->armed = heap_when(&c->deadlines);
        return loop_timer_set(c->timer, c->armed);
}

/* The timer is left as it is when a call ends in time: it finds nothing due, once. */
static void arm_timer(struct rpc_client *c, nsec_t deadline) {
        if (deadline >= c->armed)
                return;
        c->armed = deadline;
        check(loop_timer_set(c->timer, deadline) == 0);
}

/* ---- sending ---- */

static void transmit(struct rpc_client *c, struct pending *p) {
        static const uint32_t codes[] = { RPC_OK, RPC_E_BUSY, RPC_E_GONE, RPC_E_QUOTA };
        Bus__Header header = BUS__HEADER__INIT;
        struct frame f = { .header = &header,
                           .body = refbuf_bytes(p->body),
                           .refbuf = p->body,
                           .fds = p->fds,
                           .n_fds = p->n_fds };
        int r;

        header.kind = BUS__KIND__CALL;
        header.id = p->id;
        header.name = (char *) p->method->name;
        header.deadline = p->deadline == NSEC_NEVER ? 0 : p->deadline;
        header.trace = p->trace;
        p->sent_to = c->user.link->peer.instance;
        r = link_send(c->user.link, &f, /* data= */ false);
        if (r < 0) /* one of ours: who is told that the peer is gone would ask again for ever */
                log_error("%s cannot be sent: %s", p->method->name, strerror(-r));
        if (r)
                finish_later(c, p, r < 0 ? RPC_E_INTERNAL : codes[r]);
}

static void send_hint(struct rpc_client *c, Bus__Kind kind, uint64_t id) {
        Bus__Header header = BUS__HEADER__INIT;
        struct frame f = { .header = &header };

        header.kind = kind;
        header.id = id;
        /* Lost with the link, it has no meaning any more. */
        (void) link_send(c->user.link, &f, /* data= */ false);
}

/* Unique among the processes of a node for as long as anybody compares. */
static uint64_t new_trace(uint64_t id) {
        return (link_instance() ^ id * UINT64_C(0x9e3779b97f4a7c15)) | 1;
}

static void take_fds(struct pending *p, const struct rpc_request *request) {
        check(request->n_fds <= LINK_FDS_MAX);
        p->fds = request->n_fds ? xnew_n(int, request->n_fds) : NULL;
        for (; p->n_fds < request->n_fds; p->n_fds++) {
                p->fds[p->n_fds] = fcntl(request->fds[p->n_fds], F_DUPFD_CLOEXEC, 3);
                if (p->fds[p->n_fds] < 0)
                        break;
        }
}

static struct pending *pending_new(struct rpc_client *c, const struct rpc_request *request) {
        struct pending *p = xnew(struct pending);

        p->method = protobuf_c_service_descriptor_get_method_by_name(c->service, request->method);
        check(p->method);
        check(((const ProtobufCMessage *) request->message)->descriptor == p->method->input);
        p->id = request->id ? request->id : ++last_id;
        check(p->id <= last_id && !map_get_u64(c->by_id, p->id));
        p->trace = request->trace ? request->trace : new_trace(p->id);
        p->body = rpc_pack(request->message);
        p->deadline = request->deadline ? request->deadline : NSEC_NEVER;
        p->again = request->again;
        p->fn = request->fn;
        p->userdata = request->userdata;
        take_fds(p, request);
        list_push_back(&c->pending, &p->in_client);
        (void) map_set_u64(c->by_id, p->id, p);
        c->n_bytes += p->body->len;
        return p;
}

uint64_t rpc_send(struct rpc_client *c, const struct rpc_request *request) {
        bool is_full = map_count(c->by_id) >= RPC_OUTSTANDING_MAX;
        struct pending *p = pending_new(c, request);
        uint64_t id = p->id;

        if (is_full || c->n_bytes > RPC_BYTES_MAX || p->n_fds < request->n_fds) {
                finish_later(c, p, RPC_E_BUSY);
                return id;
        }
        if (p->deadline != NSEC_NEVER) {
                heap_set(&c->deadlines, &p->due, p->deadline);
                arm_timer(c, p->deadline);
        }
        if (c->user.link->is_up)
                transmit(c, p);
        return id;
}

uint64_t rpc_call(struct rpc_client *c, const char *method, const void *message, nsec_t timeout,
                  rpc_done_fn fn, void *userdata) {
        struct rpc_request request = { .method = method,
                                       .message = message,
                                       .deadline = nsec_add(loop_now(c->loop), timeout),
                                       .fn = fn,
                                       .userdata = userdata };

        return rpc_send(c, &request);
}

void rpc_cancel(struct rpc_client *c, uint64_t id) {
        struct pending *p = map_get_u64(c->by_id, id);

        if (!p)
                return;
        if (p->sent_to)
                send_hint(c, BUS__KIND__CANCEL, id);
        finish_later(c, p, RPC_E_CANCELLED);
}

size_t rpc_client_outstanding(const struct rpc_client *c) {
        return map_count(c->by_id);
}

/* ---- receiving ---- */

static int on_reply(struct rpc_client *c, struct frame *f) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct pending *p = map_get_u64(c->by_id, f->header->id);
        struct rpc_result result = { .text = "", .fds = f->fds, .n_fds = f->n_fds };
        char text[32];
        int r;

        if (!p) /* timed out or cancelled meanwhile */
                return 0;
        if (f->header->status) {
                result.code = f->header->status->code;
                result.text = f->header->status->text;
        }
        if (result.code == RPC_OK) {
                r = wire_unpack(p->method->output, f->body, &unpack_limits_reply, &u);
                if (r < 0)
                        return error_fold(r);
                if (r > 0)
                        result.code = r == UNPACK_E_LIMIT ? RPC_E_QUOTA : RPC_E_MALFORMED;
                result.message = u.message;
        }
        if (result.code != RPC_OK && !*result.text)
                result.text = rpc_status_text(result.code, text);
        unlink_pending(c, p);
        report(p, &result);
        return 0;
}

static struct event *find_event(struct rpc_client *c, const char *name) {
        LIST_FOREACH (it, &c->events) {
                struct event *e = LIST_ENTRY(it, struct event, in_client);

                if (strcmp(e->name, name) == 0)
                        return e;
        }
        return NULL;
}

static int on_event(struct rpc_client *c, struct frame *f) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct event *e = find_event(c, f->header->name);
        int r;

        if (!e) {
                c->n_unwanted_events++;
                return 0;
        }
        r = wire_unpack(e->type, f->body, NULL, &u);
        if (r < 0)
                return error_fold(r);
        if (r > 0)
                link_drop(c->user.link, "sends malformed events");
        else
                e->fn(e->userdata, u.message);
        return 0;
}

static int on_frame(struct link_user *u, struct frame *f) {
        struct rpc_client *c = container_of(u, struct rpc_client, user);

        return f->header->kind == BUS__KIND__REPLY ? on_reply(c, f) : on_event(c, f);
}

/* ---- the link ---- */

static void on_up(struct link_user *u) {
        struct rpc_client *c = container_of(u, struct rpc_client, user);

        LIST_FOREACH_SAFE (it, &c->pending) {
                struct pending *p = LIST_ENTRY(it, struct pending, in_client);

                if (p->sent_to && p->sent_to != u->link->peer.instance)
                        finish_later(c, p, RPC_E_GONE);
                else
                        transmit(c, p);
        }
        if (c->up)
                c->up(c->watcher);
}

static void on_down(struct link_user *u) {
        struct rpc_client *c = container_of(u, struct rpc_client, user);

        LIST_FOREACH_SAFE (it, &c->pending) {
                struct pending *p = LIST_ENTRY(it, struct pending, in_client);

                if (p->sent_to && !p->again)
                        finish_later(c, p, RPC_E_GONE);
        }
        if (c->down)
                c->down(c->watcher);
}

/* ---- life ---- */

struct rpc_client *rpc_client_new(struct link *link, const ProtobufCServiceDescriptor *service) {
        struct rpc_client *c = xnew(struct rpc_client);

        c->loop = link->loop;
        c->service = service;
        list_init(&c->pending);
        list_init(&c->finished);
        list_init(&c->events);
        c->by_id = map_new(link_instance());
        heap_init(&c->deadlines);
        c->armed = NSEC_NEVER;
        check(loop_add_timer(c->loop, on_timer, c, &c->timer) == 0);
        check(loop_add_defer(c->loop, on_defer, c, &c->defer) == 0);
        c->user = (struct link_user){ .kinds = 1 << BUS__KIND__REPLY | 1 << BUS__KIND__EVENT,
                                      .up = on_up,
                                      .receive = on_frame,
                                      .down = on_down };
        link_attach(link, &c->user);
        return c;
}

/* The callbacks of the rest run here, with the client still whole. */
static void cancel_all(struct rpc_client *c) {
        struct list *it;

        while ((it = list_first(&c->pending)))
                finish_later(c, LIST_ENTRY(it, struct pending, in_client), RPC_E_CANCELLED);
        while ((it = list_pop_front(&c->finished))) {
                struct pending *p = LIST_ENTRY(it, struct pending, in_client);

                report_code(p, p->code);
        }
}

struct rpc_client *rpc_client_free(struct rpc_client *c) {
        struct list *it;

        if (!c)
                return NULL;
        c->up = c->down = NULL;
        link_detach(&c->user);
        cancel_all(c);
        while ((it = list_pop_front(&c->events)))
                free(LIST_ENTRY(it, struct event, in_client));
        loop_source_free(c->defer);
        loop_source_free(c->timer);
        heap_done(&c->deadlines);
        map_free(c->by_id);
        free(c);
        return NULL;
}

void rpc_client_on_event(struct rpc_client *c, const char *name,
                         const ProtobufCMessageDescriptor *type, rpc_event_fn fn, void *userdata) {
        struct event *e = find_event(c, name);

        if (!e) {
                e = xnew(struct event);
                list_push_back(&c->events, &e->in_client);
        }
        e->name = name;
        e->type = type;
        e->fn = fn;
        e->userdata = userdata;
}

void rpc_client_watch(struct rpc_client *c, void (*up)(void *userdata),
                      void (*down)(void *userdata), void *userdata) {
        c->up = up;
        c->down = down;
        c->watcher = userdata;
        if (up && c->user.link->is_up)
                up(userdata);
}
