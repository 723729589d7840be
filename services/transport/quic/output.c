#include <stdlib.h>

#include "services/transport/quic/internal.h"

#define DISCOVERY_AFTER (64 * 1024) /* bytes sent */

/* One packet after another into a train that the kernel can cut (UDP_SEGMENT): same
 * path, same ECN, none larger than the first, a shorter one ends it. */

struct packet {
        ngtcp2_path_storage ps;
        ngtcp2_pkt_info info;
        uint8_t *data;
        ngtcp2_ssize len;
};

/* Looking for a larger MTU costs both sides two full packets, half of a whole handshake: most
 * connections carry a few questions and never earn it back. ngtcp2 sends no probe that it has
 * no room for. */
static size_t room(const struct connection *c) {
        return c->bytes_out < DISCOVERY_AFTER ? INITIAL_MIN : c->quic->config.max_payload;
}

static void drop_first_datagram(struct connection *c, bool sent) {
        struct datagram *d = LIST_ENTRY(list_pop_front(&c->datagrams), struct datagram, link);

        budget_give(&c->budget, d->content->len + CHUNK_OVERHEAD);
        refbuf_unref(d->content);
        free(d);
        c->n_datagrams--;
        c->n_datagrams_sent += sent;
}

/* Answers NGTCP2_ERR_WRITE_MORE to be called again, else as ngtcp2_conn_writev_datagram(). */
static ngtcp2_ssize write_datagram(struct connection *c, struct packet *p) {
        struct datagram *d = LIST_ENTRY(list_first(&c->datagrams), struct datagram, link);
        ngtcp2_vec v = { d->content->data, d->content->len };
        int accepted = 0;
        ngtcp2_ssize n;

        n = ngtcp2_conn_writev_datagram(c->ngtcp2, &p->ps.path, &p->info, p->data, room(c),
                                        &accepted, NGTCP2_WRITE_DATAGRAM_FLAG_MORE,
                                        c->n_datagrams_sent, &v, 1, c->quic->now);
        if (n == NGTCP2_ERR_INVALID_ARGUMENT || n == NGTCP2_ERR_INVALID_STATE) {
                drop_first_datagram(c, false); /* the path shrank since it was queued */
                return NGTCP2_ERR_WRITE_MORE;
        }
        if (accepted)
                drop_first_datagram(c, true);
        return n;
}

static ngtcp2_ssize write_stream(struct connection *c, struct quic_stream *s, struct packet *p) {
        ngtcp2_vec vectors[VECTORS_MAX];
        ngtcp2_ssize accepted = -1, n;
        uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
        size_t len, n_vectors;
        bool fin;

        n_vectors = quic_stream_vectors(s, room(c), vectors, &len);
        fin = s->wants_fin && s->sent + len == s->end;
        if (fin)
                flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
        n = ngtcp2_conn_writev_stream(c->ngtcp2, &p->ps.path, &p->info, p->data, room(c), &accepted,
                                      flags, (int64_t) s->base.id, vectors, n_vectors,
                                      c->quic->now);
        if (accepted >= 0)
                quic_stream_sent(s, (size_t) accepted, fin && (size_t) accepted == len);
        switch (n) {
        case NGTCP2_ERR_STREAM_DATA_BLOCKED:
                list_remove(&s->queued);
                list_push_back(&c->blocked, &s->queued);
                return NGTCP2_ERR_WRITE_MORE;
        case NGTCP2_ERR_STREAM_SHUT_WR:
        case NGTCP2_ERR_STREAM_NOT_FOUND:
                list_remove(&s->queued);
                list_push_back(&c->refused, &s->queued);
                return NGTCP2_ERR_WRITE_MORE;
        default:
                return n;
        }
}

/* Streams take turns, packet by packet; small ones share a packet. */
static ngtcp2_ssize write_packet(struct connection *c, struct packet *p) {
        ngtcp2_ssize n;

        ngtcp2_path_storage_zero(&p->ps);
        do {
                struct list *first = list_first(&c->sending);

                if (!list_is_empty(&c->datagrams))
                        n = write_datagram(c, p);
                else if (first)
                        n = write_stream(c, LIST_ENTRY(first, struct quic_stream, queued), p);
                else
                        return ngtcp2_conn_write_pkt(c->ngtcp2, &p->ps.path, &p->info, p->data,
                                                     room(c), c->quic->now);
        } while (n == NGTCP2_ERR_WRITE_MORE);
        return n;
}

static void hold(struct quic *q, const struct packet *p, const struct path *path) {
        q->held.path = *path;
        q->held.len = (size_t) p->len;
        q->held_ecn = (uint8_t) p->info.ecn;
        memcpy(q->held.data, p->data, q->held.len);
}

/* Whether the packet was joined to the train; else it is held back for the next one. */
static bool join(struct connection *c, struct datagrams *train, const struct packet *p) {
        struct path path;

        path_from_ngtcp2(&p->ps.path, &path);
        if (train->len == 0) {
                train->path = path;
                train->ecn = (uint8_t) p->info.ecn;
                train->segment = (size_t) p->len;
        } else if (!path_equal(&path, &train->path) || p->info.ecn != train->ecn ||
                   (size_t) p->len > train->segment) {
                hold(c->quic, p, &path);
                return false;
        }
        train->len += (size_t) p->len;
        return true;
}

static bool is_full(const struct connection *c, const struct datagrams *train, size_t quantum) {
        return train->len >= quantum || train->len + c->quic->config.max_payload > TRAIN_MAX ||
               train->len / train->segment >= TRAIN_PACKETS_MAX;
}

/* A probe for a larger MTU travels alone: the kernel would refuse the whole train. */
static bool is_probe(const struct connection *c, const struct packet *p) {
        return (size_t) p->len > ngtcp2_conn_get_path_max_tx_udp_payload_size(c->ngtcp2);
}

static ngtcp2_ssize fill(struct connection *c, struct datagrams *train) {
        size_t quantum = ngtcp2_conn_get_send_quantum(c->ngtcp2);
        struct packet p = {};

        for (;;) {
                p.data = c->quic->train + train->len;
                p.len = write_packet(c, &p);
                if (p.len <= 0)
                        return p.len;
                if (!join(c, train, &p) || (size_t) p.len < train->segment || is_probe(c, &p) ||
                    is_full(c, train, quantum))
                        return p.len;
        }
}

/* What is due is done now, not in a turn of its own: above all the pacer's pause is over. */
static int expire(struct connection *c) {
        return ngtcp2_conn_get_expiry(c->ngtcp2) <= c->quic->now
                       ? ngtcp2_conn_handle_expiry(c->ngtcp2, c->quic->now)
                       : 0;
}

/* Nothing to send until the next event. Of the pacer only a pause that was in force while we
 * wrote counts: the one that the last packet has begun keeps nothing waiting yet, and to wake
 * up for its end would be a turn for each packet. */
static void rest(struct connection *c, nsec_t expiry) {
        list_remove(&c->ready);
        connection_schedule(c, expiry);
}

/* Handlers may call ngtcp2 again, so they are told only when no packet is half written. */
static void tell_refused(struct connection *c) {
        struct list *l;

        while ((l = list_pop_front(&c->refused)))
                quic_stream_refused(LIST_ENTRY(l, struct quic_stream, queued));
}

bool connection_train(struct connection *c, struct datagrams *ret) {
        struct quic *q = c->quic;
        struct datagrams train = { .data = q->train };
        ngtcp2_ssize n = expire(c);
        nsec_t expiry;

        if (n == 0)
                n = fill(c, &train);
        if (n < 0) {
                connection_fail(c, (int) n);
                return false; /* what was written before has no keys any more */
        }
        expiry = ngtcp2_conn_get_expiry(c->ngtcp2);
        if (train.len > 0)
                qc_packets_sent(c->ngtcp2, q->now);
        c->bytes_out += train.len + q->held.len;
        if (n == 0) {
                rest(c, expiry);
        } else {
                list_remove(&c->ready);
                list_push_back(&q->ready, &c->ready);
        }
        tell_refused(c);
        if (train.len == 0)
                return false;
        if (train.len == train.segment)
                train.segment = 0;
        *ret = train;
        return true;
}
