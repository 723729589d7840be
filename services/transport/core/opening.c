/* Outbound streams: dial if there is no connection, open, agree on a protocol. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "services/transport/core/manager.h"

#define TIMEOUT_DEFAULT (10 * NSEC_PER_SEC)

static const struct stream_handler selecting;

/* ---- requests ---- */

static void copy_protocols(struct opening *o, const struct transport_open *request) {
        size_t size = 0, n = request->n_protocols;
        char *at;

        for (size_t i = 0; i < n; i++)
                size += strlen(request->protocols[i]) + 1;
        at = o->names = xmalloc(size + 1);
        for (size_t i = 0; i < n; i++) {
                size_t length = strlen(request->protocols[i]) + 1;

                o->proposals[i] = memcpy(at, request->protocols[i], length);
                at += length;
        }
        o->request.protocols = o->proposals;
}

/* What the peer said it speaks goes first; otherwise the caller's order stands. */
static void prefer_announced(struct opening *o, const struct peer *peer) {
        size_t n_first = 0;

        for (size_t i = 0; i < o->request.n_protocols; i++) {
                const char *name = o->proposals[i];

                if (!peer_speaks(peer, name))
                        continue;
                memmove(&o->proposals[n_first + 1], &o->proposals[n_first],
                        (i - n_first) * sizeof(o->proposals[0]));
                o->proposals[n_first++] = name;
        }
}

static void on_timeout(struct transport *t, struct timer *timer) {
        static const char *const stages[] = {
                [OPENING_DIAL] = "connecting",
                [OPENING_STREAM] = "waiting until the peer allows another stream",
                [OPENING_SELECT] = "agreeing on a protocol",
        };
        struct opening *o = container_of(timer, struct opening, timer);
        char text[TRANSPORT_TEXT_SIZE], duration[32];

        (void) snprintf(text, sizeof(text), "gave up after %s of %s",
                        text_format_duration(o->request.timeout, duration), stages[o->stage]);
        opening_end(t, o, TRANSPORT_E_TIMED_OUT, text);
}

static struct opening *opening_new(struct transport *t, const struct transport_open *request) {
        struct opening *o = xnew(struct opening);

        o->transport = t;
        o->number = ++t->last_number;
        o->request = *request;
        o->request.addrs = NULL;
        if (o->request.timeout == 0)
                o->request.timeout = TIMEOUT_DEFAULT;
        o->began = t->now;
        list_init(&o->link);
        copy_protocols(o, request);
        timer_init(&o->timer, on_timeout);
        timer_set(t, &o->timer, nsec_add(t->now, o->request.timeout));
        map_set_u64(t->openings, o->number, o);
        return o;
}

static void opening_free(struct transport *t, struct opening *o) {
        list_remove(&o->link);
        timer_stop(t, &o->timer);
        map_remove_u64(t->openings, o->number);
        if (o->stage == OPENING_SELECT)
                select_done(&o->select);
        if (o->acquaintance)
                o->acquaintance->n_openings--;
        free(o->unnamed);
        free(o->names);
        free(o);
}

/* ---- addresses without an id ---- */

/* Whoever was there the first time is whom it stands for. */
static void name_peer(struct transport *t, struct opening *o, struct transport_open *request) {
        const struct met_entry *met;

        if (!peer_id_is_none(&request->peer) || request->n_addrs != 1 ||
            !met_is_kept(&request->addrs[0]))
                return;
        o->unnamed = xnew(struct multiaddr);
        *o->unnamed = request->addrs[0];
        met = met_find(&t->met, o->unnamed);
        if (met)
                request->peer = o->request.peer = met->peer;
}

static void explain_other(struct opening *o, const struct peer_id *first) {
        char peer[PEER_ID_TEXT_SIZE], addr[MULTIADDR_TEXT_SIZE];

        (void) snprintf(
                o->text, sizeof(o->text),
                "%.256s: this node first met %s there, and somebody else answers now, who is "
                "refused; if its key was changed, ask its operator for the new peer id "
                "(`quorate key show`) and write PEERID@host:port",
                multiaddr_text(o->unnamed, addr), peer_id_text(first, peer));
}

static void note_who_is_there(struct transport *t, struct opening *o) {
        bool is_new =
                o->outcome == TRANSPORT_OK && met_learn(&t->met, o->unnamed, &o->request.peer);
        struct met_entry *met = met_find(&t->met, o->unnamed);
        bool was_other;

        if (!met || (o->outcome != TRANSPORT_OK && o->outcome != TRANSPORT_E_WRONG_PEER))
                return;
        if (!peer_id_equal(&met->peer, &o->request.peer)) /* two first dials at once */
                o->outcome = TRANSPORT_E_WRONG_PEER;
        was_other = met->is_other;
        met->is_other = o->outcome == TRANSPORT_E_WRONG_PEER;
        if (met->is_other)
                explain_other(o, &met->peer);
        if ((is_new || met->is_other != was_other) && t->events.on_met)
                t->events.on_met(t->userdata, met, is_new);
}

struct met *transport_met(struct transport *t) {
        return &t->met;
}

/* Dials, or joins the dial under way. The opening waits in `a`, or unclaimed. */
static void opening_dial(struct transport *t, struct opening *o, const struct transport_open *r) {
        struct transport_open request = *r;
        char text[TRANSPORT_TEXT_SIZE];
        int code;

        request.timeout = o->request.timeout;
        list_push_back(o->acquaintance ? &o->acquaintance->openings : &t->unclaimed, &o->link);
        code = connecting_request(t, &request, &o->dial, text);
        if (code)
                opening_end(t, o, code, text);
}

uint64_t transport_open(struct transport *t, const struct transport_open *asked, nsec_t now) {
        struct transport_open named = *asked;
        const struct transport_open *request = &named;
        struct contact *contact;
        struct opening *o;

        t->now = now;
        check(asked->n_protocols <= TRANSPORT_PROPOSALS_MAX);
        check(!peer_id_is_none(&asked->peer) || asked->n_protocols == 0);
        o = opening_new(t, &named);
        name_peer(t, o, &named);
        if (map_count(t->openings) > t->config.openings_max) {
                opening_end(t, o, TRANSPORT_E_REFUSED, "too many streams being opened here");
                return o->number;
        }
        if (peer_id_is_none(&request->peer)) {
                opening_dial(t, o, request);
                return o->number;
        }

        o->acquaintance = acquaintance_get(t, &request->peer);
        if (!o->acquaintance) {
                opening_end(t, o, TRANSPORT_E_REFUSED, "too many peers known here");
                return o->number;
        }
        o->acquaintance->n_openings++;
        for (size_t i = 0; i < request->n_addrs; i++)
                peer_add_address(o->acquaintance->peer, &request->addrs[i],
                                 request->is_told ? ADDRESS_IDENTIFY : ADDRESS_CALLER);
        contact = acquaintance_best(t, o->acquaintance);
        if (contact)
                opening_proceed(t, o, contact);
        else
                opening_dial(t, o, request);
        return o->number;
}

static void forget_stream(struct opening *o) {
        struct stream *s = TAKE(o->stream);

        if (s)
                stream_abandon(s, 0);
}

void transport_cancel(struct transport *t, uint64_t number) {
        struct opening *o = map_get_u64(t->openings, number);
        struct acquaintance *a;

        if (!o)
                return;
        a = o->acquaintance;
        forget_stream(o);
        opening_free(t, o);
        if (a)
                acquaintance_drop(t, a);
}

/* ---- endings ---- */

/* To be reported with the next opening_report_all(): never inside a request. */
void opening_end(struct transport *t, struct opening *o, enum transport_code code,
                 const char *text) {
        forget_stream(o);
        timer_stop(t, &o->timer);
        o->outcome = code;
        (void) snprintf(o->text, sizeof(o->text), "%s", text);
        list_remove(&o->link);
        list_push_back(&t->ended, &o->link);
}

static void report(struct transport *t, struct opening *o, struct stream *s) {
        struct transport_opened opened;

        if (o->unnamed)
                note_who_is_there(t, o);
        opened = (struct transport_opened){
                .code = o->outcome,
                .text = o->text,
                .stream = s,
                .protocol = o->stage == OPENING_SELECT ? select_protocol(&o->select) : "",
                .peer = o->request.peer,
                .took = nsec_sub(t->now, o->began),
        };
        o->request.fn(o->request.userdata, &opened);
}

/* Those that end meanwhile have their turn next time: who tries again at once must not keep
 * us here. */
void opening_report_all(struct transport *t) {
        struct list turn, *link;

        list_init(&turn);
        while ((link = list_pop_front(&t->ended)))
                list_push_back(&turn, link);
        while ((link = list_first(&turn))) {
                struct opening *o = LIST_ENTRY(link, struct opening, link);
                struct acquaintance *a = o->acquaintance;

                list_remove(&o->link);
                map_remove_u64(t->openings, o->number);
                report(t, o, NULL);
                opening_free(t, o);
                if (a)
                        acquaintance_drop(t, a);
        }
}

static const enum transport_code codes[DIAL_OUTCOME_N] = {
        [DIAL_NO_ANSWER] = TRANSPORT_E_UNREACHABLE, [DIAL_REFUSED] = TRANSPORT_E_REFUSED,
        [DIAL_WRONG_PEER] = TRANSPORT_E_WRONG_PEER, [DIAL_NO_NAME] = TRANSPORT_E_UNREACHABLE,
        [DIAL_NO_ROUTE] = TRANSPORT_E_UNREACHABLE,  [DIAL_CANCELLED] = TRANSPORT_E_REFUSED,
};

static void end_unclaimed(struct transport *t, const struct dial_ending *e, const char *text) {
        LIST_FOREACH_SAFE (link, &t->unclaimed) {
                struct opening *o = LIST_ENTRY(link, struct opening, link);

                if (o->dial == e->dial)
                        opening_end(t, o, codes[e->outcome], text);
        }
}

void opening_on_ending(struct transport *t, const struct dial_ending *e) {
        struct acquaintance *a = acquaintance_of(t, &e->peer);
        char text[TRANSPORT_TEXT_SIZE];
        struct list *link;

        if (e->outcome == DIAL_CONNECTED)
                return;
        (void) snprintf(text, sizeof(text), "tried %s", e->tried[0] ? e->tried : "nothing");
        end_unclaimed(t, e, text);
        if (!a || acquaintance_best(t, a))
                return;
        while ((link = list_first(&a->openings)))
                opening_end(t, LIST_ENTRY(link, struct opening, link), codes[e->outcome], text);
        if (acquaintance_is_kept(a))
                connecting_schedule(t, &a->redial, ++a->n_failures);
}

/* The connection is gone; what had no stream yet looks for another one. */
void opening_contact_gone(struct transport *t, struct contact *contact, const char *why) {
        struct contact *other = acquaintance_best(t, contact->acquaintance);
        char text[TRANSPORT_TEXT_SIZE];
        struct list *link;

        (void) snprintf(text, sizeof(text), "connection lost while opening: %s", why);
        while ((link = list_pop_front(&contact->waiting))) {
                struct opening *o = LIST_ENTRY(link, struct opening, link);

                if (other)
                        opening_proceed(t, o, other);
                else
                        opening_end(t, o, TRANSPORT_E_LOST, text);
        }
}

void opening_claim(struct transport *t, struct contact *contact) {
        LIST_FOREACH_SAFE (link, &t->unclaimed) {
                struct opening *o = LIST_ENTRY(link, struct opening, link);

                if (o->dial != contact->dial)
                        continue;
                o->request.peer = contact->acquaintance->peer->id;
                opening_end(t, o, TRANSPORT_OK, "");
        }
}

void opening_free_all(struct transport *t) {
        size_t cursor = 0;
        struct bytes key;
        void *o;

        while (map_next(t->openings, &cursor, &key, &o))
                opening_end(t, o, TRANSPORT_E_LOST, "the transport is stopping");
        opening_report_all(t);
}

/* ---- streams ---- */

static void start_selecting(struct transport *t, struct opening *o) {
        CLEANUP(buffer_donep) struct buffer out = {};

        buffer_init(&out, 2 * SELECT_MESSAGE_MAX);
        o->stage = OPENING_SELECT;
        prefer_announced(o, o->acquaintance->peer);
        select_init_initiator(&o->select, o->proposals, o->request.n_protocols, false, &out);
        if (stream_write(o->stream, buffer_bytes(&out)))
                opening_end(t, o, TRANSPORT_E_REFUSED,
                            "no room to send: too many bytes are queued for this peer");
}

void opening_proceed(struct transport *t, struct opening *o, struct contact *contact) {
        int r;

        if (o->request.n_protocols == 0) {
                opening_end(t, o, TRANSPORT_OK, "");
                return;
        }
        o->stage = OPENING_STREAM;
        r = connection_open_stream(contact->connection, &selecting, o, &o->stream);
        if (r == CONNECTION_E_BUSY) {
                list_push_back(&contact->waiting, &o->link);
                return;
        }
        if (r) {
                o->stream = NULL;
                opening_end(t, o, r == CONNECTION_E_CLOSED ? TRANSPORT_E_LOST : TRANSPORT_E_REFUSED,
                            r == CONNECTION_E_CLOSED ? "the connection is closing"
                                                     : "a limit of this node on streams");
                return;
        }
        start_selecting(t, o);
}

void opening_retry_busy(void *userdata, struct connection *connection) {
        struct contact *c = connection_userdata(connection);
        struct transport *t = userdata;
        struct list again, *link;

        if (!c)
                return;
        list_init(&again);
        while ((link = list_pop_front(&c->waiting)))
                list_push_back(&again, link);
        while ((link = list_pop_front(&again)))
                opening_proceed(t, LIST_ENTRY(link, struct opening, link), c);
}

/* The stream belongs to whoever asked for it from here on. */
static void agreed(struct opening *o, struct stream *s) {
        struct transport *t = o->transport;
        struct acquaintance *a = o->acquaintance;
        struct tag tag = { .transport = t };

        if (o->request.is_needed)
                tag.needed = s->connection;
        stream_tag(s, &tag);
        t->stats.streams_out++;
        o->stream = NULL;
        o->outcome = TRANSPORT_OK;
        s->handler = NULL;
        list_remove(&o->link);
        map_remove_u64(t->openings, o->number);
        report(t, o, s);
        if (!s->handler)
                stream_abandon(s, 0);
        opening_free(t, o);
        acquaintance_drop(t, a);
}

static void refused(struct opening *o, int result) {
        char text[TRANSPORT_TEXT_SIZE];

        o->transport->stats.negotiations_failed++;
        if (result != SELECT_E_NONE) {
                opening_end(o->transport, o, TRANSPORT_E_RESET,
                            "the peer does not speak multistream-select");
                return;
        }
        (void) snprintf(
                text, sizeof(text), "the peer speaks none of the %zu protocols asked for: %s%s",
                o->request.n_protocols, o->proposals[0], o->request.n_protocols > 1 ? ", ..." : "");
        opening_end(o->transport, o, TRANSPORT_E_NO_PROTOCOL, text);
}

static void on_data(struct stream *s, struct bytes data) {
        CLEANUP(buffer_donep) struct buffer out = {};
        struct opening *o = s->userdata;
        struct bytes rest = data;
        int r;

        buffer_init(&out, SELECT_PROPOSALS_MAX * SELECT_MESSAGE_MAX);
        r = select_input(&o->select, &rest, &out);
        stream_consumed(s, data.len - rest.len);
        if (out.len > 0 && stream_write(s, buffer_bytes(&out)))
                r = SELECT_E_INVALID;
        if (r == SELECT_AGREED) {
                agreed(o, s);
        } else if (r != SELECT_MORE) {
                refused(o, r);
        }
        if (rest.len > 0)
                stream_deliver(s, rest);
}

static void on_fin(struct stream *s) {
        struct opening *o = s->userdata;

        opening_end(o->transport, o, TRANSPORT_E_RESET,
                    "the peer closed the stream before agreeing on a protocol");
}

static void on_reset(struct stream *s, uint64_t code) {
        struct opening *o = s->userdata;

        opening_end(o->transport, o, TRANSPORT_E_RESET,
                    "the peer reset the stream before agreeing on a protocol");
}

static void on_close(struct stream *s, enum stream_end end) {
        struct opening *o = s->userdata;

        o->stream = NULL;
        opening_end(o->transport, o, TRANSPORT_E_LOST,
                    "connection lost while agreeing on a protocol");
}

static const struct stream_handler selecting = {
        .on_data = on_data,
        .on_fin = on_fin,
        .on_reset = on_reset,
        .on_stop = on_reset,
        .on_close = on_close,
};
