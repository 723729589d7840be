#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/transport/quic/internal.h"

#define CLOSED_PTOS 3 /* how long late packets are answered: RFC 9000 10.2 */

static const char *const end_text[] = {
        [CONNECTION_END_LOCAL] = "closed by this node",
        [CONNECTION_END_PEER] = "closed by the peer",
        [CONNECTION_END_PEER_REFUSED] = "refused by the peer",
        [CONNECTION_END_IDLE] = "nothing heard from the peer for too long",
        [CONNECTION_END_TIMEOUT] = "no answer to the handshake",
        [CONNECTION_END_TLS] = "the peer's certificate was refused",
        [CONNECTION_END_VERSION] = "the peer does not speak QUIC version 1",
        [CONNECTION_END_RESET] = "the peer restarted and forgot the connection",
        [CONNECTION_END_LIMIT] = "over a limit of this node",
        [CONNECTION_END_PROTOCOL] = "the QUIC protocol was broken",
};

const char *connection_end_text(const struct connection_end *end) {
        if (end->kind == CONNECTION_END_TLS)
                return tls_verdict_text((enum tls_verdict) end->verdict);
        return (unsigned) end->kind < ELEMENTSOF(end_text) ? end_text[end->kind] : "ended";
}

static void drop_datagrams(struct connection *c) {
        struct list *l;

        while ((l = list_pop_front(&c->datagrams))) {
                struct datagram *d = LIST_ENTRY(l, struct datagram, link);

                budget_give(&c->budget, d->content->len + CHUNK_OVERHEAD);
                refbuf_unref(d->content);
                free(d);
        }
        c->n_datagrams = 0;
}

static void uncount(struct connection *c) {
        struct quic *q = c->quic;

        if (c->is_half_open)
                q->stats.n_half_open--;
        c->is_half_open = false;
        if (!c->was_confirmed)
                q->stats.handshakes_failed++;
        if (!c->is_counted)
                return;
        c->is_counted = false;
        limits_count(q, &c->path.remote, -1);
        q->stats.n_inbound--;
}

/* Keeps the struct alone, for a while, so that late packets find somebody who knows
 * them; everything large goes now. */
static void entomb(struct connection *c) {
        struct quic *q = c->quic;
        nsec_t linger = CLOSED_PTOS * ngtcp2_conn_get_pto(c->ngtcp2);

        window_close(c);
        while (c->n_tokens > 0)
                connection_remove_token(c, c->tokens[c->n_tokens - 1]);
        ngtcp2_conn_del(c->ngtcp2);
        c->ngtcp2 = NULL;
        tls_session_done(&c->tls);
        if (q->n_closed >= q->config.limits.connections) {
                connection_free(c);
                return;
        }
        list_push_back(&q->closed, &c->closed);
        q->n_closed++;
        heap_set(&q->deadlines, &c->deadline, nsec_add(q->now, linger));
}

void connection_finish(struct connection *c, const struct connection_end *end) {
        struct connection_end e = *end;
        struct quic *q = c->quic;
        struct list *l;

        e.was_confirmed = c->was_confirmed;
        c->state = CONNECTION_CLOSED;
        c->wants_close = false;
        while ((l = list_first(&c->streams)))
                quic_stream_end(LIST_ENTRY(l, struct quic_stream, link), STREAM_END_LOST);
        drop_datagrams(c);
        uncount(c);
        list_remove(&c->ready);
        map_remove_u64(q->connections, c->id);
        if (c->is_reported)
                q->events.on_closed(q->userdata, c, &e);
        entomb(c);
}

/* The last packet is kept with the connection and said once through the answers. */
static void say_goodbye(struct connection *c, const qc_error *error) {
        struct quic *q = c->quic;
        struct quic_answer *a = xnew(struct quic_answer), *out;
        ngtcp2_path_storage ps;
        ngtcp2_pkt_info info;
        ngtcp2_ssize n;

        ngtcp2_path_storage_zero(&ps);
        n = ngtcp2_conn_write_connection_close(c->ngtcp2, &ps.path, &info, a->data,
                                               q->config.max_payload, error, q->now);
        if (n <= 0) {
                free(a);
                return;
        }
        a->path = c->path;
        a->len = (size_t) n;
        c->farewell = a;
        out = quic_answer_begin(q, &a->path);
        if (!out)
                return;
        memcpy(out->data, a->data, a->len);
        quic_answer_end(q, out, n);
}

void connection_late(struct connection *c) {
        struct quic_answer *out;

        c->n_late++;
        if (!c->farewell || (c->n_late & (c->n_late - 1)) != 0) /* the 1st, 2nd, 4th, 8th ... */
                return;
        out = quic_answer_begin(c->quic, &c->farewell->path);
        if (!out)
                return;
        memcpy(out->data, c->farewell->data, c->farewell->len);
        quic_answer_end(c->quic, out, (ptrdiff_t) c->farewell->len);
}

void connection_goodbye(struct connection *c) {
        struct connection_end end = { .kind = CONNECTION_END_LOCAL, .code = c->close_code };
        qc_error error;

        qc_error_application(&error, c->close_code);
        say_goodbye(c, &error);
        connection_finish(c, &end);
}

static void peer_closed(struct connection *c) {
        struct qc_peer_error e = qc_peer_error(c->ngtcp2);
        struct connection_end end = { .code = e.code };

        end.kind = e.is_application ? CONNECTION_END_PEER : CONNECTION_END_PEER_REFUSED;
        if (c->was_reset)
                end.kind = CONNECTION_END_RESET;
        end.reason_len = e.reason.len < sizeof(end.reason) ? (uint8_t) e.reason.len
                                                           : (uint8_t) sizeof(end.reason);
        if (end.reason_len > 0)
                memcpy(end.reason, e.reason.data, end.reason_len);
        connection_finish(c, &end);
}

/* What ends without a word to the peer. */
static const struct quiet {
        int liberr;
        enum connection_end_kind kind;
} quiet[] = {
        { NGTCP2_ERR_IDLE_CLOSE, CONNECTION_END_IDLE },
        { NGTCP2_ERR_HANDSHAKE_TIMEOUT, CONNECTION_END_TIMEOUT },
        { NGTCP2_ERR_RECV_VERSION_NEGOTIATION, CONNECTION_END_VERSION },
        { NGTCP2_ERR_DROP_CONN, CONNECTION_END_PROTOCOL },
        { NGTCP2_ERR_RETRY, CONNECTION_END_PROTOCOL },
};

void connection_fail(struct connection *c, int liberr) {
        struct connection_end end = { .kind = CONNECTION_END_PROTOCOL };
        qc_error error;

        if (liberr == NGTCP2_ERR_DRAINING) {
                peer_closed(c);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(quiet); i++)
                if (liberr == quiet[i].liberr) {
                        end.kind = quiet[i].kind;
                        connection_finish(c, &end);
                        return;
                }
        if (liberr == NGTCP2_ERR_CRYPTO) {
                uint8_t alert = ngtcp2_conn_get_tls_alert(c->ngtcp2);

                qc_error_alert(&error, alert);
                end.code = NGTCP2_CRYPTO_ERROR | alert;
        } else {
                qc_error_library(&error, liberr);
                end.code = ngtcp2_err_infer_quic_transport_error_code(liberr);
        }
        if (c->tls.verdict != TLS_OK) {
                end.kind = CONNECTION_END_TLS;
                end.verdict = c->tls.verdict;
        }
        say_goodbye(c, &error);
        connection_finish(c, &end);
}
