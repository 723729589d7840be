#include "common/base/error.h"
#include "proto/transport.pb-c.h"
#include "services/coordinator/shell_data_parts.h"

#define OPEN_TIMEOUT_MS 10000

void supply_close(struct supply *s) {
        if (s->channel)
                channel_reset(s->channel, 0, "done");
        s->channel = NULL;
        frame_reader_done(&s->frames);
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        struct supply *s = userdata;

        s->accepted = true;
        fetch_opened(store_fetch_core(s->getting->fetch), s->provider,
                     loop_now(s->getting->data->loop));
        getting_pump(s->getting);
}

static void supply_lost(struct supply *s, enum fetch_fault why) {
        struct getting *g = s->getting;

        supply_close(s);
        fetch_closed(store_fetch_core(g->fetch), s->provider, why, loop_now(g->data->loop));
        getting_pump(g);
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct supply *s = userdata;
        struct getting *g = s->getting;
        struct fetch *core = store_fetch_core(g->fetch);
        nsec_t now = loop_now(g->data->loop);
        struct bytes frame;
        int r;

        channel_consumed(c, 1);
        fetch_alive(core, s->provider, now);
        while ((r = frame_reader_next(&s->frames, &data, &frame)) == FRAME_OK)
                fetch_frame(core, s->provider, frame, now);
        if (r != FRAME_E_MORE)
                supply_lost(s, FETCH_FAULT_MALFORMED);
        else
                getting_pump(g);
}

static void on_finish(struct channel *c, void *userdata) {
        supply_lost(userdata, FETCH_FAULT_CLOSED);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct supply *s = userdata;

        s->channel = NULL;
        supply_lost(s, s->accepted ? FETCH_FAULT_CLOSED : FETCH_FAULT_UNREACHABLE);
}

static const struct channel_handler supply_handler = {
        .on_accepted = on_accepted,
        .on_data = on_data,
        .on_finish = on_finish,
        .on_end = on_end,
};

/* Told by strangers, so transport judges them like those that a peer announces itself. */
static void put_addresses(const struct getting *g, const struct peer_id *peer,
                          ProtobufCBinaryData space[CANDIDATE_ADDRESSES_MAX],
                          Transport__StreamOpen *open) {
        for (size_t i = 0; i < g->n_strangers; i++) {
                const struct candidate *c = &g->strangers[i];

                if (!peer_id_equal(&c->peer, peer))
                        continue;
                for (size_t k = 0; k < c->n_addresses; k++)
                        space[k] = (ProtobufCBinaryData){ c->addresses[k].len,
                                                          (uint8_t *) c->addresses[k].bytes };
                open->addresses = space;
                open->n_addresses = c->n_addresses;
                open->told = true;
        }
}

void supply_open(struct getting *g, const struct fetch_action *a) {
        struct supply *s = &g->supplies[a->provider];
        Transport__StreamOpen open = TRANSPORT__STREAM_OPEN__INIT;
        ProtobufCBinaryData addresses[CANDIDATE_ADDRESSES_MAX];
        char *protocols[] = { (char *) g->data->config.protocol };

        open.peer = (ProtobufCBinaryData){ a->peer.len, (uint8_t *) a->peer.bytes };
        open.protocols = protocols;
        open.n_protocols = 1;
        open.timeout_ms = OPEN_TIMEOUT_MS;
        put_addresses(g, &a->peer, addresses, &open);
        *s = (struct supply){ .getting = g, .provider = a->provider };
        frame_reader_init(&s->frames, DATA_ANSWER_MAX);
        if (g->data->transport)
                s->channel = channel_open_message(g->data->transport, "stream", &open,
                                                  &supply_handler, s);
        if (!s->channel)
                fetch_closed(store_fetch_core(g->fetch), a->provider, FETCH_FAULT_UNREACHABLE,
                             loop_now(g->data->loop));
}

/* Requests are a few hundred bytes and a stream may always send some units, so this
 * only fails when the stream is no more: its on_end follows. */
void supply_send(struct getting *g, const struct fetch_action *a) {
        struct supply *s = &g->supplies[a->provider];

        if (s->channel && channel_send(s->channel, a->data) == CHANNEL_E_FULL)
                fetch_closed(store_fetch_core(g->fetch), a->provider, FETCH_FAULT_SILENT,
                             loop_now(g->data->loop));
}
