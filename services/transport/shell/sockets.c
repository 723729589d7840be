/* The UDP sockets on the loop. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/service.h"
#include "services/transport/shell/served.h"
#include "services/transport/shell/shell.h"

#define BATCHES_MAX 2  /* received in one turn: timers and services must get theirs */
#define TRAINS_MAX  64 /* sent in one turn */
#define TRAIN_BYTES 65536

static void on_datagrams(void *userdata, const struct datagrams *in) {
        struct shell *s = userdata;

        transport_input(s->transport, in, shell_now(s));
}

static int receive(struct outlet *o) {
        int r = UDP_OK;

        for (int i = 0; i < BATCHES_MAX && r == UDP_OK; i++)
                r = udp_receive(o->udp, on_datagrams, o->shell);
        return r < 0 ? log_fault(r, "cannot receive from the network") : 0;
}

static int on_ready(void *userdata, uint32_t events) {
        struct outlet *o = userdata;

        if (events & EPOLLOUT) {
                o->is_blocked = false;
                loop_io_set(o->source, EPOLLIN);
        }
        return events & (EPOLLIN | EPOLLERR) ? receive(o) : 0;
}

static int open_outlet(struct shell *s, const struct endpoint *at) {
        struct outlet *o = &s->outlets[s->n_outlets];
        const struct udp_options options = {};
        struct path from = {
                .link = at->family == ENDPOINT_IP6 ? PATH_LINK_IP6 : PATH_LINK_IP4,
        };
        int r = udp_new(at, from.link, &options, &o->udp);

        if (r < 0)
                return r;
        o->shell = s;
        o->held_bytes = xmalloc(TRAIN_BYTES);
        s->n_outlets++;
        from.local = *udp_bound(o->udp);
        transport_add_link(s->transport, &from);
        return loop_add_io(s->ctx->loop, udp_fd(o->udp), EPOLLIN, on_ready, o, &o->source);
}

/* An address that comes up later may be listened on later, and where we served before others may
 * go again; any other port that is taken, or that only root may have, is a matter for whoever
 * wrote the configuration. */
static int explain(const struct shell *s, int r, const struct endpoint *at) {
        char text[ENDPOINT_TEXT_SIZE];

        endpoint_text(at, text);
        if (r != -EADDRINUSE && r != -EACCES) {
                log_error_reason(r, "listen: cannot open udp %s", text);
                return r;
        }
        log_error("listen: udp %s %s; set another port, or 0 for a free one, in [transport] "
                  "listen of %s",
                  text,
                  r == -EACCES ? "needs a right that this node lacks"
                               : "is in use by another program (another node?)",
                  s->ctx->config_path);
        return r == -EADDRINUSE && served_at(s->ctx->state, at) ? service_refuse_now()
                                                                : service_refuse();
}

#define TAKEN_TRIES 20
#define TAKEN_PAUSE 100 /* ms */

/* Our predecessor may be ending still, with its port. */
static int open_patiently(struct shell *s, const struct endpoint *at) {
        for (unsigned i = 0;; i++) {
                int r = open_outlet(s, at);

                if (r != -EADDRINUSE || i == TAKEN_TRIES)
                        return r;
                (void) poll(NULL, 0, TAKEN_PAUSE);
        }
}

/* A machine without IPv6 is no reason to stop, unless IPv6 was asked for. */
static bool is_dispensable(const struct shell *s, const struct endpoint *at, int r) {
        return s->settings->listen.n_items == 0 && at->family == ENDPOINT_IP6 &&
               (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL);
}

/* Without it we go on: a full disk must not keep a node from the network. */
static void note_served(const struct shell *s) {
        struct endpoint list[ELEMENTSOF(s->outlets)];
        int r;

        for (size_t i = 0; i < s->n_outlets; i++)
                list[i] = *udp_bound(s->outlets[i].udp);
        r = served_note(s->ctx->state, list, s->n_outlets);
        if (r)
                log_warning("cannot write %s/listened: %s", s->ctx->state, strerror(-r));
}

int sockets_open(struct shell *s) {
        struct endpoint at[2];
        size_t n;

        if (!addresses_to_listen(&s->settings->listen, at, &n))
                return service_refuse();
        for (size_t i = 0; i < n; i++) {
                int r = open_patiently(s, &at[i]);

                if (r < 0 && is_dispensable(s, &at[i], r))
                        log_notice("this machine has no IPv6; listening on IPv4 alone");
                else if (r < 0)
                        return explain(s, r, &at[i]);
        }
        note_served(s);
        return 0;
}

void sockets_close(struct shell *s) {
        for (size_t i = 0; i < s->n_outlets; i++) {
                loop_source_free(s->outlets[i].source);
                udp_free(s->outlets[i].udp);
                free(s->outlets[i].held_bytes);
        }
        s->n_outlets = 0;
}

static struct outlet *outlet_of(struct shell *s, const struct path *path) {
        for (size_t i = 0; i < s->n_outlets; i++)
                if (udp_bound(s->outlets[i].udp)->family == path->remote.family)
                        return &s->outlets[i];
        return NULL;
}

/* The train's memory is the core's: what did not leave is copied until the socket takes it. */
static void hold(struct outlet *o, const struct datagrams *out) {
        check(out->len - o->sent <= TRAIN_BYTES);
        memmove(o->held_bytes, out->data + o->sent, out->len - o->sent);
        o->held = *out;
        o->held.data = o->held_bytes;
        o->held.len = out->len - o->sent;
        o->sent = 0;
        o->is_blocked = true;
        loop_io_set(o->source, EPOLLIN | EPOLLOUT);
}

/* False: the socket is full. */
static bool send_train(struct outlet *o, const struct datagrams *out, nsec_t now) {
        int r = udp_send(o->udp, out, &o->sent);

        if (r == UDP_E_BLOCKED) {
                hold(o, out);
                return false;
        }
        if (r == UDP_E_GONE) {
                o->shell->metrics.n_unroutable++;
                transport_unroutable(o->shell->transport, &out->path.remote, now);
        }
        o->sent = 0;
        o->held.len = 0;
        return true;
}

static bool send_held(struct shell *s, nsec_t now) {
        for (size_t i = 0; i < s->n_outlets; i++) {
                struct outlet *o = &s->outlets[i];
                struct datagrams held = o->held;

                if (o->is_blocked || (held.len > 0 && !send_train(o, &held, now)))
                        return false;
        }
        return true;
}

bool sockets_send(struct shell *s, nsec_t now) {
        struct datagrams out;

        if (!send_held(s, now))
                return false;
        for (int i = 0; i < TRAINS_MAX; i++) {
                struct outlet *o;

                if (!transport_output(s->transport, &out, now))
                        return false;
                o = outlet_of(s, &out.path);
                if (o && !send_train(o, &out, now))
                        return false;
        }
        return true;
}
