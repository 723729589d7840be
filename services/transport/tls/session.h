#pragma once

/* The TLS half of one connection; private to the QUIC code. */

#include <gnutls/gnutls.h>

#include "services/transport/quic/qcompat.h"
#include "services/transport/tls.h"

extern const struct bytes tls_libp2p_oid; /* content of the OID, DER */

struct tls_session {
        gnutls_session_t gnutls;
        ngtcp2_crypto_conn_ref ref; /* GnuTLS's session pointer; leads ngtcp2 to its connection */
        struct tls_context *context;
        struct peer_id expected; /* none: anybody */
        struct peer_id peer;     /* none until its certificate was accepted */
        enum tls_verdict verdict;
        bool is_inbound;
        bool (*allow)(void *userdata, const struct peer_id *peer, bool inbound);
        void *allow_userdata;
};

/* `s` must stay at its address. The caller has set expected, is_inbound and allow;
 * get_conn leads from the ref to ngtcp2's connection. Returns 0 or a negative errno. */
int tls_session_init(struct tls_session *s, struct tls_context *context,
                     ngtcp2_conn *(*get_conn)(ngtcp2_crypto_conn_ref *), void *userdata);
void tls_session_done(struct tls_session *s);
