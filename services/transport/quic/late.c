#include "services/transport/quic/internal.h"

/* TLS messages after the handshake never reach GnuTLS. KeyUpdate, which RFC 9001 6 forbids,
 * would make it hand out new secrets, and ngtcp2, which has its keys, end the process
 * (assertion in ngtcp2_conn_install_rx_key); any peer could do that. CertificateRequest is
 * forbidden, too (RFC 9001 4.4). A server's tickets are read over: we never resume. */

#define NEW_SESSION_TICKET 4 /* RFC 8446 B.3 */

static bool take_head(struct tls_late *l, struct reader *r) {
        l->head[l->n_head++] = reader_u8(r);
        if (l->head[0] != NEW_SESSION_TICKET)
                return false;
        if (l->n_head < sizeof(l->head))
                return true;
        l->left = load_be32(l->head) & 0xffffff;
        l->n_head = 0;
        return l->left <= UINT16_MAX + 64; /* ticket and extensions have 16 bits each */
}

bool tls_late_input(struct tls_late *l, bool is_inbound, struct bytes data) {
        struct reader r = reader_of(data);

        if (is_inbound)
                return data.len == 0;
        while (reader_left(&r) > 0) {
                size_t n = l->left < reader_left(&r) ? l->left : reader_left(&r);

                (void) reader_take(&r, n);
                l->left -= n;
                if (reader_left(&r) > 0 && !take_head(l, &r))
                        return false;
        }
        return true;
}
