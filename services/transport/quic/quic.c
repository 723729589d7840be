#include "services/transport/quic.h"

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/transport/quic/internal.h"

void quic_config_default(struct quic_config *ret) {
        *ret = (struct quic_config){
                .limits = { .connections = 1024,
                            .connections_per_ip = 16,
                            .connections_per_net = 64,
                            .handshakes_per_net = 64,
                            .half_open = 128,
                            .retry_above = 32,
                            .streams = 256,
                            .stream_send_bytes = 1024 * 1024,
                            .connection_send_bytes = 8 * 1024 * 1024,
                            .total_send_bytes = 256 * 1024 * 1024,
                            .stream_window = 8 * 1024 * 1024,
                            .connection_window = 12 * 1024 * 1024,
                            .total_receive_bytes = 1024 * 1024 * 1024 },
                .congestion = QUIC_CUBIC,
                .idle_timeout = 30 * NSEC_PER_SEC,
                .handshake_timeout = 5 * NSEC_PER_SEC,
                .keep_alive = 10 * NSEC_PER_SEC,
                .max_payload = 1452,
        };
}

static uint64_t seed(struct quic *q) {
        uint64_t v;

        q->events.random(q->userdata, &v, sizeof(v));
        return v;
}

struct quic *quic_new(const struct quic_config *config, const struct quic_events *events,
                      void *userdata) {
        struct quic *q = xnew(struct quic);

        check(config->tls && events->random && events->on_connected && events->on_closed);
        check(config->max_payload >= INITIAL_MIN && config->max_payload <= PACKET_MAX);
        check(config->limits.stream_send_bytes >= QUIC_SEND_BYTES_MIN);
        check(config->limits.connection_send_bytes >= QUIC_SEND_BYTES_MIN);
        check(config->limits.total_send_bytes >= QUIC_SEND_BYTES_MIN);
        q->config = *config;
        q->events = *events;
        q->userdata = userdata;
        list_init(&q->ready);
        list_init(&q->closed);
        list_init(&q->starved);
        heap_init(&q->deadlines);
        budget_init(&q->budget, config->limits.total_send_bytes, NULL);
        budget_init(&q->receive_budget, config->limits.total_receive_bytes, NULL);
        q->connections = map_new(seed(q));
        q->cids = map_new(seed(q));
        q->tokens = map_new(seed(q));
        q->per_ip = map_new(seed(q));
        q->per_net = map_new(seed(q));
        q->answers = xnew_n(struct quic_answer, ANSWERS_MAX);
        q->train = xmalloc(TRAIN_MAX);
        events->random(userdata, q->token_keys, sizeof(q->token_keys));
        events->random(userdata, q->rate_key, sizeof(q->rate_key));
        return q;
}

static struct connection *bury_first(struct quic *q) {
        struct list *l = list_first(&q->closed);

        if (!l)
                return NULL;
        q->n_closed--;
        return connection_free(LIST_ENTRY(l, struct connection, closed));
}

struct quic *quic_free(struct quic *q) {
        struct connection_end end = { .kind = CONNECTION_END_LOCAL };
        struct connection *c;
        size_t cursor = 0;

        if (!q)
                return NULL;
        while ((c = quic_next_connection(q, &cursor)))
                connection_finish(c, &end);
        while (q->n_closed > 0)
                bury_first(q);
        heap_done(&q->deadlines);
        map_free(q->connections);
        map_free(q->cids);
        map_free(q->tokens);
        map_free(q->per_ip);
        map_free(q->per_net);
        free(q->answers);
        free(q->train);
        free(q);
        return NULL;
}

void quic_set_tls(struct quic *q, struct tls_context *tls) {
        q->config.tls = tls;
}

void quic_configure(struct quic *q, const struct quic_config *config) {
        check(config->limits.stream_send_bytes >= 2 * STREAM_WRITE_MAX);
        q->config.limits = config->limits;
        q->config.congestion = config->congestion;
        q->config.idle_timeout = config->idle_timeout;
        q->config.handshake_timeout = config->handshake_timeout;
        q->config.keep_alive = config->keep_alive;
        q->budget.limit = config->limits.total_send_bytes;
        q->receive_budget.limit = config->limits.total_receive_bytes;
}

void quic_listen(struct quic *q, bool on) {
        q->is_listening = on;
}

int quic_dial(struct quic *q, const struct path *path, const struct peer_id *expected, nsec_t now,
              struct connection **ret) {
        struct connection_start start = { .path = path, .expected = expected };

        q->now = now;
        if (map_count(q->connections) >= q->config.limits.connections)
                return QUIC_E_LIMIT;
        return connection_new(q, &start, ret);
}

int quic_migrate(struct quic *q, struct connection *c, const struct path *path, nsec_t now) {
        ngtcp2_path_storage ps;

        q->now = now;
        if (c->is_inbound || c->state != CONNECTION_CONFIRMED)
                return CONNECTION_E_CLOSED;
        path_to_ngtcp2(path, &ps);
        if (ngtcp2_conn_initiate_migration(c->ngtcp2, &ps.path, now) != 0)
                return CONNECTION_E_BUSY;
        connection_wake(c);
        return CONNECTION_OK;
}

static struct connection *find(const struct quic *q, const ngtcp2_version_cid *vc) {
        return map_get(q->cids, BYTES(vc->dcid, vc->dcidlen));
}

static void datagram(struct quic *q, const struct datagrams *in, const ngtcp2_path *path,
                     struct bytes packet) {
        ngtcp2_pkt_info info = { .ecn = in->ecn };
        struct connection *c;
        ngtcp2_version_cid vc;
        int r;

        q->stats.datagrams_in++;
        q->stats.bytes_in += packet.len;
        r = ngtcp2_pkt_decode_version_cid(&vc, packet.data, packet.len, CID_LEN);
        if (r != 0 && r != NGTCP2_ERR_VERSION_NEGOTIATION) {
                q->stats.dropped_garbage++;
                return;
        }
        c = find(q, &vc);
        if (!c)
                c = quic_stranger(q, &in->path, &vc, packet);
        if (c)
                connection_input(c, path, &info, packet);
}

void quic_input(struct quic *q, const struct datagrams *in, nsec_t now) {
        size_t segment = in->segment > 0 ? in->segment : in->len;
        ngtcp2_path_storage ps;

        q->now = now;
        path_to_ngtcp2(&in->path, &ps);
        for (size_t at = 0; at < in->len; at += segment) {
                size_t left = in->len - at;

                datagram(q, in, &ps.path, BYTES(in->data + at, left < segment ? left : segment));
        }
}

nsec_t quic_deadline(const struct quic *q) {
        return heap_when(&q->deadlines);
}

static void expire(struct quic *q, struct connection *c) {
        int r;

        if (c->state == CONNECTION_CLOSED) {
                q->n_closed--;
                connection_free(c);
                return;
        }
        r = ngtcp2_conn_handle_expiry(c->ngtcp2, q->now);
        if (r != 0)
                connection_fail(c, r);
        else
                connection_wake(c);
}

void quic_expire(struct quic *q, nsec_t now) {
        struct heap_entry *e;

        q->now = now;
        while ((e = heap_pop_due(&q->deadlines, now)))
                expire(q, container_of(e, struct connection, deadline));
}

static bool output(struct quic *q, struct datagrams *ret) {
        struct list *l;

        if (quic_answer_next(q, ret))
                return true;
        if (q->held.len > 0) {
                *ret = (struct datagrams){ .path = q->held.path,
                                           .data = q->held.data,
                                           .len = q->held.len,
                                           .ecn = q->held_ecn };
                q->held.len = 0;
                return true;
        }
        while ((l = list_first(&q->ready))) {
                struct connection *c = LIST_ENTRY(l, struct connection, ready);

                if (c->wants_close)
                        connection_goodbye(c);
                else if (connection_train(c, ret))
                        return true;
                if (quic_answer_next(q, ret))
                        return true;
        }
        return false;
}

bool quic_output(struct quic *q, struct datagrams *ret, nsec_t now) {
        q->now = now;
        if (!output(q, ret))
                return false;
        q->stats.datagrams_out +=
                ret->segment > 0 ? (ret->len + ret->segment - 1) / ret->segment : 1;
        q->stats.bytes_out += ret->len;
        return true;
}

void quic_close_all(struct quic *q, uint64_t code, nsec_t now) {
        struct connection *c;
        size_t cursor = 0;

        q->now = now;
        while ((c = quic_next_connection(q, &cursor)))
                connection_close(c, code);
}

struct connection *quic_next_connection(const struct quic *q, size_t *cursor) {
        void *value;

        return map_next(q->connections, cursor, NULL, &value) ? value : NULL;
}

void quic_stats(const struct quic *q, struct quic_stats *ret) {
        *ret = q->stats;
        ret->n_connections = (uint32_t) map_count(q->connections);
}
