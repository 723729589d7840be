#include "services/transport/quic/internal.h"

/* Flow control, receiving. A window starts small and doubles each time the peer used
 * it up within a few round trips, so that only those who need memory get it. The sum
 * of all connections' windows is what peers can make us keep: it has a budget. */

#define STREAM_FIRST     (256 * 1024)
#define CONNECTION_FIRST (512 * 1024)
#define ROUND_TRIPS      4 /* a window that lasts longer is large enough */

static uint64_t least(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

uint64_t window_first(const struct quic *q) {
        return least(STREAM_FIRST, q->config.limits.stream_window);
}

bool window_open(struct connection *c) {
        struct quic *q = c->quic;
        uint64_t size = least(CONNECTION_FIRST, q->config.limits.connection_window);

        if (budget_take(&q->receive_budget, size) != BUDGET_OK)
                return false;
        c->window = (struct window){ .size = size, .since = q->now };
        return true;
}

void window_close(struct connection *c) {
        budget_give(&c->quic->receive_budget, c->window.size);
        c->window.size = 0;
}

static bool is_busy(const struct connection *c, const struct window *w) {
        qc_conn_info info = {};

        qc_get_info(c->ngtcp2, &info);
        return c->quic->now - w->since <= ROUND_TRIPS * info.smoothed_rtt;
}

/* By how much the window should grow now that n more bytes were consumed. */
static uint64_t growth(const struct connection *c, struct window *w, uint64_t limit, uint64_t n) {
        bool busy;

        w->consumed += n;
        if (w->consumed < w->size)
                return 0;
        busy = is_busy(c, w);
        w->consumed = 0;
        w->since = c->quic->now;
        return busy && w->size < limit ? least(w->size, limit - w->size) : 0;
}

/* What the budget gives of `more` bytes: all or nothing. A window does not shrink, so those
 * that grew must not keep new connections from their first one: a quarter is for these. */
static uint64_t grow_connection(struct connection *c, uint64_t more) {
        struct budget *b = &c->quic->receive_budget;

        if (more == 0 || budget_left(b) < more + b->limit / 4 || budget_take(b, more) != BUDGET_OK)
                return 0;
        c->window.size += more;
        return more;
}

/* Streams that nobody reads hold the connection's window: once they hold half, it grows,
 * so that the others go on. */
void window_received(struct connection *c, uint64_t n) {
        uint64_t limit = c->quic->config.limits.connection_window, more;

        c->unconsumed += n;
        if (c->unconsumed <= c->window.size / 2 || c->window.size >= limit)
                return;
        more = grow_connection(c, least(c->window.size, limit - c->window.size));
        if (more > 0)
                ngtcp2_conn_extend_max_offset(c->ngtcp2, more);
}

void window_consumed(struct connection *c, struct quic_stream *s, uint64_t n) {
        const struct quic_limits *l = &c->quic->config.limits;
        uint64_t more = grow_connection(c, growth(c, &c->window, l->connection_window, n));

        c->unconsumed -= n;
        ngtcp2_conn_extend_max_offset(c->ngtcp2, n + more);
        if (!s)
                return;
        /* One stream alone must not be able to hold the connection's whole window. */
        more = growth(c, &s->window, least(l->stream_window, c->window.size / 2), n);
        s->window.size += more;
        ngtcp2_conn_extend_max_stream_offset(c->ngtcp2, (int64_t) s->base.id, n + more);
}
