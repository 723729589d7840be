#include "services/transport/quic/internal.h"

#define ANSWERS_PER_SECOND 1000
#define RESET_MIN          41 /* shortest packet answered by a reset, which is shorter still */
#define RESET_RANDOM_MAX   22

#define TOKEN_LIFETIME     (10 * NSEC_PER_SEC)
#define TOKEN_ROTATION     (60 * NSEC_PER_SEC)

/* At most so many per second, so that forged packets cannot make a noise of us. */
struct quic_answer *quic_answer_begin(struct quic *q, const struct path *path) {
        struct quic_answer *a;

        if (q->now - q->answers_since >= NSEC_PER_SEC) {
                q->answers_since = q->now;
                q->n_answered = 0;
        }
        if (q->n_answers == ANSWERS_MAX || q->n_answered >= ANSWERS_PER_SECOND)
                return NULL;
        a = &q->answers[(q->answers_at + q->n_answers) % ANSWERS_MAX];
        a->path = *path;
        return a;
}

void quic_answer_end(struct quic *q, struct quic_answer *a, ptrdiff_t len) {
        if (len <= 0)
                return;
        a->len = (size_t) len;
        q->n_answers++;
        q->n_answered++;
}

bool quic_answer_next(struct quic *q, struct datagrams *ret) {
        struct quic_answer *a = &q->answers[q->answers_at];

        if (q->n_answers == 0)
                return false;
        q->answers_at = (q->answers_at + 1) % ANSWERS_MAX;
        q->n_answers--;
        *ret = (struct datagrams){ .path = a->path, .data = a->data, .len = a->len };
        return true;
}

void quic_answer_versions(struct quic *q, const struct path *path, const ngtcp2_version_cid *vc) {
        static const uint32_t versions[] = { NGTCP2_PROTO_VER_V1 };
        struct quic_answer *a = quic_answer_begin(q, path);
        uint8_t random;

        if (!a)
                return;
        q->events.random(q->userdata, &random, 1);
        q->stats.version_negotiations++;
        quic_answer_end(q, a,
                        ngtcp2_pkt_write_version_negotiation(a->data, sizeof(a->data), random,
                                                             vc->scid, vc->scidlen, vc->dcid,
                                                             vc->dcidlen, versions, 1));
}

/* To a packet of a connection from before a restart: RFC 9000 10.3. Always shorter
 * than its cause, so that two nodes cannot keep each other busy. */
void quic_answer_reset(struct quic *q, const struct path *path, struct bytes packet) {
        uint8_t random[RESET_RANDOM_MAX], token[NGTCP2_STATELESS_RESET_TOKENLEN];
        size_t n = packet.len - 1 - sizeof(token);
        struct quic_answer *a;
        ngtcp2_cid cid;

        if (packet.len < RESET_MIN)
                return;
        a = quic_answer_begin(q, path);
        if (!a)
                return;
        ngtcp2_cid_init(&cid, packet.data + 1, CID_LEN);
        if (ngtcp2_crypto_generate_stateless_reset_token(token, q->config.reset_key,
                                                         sizeof(q->config.reset_key), &cid) != 0)
                return;
        q->events.random(q->userdata, random, sizeof(random));
        q->stats.resets++;
        quic_answer_end(q, a,
                        ngtcp2_pkt_write_stateless_reset(a->data, sizeof(a->data), token, random,
                                                         n < sizeof(random) ? n : sizeof(random)));
}

static void rotate_keys(struct quic *q) {
        if (q->now - q->token_rotated < TOKEN_ROTATION)
                return;
        q->token_rotated = q->now;
        memcpy(q->token_keys[1], q->token_keys[0], sizeof(q->token_keys[0]));
        q->events.random(q->userdata, q->token_keys[0], sizeof(q->token_keys[0]));
}

void quic_answer_retry(struct quic *q, const struct path *path, const ngtcp2_pkt_hd *hd) {
        uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN];
        struct quic_answer *a = quic_answer_begin(q, path);
        ngtcp2_path_storage ps;
        ngtcp2_ssize n;
        ngtcp2_cid scid;

        if (!a)
                return;
        rotate_keys(q);
        path_to_ngtcp2(path, &ps);
        scid.datalen = CID_LEN;
        q->events.random(q->userdata, scid.data, CID_LEN);
        n = ngtcp2_crypto_generate_retry_token(token, q->token_keys[0], sizeof(q->token_keys[0]),
                                               hd->version, ps.path.remote.addr,
                                               ps.path.remote.addrlen, &scid, &hd->dcid, q->now);
        if (n < 0)
                return;
        q->stats.retries++;
        quic_answer_end(q, a,
                        ngtcp2_crypto_write_retry(a->data, sizeof(a->data), hd->version, &hd->scid,
                                                  &scid, &hd->dcid, token, (size_t) n));
}

bool retry_token_valid(struct quic *q, const struct path *path, const ngtcp2_pkt_hd *hd,
                       ngtcp2_cid *ret_original) {
        struct bytes token = qc_token(hd);
        ngtcp2_path_storage ps;

        rotate_keys(q);
        path_to_ngtcp2(path, &ps);
        for (size_t i = 0; i < ELEMENTSOF(q->token_keys); i++)
                if (ngtcp2_crypto_verify_retry_token(
                            ret_original, token.data, token.len, q->token_keys[i],
                            sizeof(q->token_keys[i]), hd->version, ps.path.remote.addr,
                            ps.path.remote.addrlen, &hd->dcid, TOKEN_LIFETIME, q->now) == 0)
                        return true;
        return false;
}

void quic_answer_refuse(struct quic *q, const struct path *path, const ngtcp2_pkt_hd *hd,
                        uint64_t code) {
        struct quic_answer *a = quic_answer_begin(q, path);

        if (a)
                quic_answer_end(q, a,
                                ngtcp2_crypto_write_connection_close(a->data, sizeof(a->data),
                                                                     hd->version, &hd->scid,
                                                                     &hd->dcid, code, NULL, 0));
}
