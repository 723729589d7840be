/* The serving side of rpc.h: from a CALL frame to a handler and back. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/budget.h"
#include "common/base/error.h"
#include "common/base/heap.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc_answers.h"
#include "common/daemon/rpc_body.h"
#include "proto/bus.pb-c.h"

#define TEXT_MAX  512
#define INPUT_MAX (32u << 20) /* bytes of unpacked inputs one peer's calls may hold */

struct rpc_server {
        struct loop *loop;
        const ProtobufCService *service;
        unsigned flags;
        bool is_refusing;
        size_t n_calls;
        struct list peers, calls;
        struct heap deadlines;
        nsec_t armed;
        struct loop_source *timer;
        struct answers *answers; /* RPC_EFFECTS */
        rpc_peer_fn came, gone;
        void *watcher;
};

/* One caller's connection. */
struct peer {
        struct link_user user;
        struct list in_server;
        struct rpc_server *server;
        size_t n_calls;
        struct budget inputs;
};

struct chunk {
        struct chunk *next;
        max_align_t data[];
};

struct call {
        struct list in_server;
        struct rpc_server *server; /* NULL: freed */
        struct peer *peer;         /* NULL: gone */
        struct link_peer who;
        uint64_t id, trace;
        nsec_t deadline;
        struct heap_entry due;
        const ProtobufCMethodDescriptor *method;
        struct unpacked input;
        uint64_t charged; /* to peer->inputs */
        struct chunk *chunks;
        int fds[LINK_FDS_MAX];
        size_t n_fds;
        bool in_handler, is_answered, is_ended, is_moot;
        void (*moot_fn)(void *userdata);
        void *moot_userdata;
};

/* ---- a call's end ---- */

static void leave_peer(struct call *c) {
        if (!c->peer)
                return;
        c->peer->n_calls--;
        budget_give(&c->peer->inputs, c->charged);
        c->charged = 0;
        c->peer = NULL;
}

static void call_free(struct call *c) {
        leave_peer(c);
        if (c->server) {
                c->server->n_calls--;
                heap_remove(&c->server->deadlines, &c->due);
        }
        list_remove(&c->in_server);
        for (size_t i = 0; i < c->n_fds; i++)
                fd_close(c->fds[i]);
        while (c->chunks) {
                struct chunk *next = c->chunks->next;

                free(c->chunks);
                c->chunks = next;
        }
        unpacked_done(&c->input);
        free(c);
}

/* The caller's, the handler may go on using it until it returns. */
static void call_end(struct call *c) {
        check(!c->is_ended);
        c->is_ended = true;
        if (!c->in_handler)
                call_free(c);
}

static void peer_answer(struct peer *p, uint64_t id, const struct answer *a, const int *fds,
                        size_t n_fds) {
        Bus__Header header = BUS__HEADER__INIT;
        Bus__Status status = BUS__STATUS__INIT;
        struct frame f = { .header = &header, .fds = (int *) fds, .n_fds = n_fds };
        int r;

        header.kind = BUS__KIND__REPLY;
        header.id = id;
        if (a->code != RPC_OK) {
                status.code = a->code;
                status.text = a->text ? a->text : (char *) protobuf_c_empty_string;
                header.status = &status;
        } else if (a->body) {
                f.body = refbuf_bytes(a->body);
                f.refbuf = a->body;
        }
        r = link_send(p->user.link, &f, /* data= */ false);
        if (r == LINK_E_SIZE && a->code == RPC_OK) {
                peer_answer(p, id, &(struct answer){ .code = RPC_E_QUOTA }, NULL, 0);
                return;
        }
        if (r == LINK_E_FULL || r == LINK_E_SIZE)
                link_end(p->user.link, "does not read its answers");
}

static void call_answer(struct call *c, struct answer *a, const int *fds, size_t n_fds) {
        if (c->server && c->server->answers && a->code != RPC_E_TIMEOUT)
                answers_store(c->server->answers, &c->who, c->id, a);
        if (!c->is_answered && c->peer)
                peer_answer(c->peer, c->id, a, fds, n_fds);
        c->is_answered = true;
}

static void call_set_moot(struct call *c) {
        if (c->is_moot || c->is_ended)
                return;
        c->is_moot = true;
        if (c->moot_fn)
                c->moot_fn(c->moot_userdata);
}

void call_reply_fds(struct call *c, const void *message, const int *fds, size_t n_fds) {
        CLEANUP(refbuf_unrefp) struct refbuf *body = rpc_pack(message);
        struct answer a = { .body = body };

        check(((const ProtobufCMessage *) message)->descriptor == c->method->output);
        call_answer(c, &a, fds, n_fds);
        call_end(c);
}

void call_reply(struct call *c, const void *message) {
        call_reply_fds(c, message, NULL, 0);
}

void call_fail(struct call *c, int code, const char *format, ...) {
        char text[TEXT_MAX], short_text[32];
        struct answer a = { .text = text };
        va_list args;

        check(code != RPC_OK);
        a.code = code < 0 ? RPC_E_INTERNAL : (uint32_t) code;
        (void) snprintf(text, sizeof(text), "%s", rpc_status_text(a.code, short_text));
        if (format) {
                va_start(args, format);
                (void) vsnprintf(text, sizeof(text), format, args);
                va_end(args);
        }
        call_answer(c, &a, NULL, 0);
        call_end(c);
}

/* What a handler that answers at once is given as its closure. */
static void on_closure(const ProtobufCMessage *message, void *data) {
        if (message)
                call_reply(data, message);
        else
                call_fail(data, RPC_E_INTERNAL, NULL);
}

struct call *call_begin(void *closure_data, ProtobufCClosure closure) {
        check(closure == on_closure);
        return closure_data;
}

/* ---- what a handler may ask ---- */

const struct link_peer *call_peer(const struct call *c) {
        return &c->who;
}

struct link *call_link(const struct call *c) {
        return c->peer ? c->peer->user.link : NULL;
}

nsec_t call_deadline(const struct call *c) {
        return c->deadline;
}

uint64_t call_trace(const struct call *c) {
        return c->trace;
}

int *call_fds(struct call *c, size_t *ret_n) {
        *ret_n = c->n_fds;
        return c->fds;
}

bool call_is_moot(const struct call *c) {
        return c->is_moot;
}

void call_on_moot(struct call *c, void (*fn)(void *userdata), void *userdata) {
        c->moot_fn = fn;
        c->moot_userdata = userdata;
}

void *call_alloc(struct call *c, size_t n) {
        struct chunk *chunk = xcalloc(1, sizeof(struct chunk) + n);

        chunk->next = c->chunks;
        c->chunks = chunk;
        return chunk->data;
}

/* ---- a call's beginning ---- */

/* The timer is left as it is when a call ends in time: it finds nothing due, once. */
static int arm_timer(struct rpc_server *s, nsec_t deadline) {
        if (deadline >= s->armed)
                return 0;
        s->armed = deadline;
        return loop_timer_set(s->timer, deadline);
}

static int on_timer(void *userdata) {
        struct rpc_server *s = userdata;
        struct heap_entry *e;

        while ((e = heap_pop_due(&s->deadlines, loop_now(s->loop)))) {
                struct call *c = container_of(e, struct call, due);

                call_answer(c, &(struct answer){ .code = RPC_E_TIMEOUT }, NULL, 0);
                call_set_moot(c);
        }
        s->armed = heap_when(&s->deadlines);
        return loop_timer_set(s->timer, s->armed);
}

static struct call *call_new(struct peer *p, struct frame *f,
                             const ProtobufCMethodDescriptor *method) {
        struct call *c = xnew(struct call);

        c->server = p->server;
        c->peer = p;
        c->who = p->user.link->peer;
        c->id = f->header->id;
        c->trace = f->header->trace;
        c->deadline = f->header->deadline ? f->header->deadline : NSEC_NEVER;
        c->method = method;
        for (; c->n_fds < f->n_fds; c->n_fds++)
                c->fds[c->n_fds] = TAKE_FD(f->fds[c->n_fds]);
        p->n_calls++;
        p->server->n_calls++;
        list_push_back(&p->server->calls, &c->in_server);
        return c;
}

static void refuse(struct peer *p, uint64_t id, uint32_t code) {
        peer_answer(p, id, &(struct answer){ .code = code }, NULL, 0);
}

static struct call *find_call(struct rpc_server *s, const struct link_peer *who, uint64_t id) {
        LIST_FOREACH (it, &s->calls) {
                struct call *c = LIST_ENTRY(it, struct call, in_server);

                if (c->id == id && c->who.instance == who->instance && c->who.uid == who->uid)
                        return c;
        }
        return NULL;
}

/* A retried call that still runs: its answer goes to the connection it came on now. */
static void adopt(struct peer *p, struct call *c) {
        leave_peer(c);
        c->peer = p;
        p->n_calls++;
}

/* True: this id was seen before and is dealt with. */
static bool is_retried(struct peer *p, uint64_t id) {
        const struct link_peer *who = &p->user.link->peer;
        struct answers *answers = p->server->answers;
        const struct answer *a;
        struct call *running;

        if (!answers || !answers_is_old(answers, who, id))
                return false;
        a = answers_find(answers, who, id);
        if (a) {
                peer_answer(p, id, a, NULL, 0);
                return true;
        }
        running = find_call(p->server, who, id);
        if (running && !running->is_answered)
                adopt(p, running);
        else
                refuse(p, id, RPC_E_EXPIRED);
        return true;
}

/* 0: go on and run it. */
static uint32_t admit(struct peer *p, const Bus__Header *h,
                      const ProtobufCMethodDescriptor **ret_method) {
        struct rpc_server *s = p->server;

        if (s->is_refusing || p->n_calls >= RPC_OUTSTANDING_MAX)
                return RPC_E_BUSY;
        if (h->deadline && h->deadline <= loop_now(s->loop))
                return RPC_E_TIMEOUT;
        *ret_method =
                protobuf_c_service_descriptor_get_method_by_name(s->service->descriptor, h->name);
        return *ret_method ? RPC_OK : RPC_E_UNKNOWN_METHOD;
}

static void invoke(struct rpc_server *s, struct call *c) {
        unsigned index = (unsigned) (c->method - s->service->descriptor->methods);

        c->in_handler = true;
        /* The generated table takes the service by a pointer that is not const. */
        s->service->invoke((ProtobufCService *) s->service, index, c->input.message, on_closure, c);
        c->in_handler = false;
        if (c->is_ended)
                call_free(c);
}

/* One message is bounded by its unpack limits before anything is allocated; what many
 * of them hold together by the peer's budget. Returns enum rpc_status or a fault. */
static int take_input(struct call *c, struct bytes body) {
        static const int codes[] = { RPC_OK, RPC_E_MALFORMED, RPC_E_QUOTA };
        int r = wire_unpack(c->method->input, body, NULL, &c->input);

        if (r)
                return r < 0 ? error_fold(r) : codes[r];
        if (budget_take(&c->peer->inputs, c->input.memory))
                return RPC_E_BUSY;
        c->charged = c->input.memory;
        return RPC_OK;
}

static int run(struct peer *p, struct frame *f) {
        const ProtobufCMethodDescriptor *method = NULL;
        struct rpc_server *s = p->server;
        struct call *c;
        uint32_t code = admit(p, f->header, &method);
        int r;

        if (code) {
                refuse(p, f->header->id, code);
                return 0;
        }
        c = call_new(p, f, method);
        r = take_input(c, f->body);
        if (r) {
                call_fail(c, r, NULL);
                return r < 0 ? r : 0;
        }
        if (s->answers)
                answers_begin(s->answers, &c->who, c->id);
        if (c->deadline != NSEC_NEVER) {
                heap_set(&s->deadlines, &c->due, c->deadline);
                r = arm_timer(s, c->deadline);
        }
        invoke(s, c);
        return r;
}

static void cancel(struct peer *p, uint64_t id) {
        struct call *c = find_call(p->server, &p->user.link->peer, id);

        if (!c || c->is_answered)
                return;
        c->is_answered = true; /* nobody waits for it; the handler still ends it */
        call_set_moot(c);
}

static int on_frame(struct link_user *u, struct frame *f) {
        struct peer *p = container_of(u, struct peer, user);

        if (f->header->kind == BUS__KIND__CANCEL) {
                cancel(p, f->header->id);
                return 0;
        }
        if (is_retried(p, f->header->id))
                return 0;
        return run(p, f);
}

/* ---- peers ---- */

static void on_up(struct link_user *u) {
        struct peer *p = container_of(u, struct peer, user);

        if (p->server->came)
                p->server->came(p->server->watcher, u->link);
}

static struct call *next_call_of(struct peer *p) {
        LIST_FOREACH (it, &p->server->calls)
                if (LIST_ENTRY(it, struct call, in_server)->peer == p)
                        return LIST_ENTRY(it, struct call, in_server);
        return NULL;
}

static void peer_gone(struct peer *p) {
        struct call *c;

        if (p->server->gone)
                p->server->gone(p->server->watcher, p->user.link);
        while ((c = next_call_of(p))) {
                leave_peer(c);
                if (!p->server->answers)
                        call_set_moot(c);
        }
        link_detach(&p->user);
        list_remove(&p->in_server);
        free(p);
}

static void on_down(struct link_user *u) {
        peer_gone(container_of(u, struct peer, user));
}

void rpc_server_attach(struct rpc_server *s, struct link *link) {
        struct peer *p = xnew(struct peer);

        p->server = s;
        budget_init(&p->inputs, INPUT_MAX, NULL);
        p->user = (struct link_user){ .kinds = 1 << BUS__KIND__CALL | 1 << BUS__KIND__CANCEL,
                                      .up = on_up,
                                      .receive = on_frame,
                                      .down = on_down };
        list_push_back(&s->peers, &p->in_server);
        link_attach(link, &p->user);
}

/* ---- life ---- */

struct rpc_server *rpc_server_new(struct loop *loop, const ProtobufCService *service,
                                  unsigned flags) {
        struct rpc_server *s = xnew(struct rpc_server);

        s->loop = loop;
        s->service = service;
        s->flags = flags;
        list_init(&s->peers);
        list_init(&s->calls);
        heap_init(&s->deadlines);
        s->armed = NSEC_NEVER;
        check(loop_add_timer(loop, on_timer, s, &s->timer) == 0);
        if (flags & RPC_EFFECTS)
                s->answers = answers_new(link_instance());
        return s;
}

struct rpc_server *rpc_server_free(struct rpc_server *s) {
        struct list *it;

        if (!s)
                return NULL;
        while ((it = list_first(&s->peers)))
                peer_gone(LIST_ENTRY(it, struct peer, in_server));
        while ((it = list_pop_front(&s->calls))) {
                struct call *c = LIST_ENTRY(it, struct call, in_server);

                heap_remove(&s->deadlines, &c->due);
                c->server = NULL; /* its handler still ends it */
                call_set_moot(c);
        }
        answers_free(s->answers);
        loop_source_free(s->timer);
        heap_done(&s->deadlines);
        free(s);
        return NULL;
}

void rpc_server_watch(struct rpc_server *s, rpc_peer_fn came, rpc_peer_fn gone, void *userdata) {
        s->came = came;
        s->gone = gone;
        s->watcher = userdata;
}

void rpc_server_refuse(struct rpc_server *s) {
        s->is_refusing = true;
}

size_t rpc_server_outstanding(const struct rpc_server *s) {
        return s->n_calls;
}
