/* See channel.h. Accounting: every DATA and FINISH costs the sender one unit until a
 * CREDIT names it. The receiver credits each exactly once: when it was consumed, or
 * when its stream has ended. So the units outstanding are exact whatever is reset,
 * and the data socket's high-water mark is out of reach of an honest peer.
 * A CREDIT wakes four threads: while fewer than CHANNEL_KEPT units are out it is kept back. Nobody
 * waits for it: m that wait have m out at least, and a share of 256/(m+1), which is more. */

#include "common/daemon/channel.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc_body.h"
#include "proto/bus.pb-c.h"

#define STREAMS_MAX 4096
#define TEXT_MAX    256

struct channels {
        struct link_user user;
        struct link *link;
        struct channel_acceptor *acceptor;
        struct map *by_id;
        struct list streams, waiting, owing, ended;
        struct loop_source *settle;
        uint64_t next_id, last_peer_id;
        unsigned late_units; /* to be credited, of streams that have ended */
        unsigned outstanding, unconsumed;
        unsigned n_peer_streams, n_active;
        uint64_t n_sent, n_received, n_late;
};

struct channel {
        struct channels *mux; /* NULL: link gone, not accepted yet */
        struct list in_mux, in_waiting, in_owing, in_ended;
        uint64_t id;
        const struct channel_handler *handler; /* NULL: opened by the peer, undecided */
        void *userdata;
        unsigned outstanding, unconsumed, owed;
        bool is_active; /* has units outstanding, or waits for credit */
        bool is_ours, is_accepted, wants_finish, is_finished, is_peer_finished, is_ended;
        uint32_t code;
        char *text;
};

#define KIND(k) (1u << BUS__KIND__##k)

static unsigned take_units(unsigned *units) {
        unsigned n = *units;

        *units = 0;
        return n;
}

/* ---- sending frames ---- */

static int send_frame(struct channels *m, Bus__Header *h, const struct frame *rest, bool data) {
        struct frame f = *rest;
        int r;

        f.header = h;
        r = link_send(m->link, &f, data);
        /* Credit bounds data: who gets here does not read, and may only have stood still. */
        if (r == LINK_E_FULL)
                link_end(m->link, "does not read its streams");
        return r < 0 ? error_fold(r) : r;
}

static int send_control(struct channels *m, Bus__Kind kind, uint64_t id, const char *name,
                        struct bytes body) {
        Bus__Header h = BUS__HEADER__INIT;

        h.kind = kind;
        h.id = id;
        if (name)
                h.name = (char *) name;
        return send_frame(m, &h, &(struct frame){ .body = body }, /* data= */ false);
}

static void send_reset(struct channels *m, uint64_t id, uint32_t code, const char *text) {
        Bus__Header h = BUS__HEADER__INIT;
        Bus__Status status = BUS__STATUS__INIT;
        char cut[TEXT_MAX];

        (void) snprintf(cut, sizeof(cut), "%s", text ? text : "");
        status.code = code;
        status.text = cut;
        h.kind = BUS__KIND__RESET;
        h.id = id;
        h.status = &status;
        (void) send_frame(m, &h, &(struct frame){}, /* data= */ false);
}

static void send_credit(struct channels *m, uint64_t id, unsigned units) {
        Bus__Header h = BUS__HEADER__INIT;

        h.kind = BUS__KIND__CREDIT;
        h.id = id;
        h.units = units;
        m->unconsumed -= units;
        (void) send_frame(m, &h, &(struct frame){}, /* data= */ true);
}

/* ---- credit we give ---- */

static void settle_soon(struct channels *m) {
        check(loop_defer(m->settle) == 0);
}

static void owe_late(struct channels *m, unsigned units) {
        m->late_units += units;
        settle_soon(m);
}

static void owe(struct channel *c, unsigned units) {
        c->unconsumed -= units;
        c->owed += units;
        if (list_is_empty(&c->in_owing))
                list_push_back(&c->mux->owing, &c->in_owing);
        settle_soon(c->mux);
}

void channel_consumed(struct channel *c, unsigned units) {
        check(units <= c->unconsumed);
        if (c->mux && units > 0)
                owe(c, units);
}

/* ---- life of a stream ---- */

static struct channel *stream_new(struct channels *m, uint64_t id, bool is_ours) {
        struct channel *c = xnew(struct channel);

        c->mux = m;
        c->id = id;
        c->is_ours = is_ours;
        list_init(&c->in_waiting);
        list_init(&c->in_owing);
        list_init(&c->in_ended);
        list_push_back(&m->streams, &c->in_mux);
        (void) map_set_u64(m->by_id, id, c);
        m->n_peer_streams += !is_ours;
        return c;
}

/* Off the multiplexer; what it did not consume is credited now. */
static void stream_detach(struct channel *c) {
        struct channels *m = c->mux;

        if (!m)
                return;
        owe_late(m, c->unconsumed + c->owed);
        m->n_peer_streams -= !c->is_ours;
        m->n_active -= c->is_active;
        (void) map_remove_u64(m->by_id, c->id);
        list_remove(&c->in_mux);
        list_remove(&c->in_waiting);
        list_remove(&c->in_owing);
        list_remove(&c->in_ended);
        c->unconsumed = c->owed = 0;
        c->mux = NULL;
}

static void stream_free(struct channel *c) {
        stream_detach(c);
        free(c->text);
        free(c);
}

/* From the loop only. An undecided one stays until channel_accept() or _reset(). */
static void stream_end(struct channel *c, uint32_t code, const char *text) {
        stream_detach(c);
        c->is_ended = true;
        if (!c->handler)
                return;
        if (c->handler->on_end)
                c->handler->on_end(c, c->userdata, code, text);
        stream_free(c);
}

static void end_if_finished(struct channel *c) {
        if (!c->is_finished || !c->is_peer_finished || c->is_ended)
                return;
        c->is_ended = true;
        list_push_back(&c->mux->ended, &c->in_ended);
        settle_soon(c->mux);
}

/* ---- credit we use ---- */

static void count_active(struct channel *c) {
        bool is_active = c->outstanding > 0 || !list_is_empty(&c->in_waiting);

        c->mux->n_active += (unsigned) is_active - c->is_active;
        c->is_active = is_active;
}

/* An equal share among those who send now, and never more than what is left: so
 * active streams get the same, and a few stalled ones leave room for the next. */
static bool has_credit(const struct channel *c) {
        unsigned left = CHANNEL_UNITS - c->mux->outstanding;
        unsigned share = CHANNEL_UNITS / (c->mux->n_active + !c->is_active + 1);

        if (left == 0)
                return false;
        return c->outstanding == 0 || (c->outstanding < left && c->outstanding < share);
}

static void wait_for_credit(struct channel *c) {
        if (list_is_empty(&c->in_waiting))
                list_push_back(&c->mux->waiting, &c->in_waiting);
        count_active(c);
}

static int send_unit(struct channel *c, Bus__Kind kind, const struct frame *f) {
        Bus__Header h = BUS__HEADER__INIT;
        int r;

        h.kind = kind;
        h.id = c->id;
        r = send_frame(c->mux, &h, f, /* data= */ true);
        if (r)
                return r < 0 ? r : CHANNEL_E_ENDED;
        c->outstanding++;
        c->mux->outstanding++;
        c->mux->n_sent++;
        count_active(c);
        return 0;
}

static int send_data(struct channel *c, const struct frame *f) {
        check(f->body.len > 0 && f->body.len <= CHANNEL_UNIT);
        if (!c->mux || !c->is_accepted || c->is_ended || c->wants_finish || c->is_finished)
                return CHANNEL_E_ENDED;
        if (!has_credit(c)) {
                wait_for_credit(c);
                return CHANNEL_E_FULL;
        }
        return send_unit(c, BUS__KIND__DATA, f);
}

int channel_send(struct channel *c, struct bytes data) {
        return send_data(c, &(struct frame){ .body = data });
}

int channel_send_refbuf(struct channel *c, struct refbuf *b, size_t offset, size_t len) {
        check(offset <= b->len && len <= b->len - offset);
        return send_data(c, &(struct frame){ .body = BYTES(b->data + offset, len), .refbuf = b });
}

bool channel_is_writable(const struct channel *c) {
        return c->mux && c->is_accepted && !c->is_ended && !c->wants_finish && !c->is_finished &&
               has_credit(c);
}

static int try_finish(struct channel *c) {
        int r;

        if (!has_credit(c)) {
                wait_for_credit(c);
                return 0;
        }
        r = send_unit(c, BUS__KIND__FINISH, &(struct frame){});
        if (r)
                return r;
        list_remove(&c->in_waiting); /* it has nothing more to write */
        count_active(c);
        c->wants_finish = false;
        c->is_finished = true;
        end_if_finished(c);
        return 0;
}

int channel_finish(struct channel *c) {
        if (!c->mux || !c->is_accepted || c->is_ended || c->wants_finish || c->is_finished)
                return CHANNEL_E_ENDED;
        c->wants_finish = true;
        return try_finish(c);
}

/* Those who waited longest first; who got nothing keeps its place, and is asked again when
 * it has room because others stopped waiting: no credit to come may tell. */
static int wake_writers(struct channels *m) {
        struct list todo, kept, *it;
        int r = 0;

        list_take_all(&m->waiting, &todo);
        list_init(&kept);
        while ((it = list_pop_front(&todo))) {
                struct channel *c = LIST_ENTRY(it, struct channel, in_waiting);

                if (r || !has_credit(c)) {
                        list_push_back(&kept, &c->in_waiting);
                        continue;
                }
                count_active(c);
                if (c->wants_finish)
                        r = try_finish(c);
                else if (c->handler->on_writable)
                        c->handler->on_writable(c, c->userdata);
        }
        while ((it = kept.previous) != &kept) {
                list_remove(it);
                list_push_front(&m->waiting, it);
                if (has_credit(LIST_ENTRY(it, struct channel, in_waiting)))
                        settle_soon(m);
        }
        return r < 0 ? error_fold(r) : 0;
}

/* ---- frames ---- */

static int on_open(struct channels *m, struct frame *f) {
        uint64_t id = f->header->id;
        struct channel *c;
        unsigned max;

        if ((id & 1) != !m->link->is_server || id <= m->last_peer_id) {
                link_drop(m->link, "opens a stream with a wrong id");
                return 0;
        }
        m->last_peer_id = id;
        if (!m->acceptor) {
                send_reset(m, id, RPC_E_UNKNOWN_METHOD, "no streams are accepted here");
                return 0;
        }
        max = m->acceptor->max_streams ? m->acceptor->max_streams : STREAMS_MAX;
        if (m->n_peer_streams >= max) {
                send_reset(m, id, RPC_E_QUOTA, "too many streams");
                return 0;
        }
        c = stream_new(m, id, /* is_ours= */ false);
        m->acceptor->on_open(c, m->acceptor->userdata, f->header->name, f->body);
        return 0;
}

static int on_accepted(struct channels *m, struct channel *c, struct frame *f) {
        if (!c->is_ours || c->is_accepted) {
                link_drop(m->link, "accepts a stream twice");
                return 0;
        }
        c->is_accepted = true;
        if (c->handler->on_accepted)
                c->handler->on_accepted(c, c->userdata, f->body);
        return 0;
}

static int on_reset(struct channels *m, struct channel *c, struct frame *f) {
        const Bus__Status *status = f->header->status;
        uint32_t code = status && status->code ? status->code : RPC_E_CANCELLED;

        stream_end(c, code, status ? status->text : "");
        return 0;
}

static int on_data(struct channels *m, struct channel *c, struct frame *f) {
        if (c->is_peer_finished || !c->handler || f->body.len == 0) {
                link_drop(m->link, "sends data out of turn");
                return 0;
        }
        c->unconsumed++;
        c->handler->on_data(c, c->userdata, f->body);
        return 0;
}

static int on_finish(struct channels *m, struct channel *c, struct frame *f) {
        if (c->is_peer_finished || !c->handler) {
                link_drop(m->link, "finishes a stream twice");
                return 0;
        }
        c->is_peer_finished = true;
        c->unconsumed++;
        owe(c, 1);
        end_if_finished(c);
        if (c->handler->on_finish)
                c->handler->on_finish(c, c->userdata);
        return 0;
}

static int on_credit(struct channels *m, struct channel *c, struct frame *f) {
        unsigned units = f->header->units;

        if (units == 0 || units > m->outstanding || (c && units > c->outstanding)) {
                link_drop(m->link, "returns credit it was never asked for");
                return 0;
        }
        m->outstanding -= units;
        if (c) {
                c->outstanding -= units;
                count_active(c);
        }
        /* Not now: a writer woken here would take what another's credit of this turn is for. */
        if (!list_is_empty(&m->waiting))
                settle_soon(m);
        return 0;
}

static const struct {
        int (*fn)(struct channels *m, struct channel *c, struct frame *f);
        bool is_unit;
} receivers[] = {
        [BUS__KIND__ACCEPTED] = { on_accepted, false }, [BUS__KIND__RESET] = { on_reset, false },
        [BUS__KIND__DATA] = { on_data, true },          [BUS__KIND__FINISH] = { on_finish, true },
        [BUS__KIND__CREDIT] = { on_credit, false },
};

static int on_frame(struct link_user *u, struct frame *f) {
        struct channels *m = container_of(u, struct channels, user);
        unsigned kind = (unsigned) f->header->kind;
        struct channel *c;

        if (kind == BUS__KIND__OPEN)
                return on_open(m, f);
        if (receivers[kind].is_unit) {
                if (m->unconsumed >= CHANNEL_UNITS) {
                        link_drop(m->link, "sends data without credit");
                        return 0;
                }
                m->n_received++;
                if (++m->unconsumed == CHANNEL_KEPT) /* now somebody may */
                        settle_soon(m);
        }
        c = map_get_u64(m->by_id, f->header->id);
        if (c && !c->is_ended)
                return receivers[kind].fn(m, c, f);
        if (kind == BUS__KIND__CREDIT)
                return on_credit(m, NULL, f);
        m->n_late++; /* our reset has not reached the peer yet */
        if (receivers[kind].is_unit)
                owe_late(m, 1);
        return 0;
}

static void credit_owed(struct channels *m) {
        struct list *it;

        while ((it = list_pop_front(&m->owing))) {
                struct channel *c = LIST_ENTRY(it, struct channel, in_owing);

                send_credit(m, c->id, take_units(&c->owed));
        }
        if (m->late_units > 0)
                send_credit(m, 0, take_units(&m->late_units));
}

/* Once per turn: the credit of all that was consumed in it, writers, and ends. */
static int on_settle(void *userdata) {
        struct channels *m = userdata;
        struct list *it;
        int r;

        if (m->unconsumed >= CHANNEL_KEPT)
                credit_owed(m);
        r = wake_writers(m);
        it = list_pop_front(&m->ended);
        if (it) { /* one at a time: the callback may end the link */
                if (!list_is_empty(&m->ended))
                        settle_soon(m);
                stream_end(LIST_ENTRY(it, struct channel, in_ended), 0, "");
        }
        return r;
}

/* ---- opening ---- */

static struct channels *mux_of(const struct link *link) {
        LIST_FOREACH (it, &link->users) {
                struct link_user *u = LIST_ENTRY(it, struct link_user, in_link);

                if (u->kinds & KIND(OPEN))
                        return container_of(u, struct channels, user);
        }
        return NULL;
}

struct channel *channel_open(struct link *link, const char *name, struct bytes metadata,
                             const struct channel_handler *handler, void *userdata) {
        struct channels *m = link->is_up ? mux_of(link) : NULL;
        struct channel *c;

        if (!m || send_control(m, BUS__KIND__OPEN, m->next_id, name, metadata) != LINK_OK)
                return NULL;
        c = stream_new(m, m->next_id, /* is_ours= */ true);
        m->next_id += 2;
        c->handler = handler;
        c->userdata = userdata;
        return c;
}

struct channel *channel_open_message(struct link *link, const char *name, const void *message,
                                     const struct channel_handler *handler, void *userdata) {
        CLEANUP(refbuf_unrefp) struct refbuf *body = rpc_pack(message);

        return channel_open(link, name, refbuf_bytes(body), handler, userdata);
}

int channel_accept(struct channel *c, struct bytes metadata, const struct channel_handler *handler,
                   void *userdata) {
        int r;

        check(!c->is_ours && !c->handler);
        if (c->is_ended) {
                stream_free(c);
                return CHANNEL_E_ENDED;
        }
        r = send_control(c->mux, BUS__KIND__ACCEPTED, c->id, NULL, metadata);
        if (r) {
                stream_free(c);
                return r < 0 ? error_fold(r) : CHANNEL_E_ENDED;
        }
        c->is_accepted = true;
        c->handler = handler;
        c->userdata = userdata;
        return 0;
}

void channel_reset(struct channel *c, uint32_t code, const char *text) {
        if (c->mux && c->mux->link->is_up)
                send_reset(c->mux, c->id, code, text);
        stream_free(c);
}

struct link *channel_link(const struct channel *c) {
        return c->mux ? c->mux->link : NULL;
}

void *channel_userdata(const struct channel *c) {
        return c->userdata;
}

void channel_set_userdata(struct channel *c, void *userdata) {
        c->userdata = userdata;
}

void channel_link_stats(const struct link *link, struct channel_stats *ret) {
        const struct channels *m = mux_of(link);

        *ret = (struct channel_stats){};
        if (!m)
                return;
        ret->sent = m->n_sent;
        ret->received = m->n_received;
        ret->outstanding = m->outstanding;
        ret->unconsumed = m->unconsumed;
        ret->streams = map_count(m->by_id);
        ret->late = m->n_late;
}

/* ---- the multiplexer ---- */

static void on_up(struct link_user *u) {
}

static void end_all(struct channels *m) {
        while (!list_is_empty(&m->streams))
                stream_end(LIST_ENTRY(list_first(&m->streams), struct channel, in_mux), RPC_E_GONE,
                           "the other service is gone");
}

static void on_down(struct link_user *u) {
        end_all(container_of(u, struct channels, user));
}

struct channels *channels_new(struct link *link, struct channel_acceptor *acceptor) {
        struct channels *m = xnew(struct channels);

        m->link = link;
        m->acceptor = acceptor;
        m->by_id = map_new(link_instance());
        m->next_id = link->is_server ? 3 : 2;
        list_init(&m->streams);
        list_init(&m->waiting);
        list_init(&m->owing);
        list_init(&m->ended);
        check(loop_add_defer(link->loop, on_settle, m, &m->settle) == 0);
        m->user = (struct link_user){
                .kinds = KIND(OPEN) | KIND(ACCEPTED) | KIND(RESET) | KIND(DATA) | KIND(FINISH) |
                         KIND(CREDIT),
                .up = on_up,
                .receive = on_frame,
                .down = on_down,
        };
        link_attach(link, &m->user);
        return m;
}

struct channels *channels_free(struct channels *m) {
        if (!m)
                return NULL;
        end_all(m);
        link_detach(&m->user);
        loop_source_free(m->settle);
        map_free(m->by_id);
        free(m);
        return NULL;
}
