#include "services/transport/quic/internal.h"

/* Packets that belong to no connection. */

static bool is_long(struct bytes packet) {
        return packet.data[0] & 0x80;
}

/* Answers false when the packet was dealt with otherwise: Retry, refusal. */
static bool admit(struct quic *q, const struct path *path, const ngtcp2_pkt_hd *hd,
                  ngtcp2_cid *original, bool *ret_has_original) {
        struct bytes token = qc_token(hd);

        *ret_has_original = false;
        if (token.len > 0 && token.data[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) {
                if (!retry_token_valid(q, path, hd, original)) {
                        quic_answer_refuse(q, path, hd, NGTCP2_INVALID_TOKEN); /* RFC 9000 8.1.2 */
                        return false;
                }
                *ret_has_original = true;
        }
        if (!*ret_has_original && limits_want_proof(q, &path->remote)) {
                quic_answer_retry(q, path, hd);
                return false;
        }
        if (!limits_admit(q, &path->remote)) {
                q->stats.refused_limit++;
                quic_answer_refuse(q, path, hd, NGTCP2_CONNECTION_REFUSED);
                return false;
        }
        return true;
}

static struct connection *accept_initial(struct quic *q, const struct path *path,
                                         struct bytes packet) {
        struct connection_start start = { .path = path };
        struct connection *c;
        ngtcp2_cid original;
        bool has_original;
        ngtcp2_pkt_hd hd;
        int r;

        if (ngtcp2_accept(&hd, packet.data, packet.len) != 0 || hd.version != NGTCP2_PROTO_VER_V1 ||
            !q->is_listening) {
                q->stats.dropped_unknown++;
                return NULL;
        }
        if (!admit(q, path, &hd, &original, &has_original))
                return NULL;
        start.hd = &hd;
        if (has_original)
                start.original = &original;
        r = connection_new(q, &start, &c);
        if (r != 0) {
                q->stats.refused_limit += r == QUIC_E_LIMIT;
                quic_answer_refuse(q, path, &hd, NGTCP2_CONNECTION_REFUSED);
                return NULL;
        }
        q->stats.accepted++;
        return c;
}

static struct connection *find_by_token(struct quic *q, struct bytes packet) {
        const size_t n = NGTCP2_STATELESS_RESET_TOKENLEN;

        if (packet.len < n + NGTCP2_MIN_STATELESS_RESET_RANDLEN)
                return NULL;
        return map_get(q->tokens, BYTES(packet.data + packet.len - n, n));
}

struct connection *quic_stranger(struct quic *q, const struct path *path,
                                 const ngtcp2_version_cid *vc, struct bytes packet) {
        struct connection *c;

        if (!is_long(packet)) {
                c = find_by_token(q, packet);
                if (!c)
                        quic_answer_reset(q, path, packet);
                return c;
        }
        if (packet.len < INITIAL_MIN) {
                q->stats.dropped_small_initial++;
                return NULL;
        }
        if (vc->version == NGTCP2_PROTO_VER_V1)
                return accept_initial(q, path, packet);
        /* 0 is a version negotiation packet: never answered, or two nodes would go on
         * for ever. */
        if (vc->version != 0 && q->is_listening)
                quic_answer_versions(q, path, vc);
        return NULL;
}
