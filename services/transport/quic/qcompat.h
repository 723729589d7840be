#pragma once

/* The one place that knows that ngtcp2 0.12 (Debian 12) and 1.x (Debian 13) have
 * different names for the same things. Everybody else says qc_. */

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define qc_configure_client_session ngtcp2_crypto_gnutls_configure_client_session
#define qc_configure_server_session ngtcp2_crypto_gnutls_configure_server_session

/* How a peer closed its connection. */
struct qc_peer_error {
        bool is_application;
        uint64_t code;
        struct bytes reason; /* valid while the connection lives */
};

#if NGTCP2_VERSION_NUM >= 0x010000

#define QC_PATH_BACK_ABORTS 0

typedef ngtcp2_ccerr qc_error;
typedef ngtcp2_conn_info qc_conn_info;
typedef ngtcp2_connection_id_status_type qc_cid_status;
typedef ngtcp2_encryption_level qc_level;
#define QC_LEVEL_1RTT NGTCP2_ENCRYPTION_LEVEL_1RTT

static inline void qc_error_library(qc_error *e, int liberr) {
        ngtcp2_ccerr_default(e);
        ngtcp2_ccerr_set_liberr(e, liberr, NULL, 0);
}
static inline void qc_error_alert(qc_error *e, uint8_t alert) {
        ngtcp2_ccerr_default(e);
        ngtcp2_ccerr_set_tls_alert(e, alert, NULL, 0);
}
static inline void qc_error_application(qc_error *e, uint64_t code) {
        ngtcp2_ccerr_default(e);
        ngtcp2_ccerr_set_application_error(e, code, NULL, 0);
}
static inline struct qc_peer_error qc_peer_error(ngtcp2_conn *conn) {
        const ngtcp2_ccerr *e = ngtcp2_conn_get_ccerr(conn);

        return (struct qc_peer_error){ e->type == NGTCP2_CCERR_TYPE_APPLICATION, e->error_code,
                                       BYTES(e->reason, e->reasonlen) };
}
static inline struct bytes qc_token(const ngtcp2_pkt_hd *hd) {
        return BYTES(hd->token, hd->tokenlen);
}
static inline void qc_settings_token(ngtcp2_settings *s, struct bytes token) {
        s->token = token.data;
        s->tokenlen = token.len;
        s->token_type = token.len > 0 ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_UNKNOWN;
}
static inline void qc_params_original_dcid(ngtcp2_transport_params *p, const ngtcp2_cid *cid) {
        p->original_dcid = *cid;
        p->original_dcid_present = 1;
}
static inline int qc_reset_stream(ngtcp2_conn *conn, int64_t id, uint64_t code) {
        return ngtcp2_conn_shutdown_stream(conn, 0, id, code);
}
static inline int qc_stop_stream(ngtcp2_conn *conn, int64_t id, uint64_t code) {
        return ngtcp2_conn_shutdown_stream_read(conn, 0, id, code);
}
static inline void qc_keep_alive(ngtcp2_conn *conn, ngtcp2_duration t) {
        ngtcp2_conn_set_keep_alive_timeout(conn, t > 0 ? t : UINT64_MAX);
}
static inline void qc_get_info(ngtcp2_conn *conn, qc_conn_info *ret) {
        ngtcp2_conn_get_conn_info(conn, ret);
}
static inline void qc_packets_sent(ngtcp2_conn *conn, ngtcp2_tstamp now) {
        ngtcp2_conn_update_pkt_tx_time(conn, now);
}

#define QC_PATH_VALIDATION(name)                                                    \
        int name(ngtcp2_conn *conn, uint32_t flags, const ngtcp2_path *path,        \
                 const ngtcp2_path *old_path, ngtcp2_path_validation_result result, \
                 void *userdata)

#else

/* A peer that goes back to its old address meets an assertion of the library: input.c. */
#define QC_PATH_BACK_ABORTS 1

typedef ngtcp2_connection_close_error qc_error;
typedef ngtcp2_conn_stat qc_conn_info;
typedef int qc_cid_status;
typedef ngtcp2_crypto_level qc_level;
#define QC_LEVEL_1RTT       NGTCP2_CRYPTO_LEVEL_APPLICATION

static inline void qc_error_library(qc_error *e, int liberr) {
        ngtcp2_connection_close_error_default(e);
        ngtcp2_connection_close_error_set_transport_error_liberr(e, liberr, NULL, 0);
}
static inline void qc_error_alert(qc_error *e, uint8_t alert) {
        ngtcp2_connection_close_error_default(e);
        ngtcp2_connection_close_error_set_transport_error_tls_alert(e, alert, NULL, 0);
}
static inline void qc_error_application(qc_error *e, uint64_t code) {
        ngtcp2_connection_close_error_default(e);
        ngtcp2_connection_close_error_set_application_error(e, code, NULL, 0);
}
static inline struct qc_peer_error qc_peer_error(ngtcp2_conn *conn) {
        ngtcp2_connection_close_error e;

        ngtcp2_conn_get_connection_close_error(conn, &e);
        return (struct qc_peer_error){ e.type ==
                                               NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION,
                                       e.error_code, BYTES(e.reason, e.reasonlen) };
}
static inline struct bytes qc_token(const ngtcp2_pkt_hd *hd) {
        return BYTES(hd->token.base, hd->token.len);
}
static inline void qc_settings_token(ngtcp2_settings *s, struct bytes token) {
        s->token.base = (uint8_t *) token.data;
        s->token.len = token.len;
}
static inline void qc_params_original_dcid(ngtcp2_transport_params *p, const ngtcp2_cid *cid) {
        p->original_dcid = *cid;
}
static inline int qc_reset_stream(ngtcp2_conn *conn, int64_t id, uint64_t code) {
        return ngtcp2_conn_shutdown_stream(conn, id, code);
}
static inline int qc_stop_stream(ngtcp2_conn *conn, int64_t id, uint64_t code) {
        return ngtcp2_conn_shutdown_stream_read(conn, id, code);
}
static inline void qc_keep_alive(ngtcp2_conn *conn, ngtcp2_duration t) {
        ngtcp2_conn_set_keep_alive_timeout(conn, t);
}
static inline void qc_get_info(ngtcp2_conn *conn, qc_conn_info *ret) {
        ngtcp2_conn_get_conn_stat(conn, ret);
}
/* Before the handshake completed 0.12 paces by an initial RTT of 333 ms: the client's
 * second flight would wait 22 ms. */
static inline void qc_packets_sent(ngtcp2_conn *conn, ngtcp2_tstamp now) {
        if (ngtcp2_conn_get_handshake_completed(conn))
                ngtcp2_conn_update_pkt_tx_time(conn, now);
}

#define QC_PATH_VALIDATION(name)                                             \
        int name(ngtcp2_conn *conn, uint32_t flags, const ngtcp2_path *path, \
                 ngtcp2_path_validation_result result, void *userdata)

#endif
