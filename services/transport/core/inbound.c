/* Inbound streams: agree on a protocol, count it, hand it to whoever serves it. */

#include "common/base/error.h"
#include "services/transport/core/manager.h"

struct served *inbound_find(struct transport *t, struct bytes name) {
        for (size_t i = 0; i < t->n_served; i++)
                if (bytes_equal(BYTES_STR(t->served[i].protocol.name), name))
                        return &t->served[i];
        return NULL;
}

int transport_serve(struct transport *t, const struct transport_protocol *p, nsec_t now) {
        t->now = now;
        if (t->n_served == PROTOCOLS_MAX || inbound_find(t, BYTES_STR(p->name)))
                return TRANSPORT_E_TAKEN;
        check(strlen(p->name) <= SELECT_NAME_MAX);
        t->served[t->n_served++] = (struct served){ .protocol = *p, .number = ++t->last_number };
        exchange_changed(t);
        return TRANSPORT_DONE;
}

void transport_unserve(struct transport *t, const char *name, nsec_t now) {
        struct served *s = inbound_find(t, BYTES_STR(name));

        t->now = now;
        if (!s)
                return;
        *s = t->served[--t->n_served];
        exchange_changed(t);
}

/* ---- what agreed streams are charged with ---- */

static void on_gone(struct stream *s) {
        struct tag *tag = TAKE(s->tag);
        struct acquaintance *a = acquaintance_of(tag->transport, &s->peer);
        uint32_t *count = a && tag->protocol ? acquaintance_inbound(a, tag->protocol) : NULL;

        if (count && *count > 0)
                (*count)--;
        if (tag->needed)
                connection_unneed(tag->needed);
        free(tag);
}

void stream_tag(struct stream *s, const struct tag *tag) {
        if (tag->needed)
                connection_need(tag->needed);
        s->tag = xmemdup(tag, sizeof(*tag));
        s->on_gone = on_gone;
}

/* ---- negotiation ---- */

static bool serves(void *userdata, struct bytes name) {
        return inbound_find(userdata, name) != NULL;
}

static void negotiation_free(struct negotiation *n) {
        list_remove(&n->link);
        timer_stop(n->transport, &n->timer);
        select_done(&n->select);
        free(n);
}

static void give_up(struct negotiation *n) {
        struct stream *s = n->stream;

        n->transport->stats.negotiations_failed++;
        negotiation_free(n);
        stream_abandon(s, 0);
}

static bool admit(struct transport *t, struct stream *s, const struct served *served) {
        struct acquaintance *a = acquaintance_of(t, &s->peer);
        uint32_t max = served->protocol.max_per_peer;
        uint32_t *count = a ? acquaintance_inbound(a, served->number) : NULL;
        struct tag tag = { .transport = t, .protocol = served->number };

        if (!count || *count >= (max ? max : STREAMS_PER_PEER))
                return false;
        (*count)++;
        if (served->protocol.is_needed)
                tag.needed = s->connection;
        stream_tag(s, &tag);
        t->stats.streams_in++;
        return true;
}

static void agreed(struct negotiation *n, struct stream *s) {
        struct transport *t = n->transport;
        struct served *served = inbound_find(t, BYTES_STR(select_protocol(&n->select)));

        negotiation_free(n);
        s->handler = NULL;
        if (served && admit(t, s, served))
                served->protocol.open(served->protocol.userdata, s, served->protocol.name);
        else
                t->stats.streams_refused++;
        if (!s->handler)
                stream_abandon(s, 0);
}

static void on_data(struct stream *s, struct bytes data) {
        CLEANUP(buffer_donep) struct buffer out = {};
        struct negotiation *n = s->userdata;
        struct bytes rest = data;
        int r;

        buffer_init(&out, SELECT_PROPOSALS_MAX * SELECT_MESSAGE_MAX);
        r = select_input(&n->select, &rest, &out);
        stream_consumed(s, data.len - rest.len);
        if (out.len > 0 && stream_write(s, buffer_bytes(&out)))
                r = SELECT_E_INVALID;
        if (r == SELECT_AGREED)
                agreed(n, s);
        else if (r != SELECT_MORE)
                give_up(n);
        if (rest.len > 0)
                stream_deliver(s, rest);
}

static void on_fin(struct stream *s) {
        give_up(s->userdata);
}

static void on_reset(struct stream *s, uint64_t code) {
        give_up(s->userdata);
}

static void on_close(struct stream *s, enum stream_end end) {
        negotiation_free(s->userdata);
}

static void on_timeout(struct transport *t, struct timer *timer) {
        give_up(container_of(timer, struct negotiation, timer));
}

static const struct stream_handler negotiating = {
        .on_data = on_data,
        .on_fin = on_fin,
        .on_reset = on_reset,
        .on_stop = on_reset,
        .on_close = on_close,
};

void inbound_on_stream(void *userdata, struct connection *connection, struct stream *s) {
        CLEANUP(buffer_donep) struct buffer out = {};
        struct negotiation *n = xnew(struct negotiation);
        struct transport *t = userdata;

        n->transport = t;
        n->stream = s;
        list_init(&n->link);
        list_push_back(&t->negotiations, &n->link);
        timer_init(&n->timer, on_timeout);
        timer_set(t, &n->timer, nsec_add(t->now, t->config.negotiate_timeout));
        stream_attach(s, &negotiating, n);

        buffer_init(&out, SELECT_MESSAGE_MAX);
        select_init_responder(&n->select, serves, t, &out);
        if (stream_write(s, buffer_bytes(&out)))
                give_up(n);
}
