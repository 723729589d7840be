#include "services/transport/connection.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/transport/quic/internal.h"

#define DIAL_DCID_LEN  16 /* unpredictable: RFC 9000 7.2 asks for 8 or more */
#define SIGNS_IN_IDLE  3  /* signs of life within an idle timeout, at least: one may be lost */
#define SIGN_PAUSE_MIN NSEC_PER_SEC

static ngtcp2_conn *conn_of(ngtcp2_crypto_conn_ref *ref) {
        struct connection *c = ref->user_data;

        return c->ngtcp2;
}

static void new_cid(struct quic *q, ngtcp2_cid *ret, size_t len) {
        ret->datalen = len;
        q->events.random(q->userdata, ret->data, len);
}

bool connection_add_cid(struct connection *c, const ngtcp2_cid *cid) {
        struct bytes key = BYTES(cid->data, cid->datalen);

        if (c->n_cids == CIDS_MAX || map_get(c->quic->cids, key))
                return false;
        map_set(c->quic->cids, key, c);
        c->cids[c->n_cids++] = *cid;
        return true;
}

void connection_remove_cid(struct connection *c, const ngtcp2_cid *cid) {
        for (size_t i = 0; i < c->n_cids; i++) {
                if (!ngtcp2_cid_eq(&c->cids[i], cid))
                        continue;
                map_remove(c->quic->cids, BYTES(cid->data, cid->datalen));
                c->cids[i] = c->cids[--c->n_cids];
                return;
        }
}

static struct bytes token_bytes(const uint8_t *token) {
        return BYTES(token, NGTCP2_STATELESS_RESET_TOKENLEN);
}

void connection_add_token(struct connection *c, const uint8_t *token) {
        struct map *tokens = c->quic->tokens;

        if (c->n_tokens == TOKENS_MAX || map_get(tokens, token_bytes(token)))
                return;
        memcpy(c->tokens[c->n_tokens++], token, NGTCP2_STATELESS_RESET_TOKENLEN);
        map_set(tokens, token_bytes(token), c);
}

void connection_remove_token(struct connection *c, const uint8_t *token) {
        for (size_t i = 0; i < c->n_tokens; i++) {
                if (!bytes_equal(token_bytes(c->tokens[i]), token_bytes(token)))
                        continue;
                map_remove(c->quic->tokens, token_bytes(token));
                c->n_tokens--;
                memmove(c->tokens[i], c->tokens[c->n_tokens], sizeof(c->tokens[i]));
                return;
        }
}

static void settings(const struct quic *q, const ngtcp2_pkt_hd *hd, ngtcp2_settings *ret) {
        const struct quic_config *f = &q->config;

        ngtcp2_settings_default(ret);
        ret->cc_algo = f->congestion == QUIC_BBR ? NGTCP2_CC_ALGO_BBR : NGTCP2_CC_ALGO_CUBIC;
        ret->initial_ts = q->now;
        ret->handshake_timeout = f->handshake_timeout;
        ret->max_tx_udp_payload_size = f->max_payload;
        ret->rand_ctx.native_handle = (void *) q;
        if (hd)
                qc_settings_token(ret, qc_token(hd));
}

static void parameters(const struct connection *c, ngtcp2_transport_params *ret) {
        const struct quic *q = c->quic;

        ngtcp2_transport_params_default(ret);
        ret->initial_max_stream_data_bidi_local = window_first(q);
        ret->initial_max_stream_data_bidi_remote = window_first(q);
        ret->initial_max_data = c->window.size;
        ret->initial_max_streams_bidi = q->config.limits.streams;
        ret->initial_max_streams_uni = 0; /* libp2p has none */
        ret->max_idle_timeout = q->config.idle_timeout;
        ret->active_connection_id_limit = 5;
        ret->max_datagram_frame_size = 65535;
        ret->disable_active_migration = 0;
}

static int client_new(struct connection *c, const ngtcp2_path *path) {
        ngtcp2_transport_params p;
        ngtcp2_settings s;
        ngtcp2_cid dcid, scid;

        settings(c->quic, NULL, &s);
        parameters(c, &p);
        new_cid(c->quic, &dcid, DIAL_DCID_LEN);
        new_cid(c->quic, &scid, CID_LEN);
        if (!connection_add_cid(c, &scid))
                return -EAGAIN;
        return ngtcp2_conn_client_new(&c->ngtcp2, &dcid, &scid, path, NGTCP2_PROTO_VER_V1,
                                      &connection_callbacks, &s, &p, NULL, c);
}

static int reset_token(const struct quic *q, const ngtcp2_cid *cid, uint8_t *ret) {
        return ngtcp2_crypto_generate_stateless_reset_token(ret, q->config.reset_key,
                                                            sizeof(q->config.reset_key), cid);
}

/* The client goes on using the DCID it chose until it has seen ours: both lead here. */
static int server_new(struct connection *c, const struct connection_start *start,
                      const ngtcp2_path *path) {
        const ngtcp2_pkt_hd *hd = start->hd;
        ngtcp2_transport_params p;
        ngtcp2_settings s;
        ngtcp2_cid scid;

        settings(c->quic, start->original ? hd : NULL, &s);
        parameters(c, &p);
        new_cid(c->quic, &scid, CID_LEN);
        if (!connection_add_cid(c, &scid) || !connection_add_cid(c, &hd->dcid))
                return -EAGAIN;
        qc_params_original_dcid(&p, start->original ? start->original : &hd->dcid);
        if (start->original) {
                p.retry_scid = hd->dcid;
                p.retry_scid_present = 1;
        }
        if (reset_token(c->quic, &scid, p.stateless_reset_token) < 0)
                return -EIO;
        p.stateless_reset_token_present = 1;
        return ngtcp2_conn_server_new(&c->ngtcp2, &hd->scid, &scid, path, hd->version,
                                      &connection_callbacks, &s, &p, NULL, c);
}

static void tls_prepare(struct connection *c, const struct connection_start *start) {
        c->tls.is_inbound = c->is_inbound;
        c->tls.allow = c->quic->events.allow;
        c->tls.allow_userdata = c->quic->userdata;
        if (start->expected)
                c->tls.expected = *start->expected;
}

static struct connection *alloc(struct quic *q, const struct connection_start *start) {
        struct connection *c = xnew(struct connection);

        c->quic = q;
        c->id = ++q->last_id;
        c->path = *start->path;
        c->is_inbound = start->hd != NULL;
        list_init(&c->ready);
        list_init(&c->closed);
        list_init(&c->streams);
        list_init(&c->sending);
        list_init(&c->blocked);
        list_init(&c->refused);
        list_init(&c->datagrams);
        budget_init(&c->budget, q->config.limits.connection_send_bytes, &q->budget);
        map_set_u64(q->connections, c->id, c);
        return c;
}

static void count_in(struct connection *c) {
        if (!c->is_inbound) {
                c->is_reported = true;
                return;
        }
        c->is_counted = c->is_half_open = true;
        limits_count(c->quic, &c->path.remote, +1);
        c->quic->stats.n_inbound++;
        c->quic->stats.n_half_open++;
}

static bool is_unspecified(const struct endpoint *e) {
        static const uint8_t zero[16];

        return memcmp(e->addr, zero, sizeof(zero)) == 0;
}

int connection_new(struct quic *q, const struct connection_start *start, struct connection **ret) {
        struct connection *c = alloc(q, start);
        ngtcp2_path_storage ps;
        int r;

        if (!window_open(c)) {
                connection_free(c);
                return QUIC_E_LIMIT;
        }
        path_to_ngtcp2(start->path, &ps);
        tls_prepare(c, start);
        r = c->is_inbound ? server_new(c, start, &ps.path) : client_new(c, &ps.path);
        if (r == 0)
                r = tls_session_init(&c->tls, q->config.tls, conn_of, c);
        if (r != 0) {
                connection_free(c);
                return error_origin(-ENOMEM);
        }
        ngtcp2_conn_set_tls_native_handle(c->ngtcp2, c->tls.gnutls);
        c->local_unknown = !c->is_inbound && is_unspecified(&start->path->local);
        count_in(c);
        connection_wake(c);
        *ret = c;
        return 0;
}

struct connection *connection_free(struct connection *c) {
        struct quic *q = c->quic;

        window_close(c);
        list_remove(&c->ready);
        list_remove(&c->closed);
        heap_remove(&q->deadlines, &c->deadline);
        map_remove_u64(q->connections, c->id);
        while (c->n_cids > 0)
                connection_remove_cid(c, &c->cids[0]);
        while (c->n_tokens > 0)
                connection_remove_token(c, c->tokens[c->n_tokens - 1]);
        if (c->ngtcp2)
                ngtcp2_conn_del(c->ngtcp2);
        tls_session_done(&c->tls);
        free(c->farewell);
        free(c);
        return NULL;
}

void connection_wake(struct connection *c) {
        if (list_is_empty(&c->ready))
                list_push_back(&c->quic->ready, &c->ready);
}

/* ngtcp2 drops some things only after their instant, not at it: time must go on. */
void connection_schedule(struct connection *c, nsec_t expiry) {
        heap_set(&c->quic->deadlines, &c->deadline,
                 nsec_max(expiry, nsec_add(c->quic->now, NSEC_PER_USEC)));
}

void connection_confirm(struct connection *c) {
        struct quic *q = c->quic;

        if (c->state >= CONNECTION_CONFIRMED)
                return;
        c->state = CONNECTION_CONFIRMED;
        if (c->is_half_open)
                q->stats.n_half_open--;
        c->is_half_open = false;
        c->is_reported = c->was_confirmed = true;
        q->events.on_connected(q->userdata, c);
}

enum connection_state connection_state(const struct connection *c) {
        return c->state;
}

bool connection_is_inbound(const struct connection *c) {
        return c->is_inbound;
}

uint64_t connection_id(const struct connection *c) {
        return c->id;
}

const struct peer_id *connection_peer(const struct connection *c) {
        return peer_id_is_none(&c->tls.peer) ? &c->tls.expected : &c->tls.peer;
}

struct path connection_path(const struct connection *c) {
        return c->path;
}

void connection_stats(const struct connection *c, struct connection_stats *ret) {
        qc_conn_info info = {};

        *ret = (struct connection_stats){ .bytes_in = c->bytes_in,
                                          .bytes_out = c->bytes_out,
                                          .queued = c->budget.used,
                                          .n_streams = c->n_streams };
        if (!c->ngtcp2)
                return;
        qc_get_info(c->ngtcp2, &info);
        ret->rtt = info.smoothed_rtt;
        ret->rtt_min = info.min_rtt;
        ret->bytes_in_flight = info.bytes_in_flight;
        ret->congestion_window = info.cwnd;
        ret->max_payload = (uint32_t) ngtcp2_conn_get_path_max_tx_udp_payload_size(c->ngtcp2);
}

void *connection_userdata(const struct connection *c) {
        return c->userdata;
}

void connection_set_userdata(struct connection *c, void *userdata) {
        c->userdata = userdata;
}

int connection_open_stream(struct connection *c, const struct stream_handler *handler,
                           void *userdata, struct stream **ret) {
        struct quic_stream *s;
        int64_t id;
        int r;

        if (c->state != CONNECTION_CONFIRMED || c->wants_close)
                return CONNECTION_E_CLOSED;
        r = ngtcp2_conn_open_bidi_stream(c->ngtcp2, &id, NULL);
        if (r == NGTCP2_ERR_STREAM_ID_BLOCKED) {
                c->wants_streams = true;
                return CONNECTION_E_BUSY;
        }
        if (r != 0)
                return error_origin(-ENOMEM);
        s = quic_stream_new(c, id, false);
        stream_attach(&s->base, handler, userdata);
        if (ret)
                *ret = &s->base;
        return CONNECTION_OK;
}

int connection_send_datagram(struct connection *c, struct bytes data) {
        const ngtcp2_transport_params *peer;
        struct datagram *d;

        if (c->state != CONNECTION_CONFIRMED || c->wants_close)
                return CONNECTION_E_CLOSED;
        peer = ngtcp2_conn_get_remote_transport_params(c->ngtcp2);
        /* 3: frame type and length; 40: packet header and tag, generously */
        if (data.len + 3 > peer->max_datagram_frame_size ||
            data.len + 3 + 40 > ngtcp2_conn_get_path_max_tx_udp_payload_size(c->ngtcp2))
                return CONNECTION_E_SIZE;
        if (c->n_datagrams >= DATAGRAMS_MAX)
                return CONNECTION_E_BUSY;
        if (budget_take(&c->budget, data.len + CHUNK_OVERHEAD) != BUDGET_OK)
                return CONNECTION_E_QUOTA;
        d = xnew(struct datagram);
        d->content = refbuf_new(data);
        list_push_back(&c->datagrams, &d->link);
        c->n_datagrams++;
        connection_wake(c);
        return CONNECTION_OK;
}

/* Both sides may need it. The dialler speaks first, so that the listener, whose pause each
 * packet begins anew, hardly ever has to. */
void connection_keep_alive(struct connection *c) {
        nsec_t pause = c->quic->config.keep_alive;
        const ngtcp2_transport_params *theirs = ngtcp2_conn_get_remote_transport_params(c->ngtcp2);

        /* The shorter idle timeout counts (RFC 9000, 10.1): js-libp2p gives up after 10 s. What it
         * costs us is not for a peer to say. */
        if (theirs && theirs->max_idle_timeout > 0)
                pause = nsec_min(
                        pause, nsec_max(theirs->max_idle_timeout / SIGNS_IN_IDLE, SIGN_PAUSE_MIN));
        qc_keep_alive(c->ngtcp2, c->is_inbound ? pause + pause / 4 : pause);
}

/* Its next deadline is another one: without a turn it would go on by the one it had. */
void connection_need(struct connection *c) {
        if (c->n_needs++ > 0 || !c->ngtcp2)
                return;
        connection_keep_alive(c);
        connection_wake(c);
}

void connection_unneed(struct connection *c) {
        check(c->n_needs > 0);
        if (--c->n_needs == 0 && c->ngtcp2)
                qc_keep_alive(c->ngtcp2, 0);
}

void connection_close(struct connection *c, uint64_t code) {
        if (c->state >= CONNECTION_CLOSING)
                return;
        c->state = CONNECTION_CLOSING;
        c->wants_close = true;
        c->close_code = code;
        connection_wake(c);
}
