#include "common/base/error.h"
#include "services/transport/quic/internal.h"

#define UNEXPECTED_MESSAGE 10 /* TLS alert, RFC 8446 B.2 */

/* What ngtcp2 tells us. Handlers run inside these; nothing here may free the
 * connection or write packets. */

static void on_rand(uint8_t *dest, size_t n, const ngtcp2_rand_ctx *ctx) {
        struct quic *q = ctx->native_handle;

        q->events.random(q->userdata, dest, n);
}

static int on_crypto_data(ngtcp2_conn *conn, qc_level level, uint64_t offset, const uint8_t *data,
                          size_t len, void *userdata) {
        struct connection *c = userdata;

        if (level != QC_LEVEL_1RTT)
                return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, len, userdata);
        if (tls_late_input(&c->late, c->is_inbound, BYTES(data, len)))
                return 0;
        ngtcp2_conn_set_tls_alert(conn, UNEXPECTED_MESSAGE);
        return NGTCP2_ERR_CRYPTO;
}

static int on_new_cid(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t len,
                      void *userdata) {
        struct connection *c = userdata;
        struct quic *q = c->quic;

        cid->datalen = len;
        q->events.random(q->userdata, cid->data, len);
        if (ngtcp2_crypto_generate_stateless_reset_token(token, q->config.reset_key,
                                                         sizeof(q->config.reset_key), cid) != 0)
                return NGTCP2_ERR_CALLBACK_FAILURE;
        return connection_add_cid(c, cid) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int on_remove_cid(ngtcp2_conn *conn, const ngtcp2_cid *cid, void *userdata) {
        connection_remove_cid(userdata, cid);
        return 0;
}

/* A server that got here has checked the client's certificate: it is done. A client
 * must wait until the server says the same. */
static int on_completed(ngtcp2_conn *conn, void *userdata) {
        struct connection *c = userdata;

        if (c->tls.verdict != TLS_OK || peer_id_is_none(&c->tls.peer))
                return NGTCP2_ERR_CALLBACK_FAILURE; /* no peer was proven: never go on */
        if (c->state == CONNECTION_HANDSHAKE)
                c->state = CONNECTION_COMPLETED;
        if (c->n_needs > 0)
                connection_keep_alive(c);
        if (c->is_inbound)
                connection_confirm(c);
        return 0;
}

static int on_confirmed(ngtcp2_conn *conn, void *userdata) {
        connection_confirm(userdata);
        return 0;
}

/* A peer that opens streams has accepted us, even when its HANDSHAKE_DONE is late. */
static int on_stream_open(ngtcp2_conn *conn, int64_t id, void *userdata) {
        struct connection *c = userdata;
        struct quic *q = c->quic;
        struct quic_stream *s;

        if (peer_id_is_none(&c->tls.peer))
                return NGTCP2_ERR_CALLBACK_FAILURE;
        connection_confirm(c);
        s = quic_stream_new(c, id, true);
        if (q->events.on_stream && c->state == CONNECTION_CONFIRMED)
                q->events.on_stream(q->userdata, c, &s->base);
        else
                stream_abandon(&s->base, 0);
        return 0;
}

static int on_stream_data(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset,
                          const uint8_t *data, size_t len, void *userdata, void *stream) {
        if (stream)
                quic_stream_received(stream, BYTES(data, len), flags & NGTCP2_STREAM_DATA_FLAG_FIN);
        else
                ngtcp2_conn_extend_max_offset(conn, len);
        return 0;
}

static int on_acked(ngtcp2_conn *conn, int64_t id, uint64_t offset, uint64_t len, void *userdata,
                    void *stream) {
        if (stream)
                quic_stream_acked(stream, offset + len);
        return 0;
}

/* A stream of the peer may have closed before any byte of it came. */
static int on_stream_close(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code,
                           void *userdata, void *stream) {
        bool reset = flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET;

        if (!ngtcp2_conn_is_local_stream(conn, id))
                ngtcp2_conn_extend_max_streams_bidi(conn, 1);
        if (stream)
                quic_stream_end(stream, reset ? STREAM_END_RESET : STREAM_END_CLEAN);
        return 0;
}

static int on_stream_reset(ngtcp2_conn *conn, int64_t id, uint64_t final_size, uint64_t code,
                           void *userdata, void *stream) {
        struct quic_stream *s = stream;

        if (s && s->base.handler && s->base.handler->on_reset)
                s->base.handler->on_reset(&s->base, code);
        return 0;
}

static int on_max_stream_data(ngtcp2_conn *conn, int64_t id, uint64_t max, void *userdata,
                              void *stream) {
        if (stream)
                quic_stream_unblock(stream);
        return 0;
}

static int on_max_streams(ngtcp2_conn *conn, uint64_t max, void *userdata) {
        struct connection *c = userdata;
        struct quic *q = c->quic;

        if (!c->wants_streams || c->state != CONNECTION_CONFIRMED)
                return 0;
        c->wants_streams = false;
        if (q->events.on_streams)
                q->events.on_streams(q->userdata, c);
        return 0;
}

static int on_datagram(ngtcp2_conn *conn, uint32_t flags, const uint8_t *data, size_t len,
                       void *userdata) {
        struct connection *c = userdata;
        struct quic *q = c->quic;

        if (c->state == CONNECTION_CONFIRMED && q->events.on_datagram)
                q->events.on_datagram(q->userdata, c, BYTES(data, len));
        return 0;
}

/* A reset carries a made-up id, so on a shared socket only its token tells whom it
 * is for. */
static int on_peer_cid(ngtcp2_conn *conn, qc_cid_status type, uint64_t sequence,
                       const ngtcp2_cid *cid, const uint8_t *token, void *userdata) {
        if (!token)
                return 0;
        if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE)
                connection_add_token(userdata, token);
        else
                connection_remove_token(userdata, token);
        return 0;
}

static int on_stateless_reset(ngtcp2_conn *conn, const ngtcp2_pkt_stateless_reset *sr,
                              void *userdata) {
        struct connection *c = userdata;

        c->was_reset = true;
        return 0;
}

static QC_PATH_VALIDATION(on_path_validation) {
        struct connection *c = userdata;

        if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS)
                c->path_changed = true;
        return 0;
}

const ngtcp2_callbacks connection_callbacks = {
        .client_initial = ngtcp2_crypto_client_initial_cb,
        .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
        .recv_crypto_data = on_crypto_data,
        .handshake_completed = on_completed,
        .encrypt = ngtcp2_crypto_encrypt_cb,
        .decrypt = ngtcp2_crypto_decrypt_cb,
        .hp_mask = ngtcp2_crypto_hp_mask_cb,
        .recv_stream_data = on_stream_data,
        .acked_stream_data_offset = on_acked,
        .stream_open = on_stream_open,
        .stream_close = on_stream_close,
        .recv_stateless_reset = on_stateless_reset,
        .recv_retry = ngtcp2_crypto_recv_retry_cb,
        .extend_max_local_streams_bidi = on_max_streams,
        .rand = on_rand,
        .get_new_connection_id = on_new_cid,
        .remove_connection_id = on_remove_cid,
        .update_key = ngtcp2_crypto_update_key_cb,
        .path_validation = on_path_validation,
        .stream_reset = on_stream_reset,
        .extend_max_stream_data = on_max_stream_data,
        .dcid_status = on_peer_cid,
        .handshake_confirmed = on_confirmed,
        .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
        .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
        .recv_datagram = on_datagram,
        .get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
        .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
};
