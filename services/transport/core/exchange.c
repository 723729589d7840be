/* Identify over streams: tell who we are, hear who the peer is, push changes. */

#include "common/base/error.h"
#include "services/transport/core/manager.h"
#include "services/transport/identify.h"

#define ID_PROTOCOL   "/ipfs/id/1.0.0"
#define PUSH_PROTOCOL "/ipfs/id/push/1.0.0"
#define IDS_PER_PEER  4

/* ---- telling ---- */

static void put_self(struct transport *t, struct stream *s, struct buffer *b) {
        struct contact *c = connection_userdata(s->connection);
        const char *protocols[PROTOCOLS_MAX];
        struct multiaddr observed;
        struct identify_self self = {
                .key = t->config.key,
                .listen = t->addrs,
                .n_listen = t->n_addrs,
                .protocols = protocols,
                .n_protocols = t->n_served,
                .agent = t->config.agent,
                .record = buffer_bytes(&t->record),
        };

        for (size_t i = 0; i < t->n_served; i++)
                protocols[i] = t->served[i].protocol.name;
        if (c)
                observed = multiaddr_from_endpoint(&c->remote);
        identify_put(b, &self, c ? &observed : NULL);
}

/* One message, then FIN. */
static void tell(struct transport *t, struct stream *s) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, IDENTIFY_MESSAGE_MAX + VARINT_SIZE_MAX);
        put_self(t, s, &b);
        if (b.failed || stream_write(s, buffer_bytes(&b))) {
                t->stats.identify_failures++;
                stream_abandon(s, 0);
                return;
        }
        stream_finish(s);
}

static const struct stream_handler told = { .on_data = NULL };

static void open_id(void *userdata, struct stream *s, const char *name) {
        stream_attach(s, &told, NULL);
        tell(userdata, s);
}

/* ---- hearing ---- */

/* A stream on which the peer describes itself. */
struct hearing {
        struct transport *transport;
        struct stream *stream;
        struct frame_reader reader;
        struct identify heard;
        struct timer timer;
};

static void hearing_free(struct hearing *h) {
        timer_stop(h->transport, &h->timer);
        frame_reader_done(&h->reader);
        free(h);
}

static void hearing_end(struct hearing *h, bool failed) {
        struct stream *s = h->stream;

        h->transport->stats.identify_failures += failed;
        hearing_free(h);
        if (failed) {
                stream_abandon(s, 0);
                return;
        }
        s->handler = NULL;
        s->userdata = NULL;
        stream_finish(s);
}

static void tell_observed(struct transport *t, bool changed) {
        timer_set(t, &t->observed_timer, observed_deadline(t->observed));
        if (changed && t->events.on_observed)
                t->events.on_observed(t->userdata);
}

static void on_observed_due(struct transport *t, struct timer *timer) {
        tell_observed(t, observed_expire(t->observed, t->now));
}

/* Our one socket listens and dials, so that where we are seen is where we can be reached. */
static void note_observed(struct hearing *h) {
        const struct contact *c = connection_userdata(h->stream->connection);
        struct transport *t = h->transport;
        struct endpoint at;

        if (!h->heard.has_observed || !c || !multiaddr_is_dialable_quic(&h->heard.observed) ||
            !multiaddr_endpoint(&h->heard.observed, &at))
                return;
        tell_observed(t, observed_report(t->observed, &at, &h->stream->peer, &c->remote, t->now));
}

/* Applied message by message: a peer's FIN is not to be relied upon. */
static bool take_message(struct hearing *h, struct bytes message) {
        struct transport *t = h->transport;
        struct peer *peer = peers_find(t->peers, &h->stream->peer);
        struct acquaintance *a = peer ? peer->manager : NULL;

        if (!a || !rate_take(&a->hearings, t->now)) {
                t->stats.hearings_refused++;
                return false;
        }
        if (identify_add(&h->heard, message, &h->stream->peer))
                return false;
        peer_identified(peer, &h->heard);
        t->stats.identified++;
        note_observed(h);
        if (t->events.on_identified)
                t->events.on_identified(t->userdata, peer);
        return true;
}

static void hearing_on_data(struct stream *s, struct bytes data) {
        struct hearing *h = s->userdata;
        struct bytes rest = data, message;
        bool failed = false;
        int r;

        while (!failed && (r = frame_reader_next(&h->reader, &rest, &message)) != FRAME_E_MORE)
                failed = r || !take_message(h, message);
        stream_consumed(s, data.len);
        if (failed)
                hearing_end(h, true);
}

static void hearing_on_fin(struct stream *s) {
        struct hearing *h = s->userdata;

        hearing_end(h, h->heard.n_messages == 0);
}

static void hearing_on_reset(struct stream *s, uint64_t code) {
        hearing_end(s->userdata, true);
}

static void hearing_on_close(struct stream *s, enum stream_end end) {
        hearing_free(s->userdata);
}

static void hearing_on_timeout(struct transport *t, struct timer *timer) {
        struct hearing *h = container_of(timer, struct hearing, timer);

        hearing_end(h, h->heard.n_messages == 0);
}

static const struct stream_handler hearing = {
        .on_data = hearing_on_data,
        .on_fin = hearing_on_fin,
        .on_reset = hearing_on_reset,
        .on_close = hearing_on_close,
};

static void hear(struct transport *t, struct stream *s) {
        struct hearing *h = xnew(struct hearing);

        h->transport = t;
        h->stream = s;
        frame_reader_init(&h->reader, IDENTIFY_MESSAGE_MAX);
        identify_init(&h->heard);
        timer_init(&h->timer, hearing_on_timeout);
        timer_set(t, &h->timer, nsec_add(t->now, t->config.identify_timeout));
        stream_attach(s, &hearing, h);
}

static void open_push(void *userdata, struct stream *s, const char *name) {
        struct transport *t = userdata;

        t->stats.pushes_received++;
        hear(t, s);
}

static void on_asked(void *userdata, const struct transport_opened *o) {
        struct transport *t = userdata;

        if (o->code == TRANSPORT_OK)
                hear(t, o->stream);
        else
                t->stats.identify_failures++;
}

void exchange_ask(struct transport *t, struct contact *contact) {
        static const char *const protocols[] = { ID_PROTOCOL };
        struct transport_open request = {
                .peer = contact->acquaintance->peer->id,
                .protocols = protocols,
                .n_protocols = 1,
                .timeout = t->config.identify_timeout,
                .fn = on_asked,
                .userdata = t,
        };

        (void) transport_open(t, &request, t->now);
}

/* ---- pushing ---- */

static void on_push_opened(void *userdata, const struct transport_opened *o) {
        struct transport *t = userdata;

        if (o->code != TRANSPORT_OK)
                return;
        t->stats.pushes_sent++;
        stream_attach(o->stream, &told, NULL);
        tell(t, o->stream);
}

static void push_to(struct transport *t, const struct peer *peer) {
        static const char *const protocols[] = { PUSH_PROTOCOL };
        struct transport_open request = {
                .peer = peer->id,
                .protocols = protocols,
                .n_protocols = 1,
                .timeout = t->config.identify_timeout,
                .fn = on_push_opened,
                .userdata = t,
        };

        (void) transport_open(t, &request, t->now);
}

static void on_push_due(struct transport *t, struct timer *timer) {
        size_t cursor = 0;
        struct peer *peer;

        while ((peer = peers_next(t->peers, &cursor)))
                if (peer->manager && peer_speaks(peer, PUSH_PROTOCOL) &&
                    transport_connection(t, &peer->id))
                        push_to(t, peer);
}

void exchange_changed(struct transport *t) {
        if (t->n_contacts > 0)
                timer_set(t, &t->push_timer, nsec_add(t->now, PUSH_DELAY));
}

/* ---- ourselves ---- */

const struct observed *transport_observed(const struct transport *t) {
        return t->observed;
}

const char *transport_agent(const struct transport *t) {
        return t->config.agent;
}

void transport_set_addresses(struct transport *t, const struct multiaddr *addrs, size_t n,
                             nsec_t now) {
        t->now = now;
        free(t->addrs);
        t->n_addrs = n < IDENTIFY_ADDRS_MAX ? n : IDENTIFY_ADDRS_MAX;
        t->addrs = xmemdup(addrs, t->n_addrs * sizeof(*addrs));
        exchange_changed(t);
}

void transport_set_record(struct transport *t, struct bytes envelope, nsec_t now) {
        t->now = now;
        buffer_clear(&t->record);
        buffer_put_bytes(&t->record, envelope);
        exchange_changed(t);
}

void exchange_start(struct transport *t) {
        const struct transport_protocol id = {
                .name = ID_PROTOCOL,
                .max_per_peer = IDS_PER_PEER,
                .open = open_id,
                .userdata = t,
        };
        const struct transport_protocol push = {
                .name = PUSH_PROTOCOL,
                .max_per_peer = IDS_PER_PEER,
                .open = open_push,
                .userdata = t,
        };

        timer_init(&t->push_timer, on_push_due);
        timer_init(&t->observed_timer, on_observed_due);
        (void) transport_serve(t, &id, 0);
        (void) transport_serve(t, &push, 0);
}
