#include "services/sim/links.h"

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/sim/costs.h"
#include "services/sim/node.h"

#define DIAL_TIMEOUT (2 * NSEC_PER_SEC) /* services/transport/dial.c: attempt_timeout */

/* ---- Bytes ---- */

static const enum part parts[_PURPOSES] = { [PURPOSE_REFRESH] = PART_REFRESH,
                                            [PURPOSE_RECORDS] = PART_RECORDS,
                                            [PURPOSE_USER] = PART_USER,
                                            [PURPOSE_SAMPLES] = PART_SAMPLES,
                                            [PURPOSE_MEMBERS] = PART_GOSSIP };

static void charge(struct node *a, struct node *b, enum part part, uint64_t bytes) {
        node_charge(a, part, bytes);
        if (b)
                node_charge(b, part, bytes);
}

/* What is done for a question of people is all of it theirs, handshakes too. */
static bool is_apart(enum purpose purpose) {
        return purpose == PURPOSE_USER || purpose == PURPOSE_SAMPLES;
}

/* One message, with what its packets cost; fixed is what the stream costs besides. */
static void charge_message(struct node *a, struct node *b, enum purpose purpose, size_t len,
                           uint64_t fixed) {
        uint64_t headers = fixed + len * SIM_COST_BYTE_PERMILLE / 1000;

        charge(a, b, parts[purpose], len);
        charge(a, b, is_apart(purpose) ? parts[purpose] : PART_HEADERS, headers);
}

/* ---- The hash of pairs ---- */

static size_t place(const struct network *net, uint32_t a, uint32_t b) {
        uint64_t low = a < b ? a : b, high = a < b ? b : a;

        return (size_t) (((low << 32 | high) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) &
               (net->links_size - 1);
}

static void grow(struct network *net) {
        struct link **old = net->links;
        size_t n = net->links_size;

        net->links_size = 2 * n;
        net->links = xnew_n(struct link *, net->links_size);
        for (size_t i = 0; i < n; i++)
                for (struct link *l = old[i], *next; l; l = next) {
                        size_t at = place(net, l->slot[0], l->slot[1]);

                        next = l->chain;
                        l->chain = net->links[at];
                        net->links[at] = l;
                }
        free(old);
}

struct link *links_find(const struct network *net, const struct node *a, const struct node *b) {
        struct link *l = net->links[place(net, a->slot, b->slot)];

        while (l && !((l->slot[0] == a->slot && l->slot[1] == b->slot) ||
                      (l->slot[0] == b->slot && l->slot[1] == a->slot)))
                l = l->chain;
        return l;
}

static enum link_end end_of(const struct link *l, const struct node *n) {
        return l->slot[LINK_DIALLER] == n->slot ? LINK_DIALLER : LINK_LISTENER;
}

/* Who is at that end; NULL once that life of it is over. */
static struct node *at_end(const struct network *net, const struct link *l, enum link_end end) {
        return network_node(net, l->slot[end], l->life[end]);
}

static bool is_needed(const struct link *l) {
        return l->kept[0] || l->kept[1];
}

static bool is_dead(const struct network *net, const struct link *l) {
        return l->is_cut || !at_end(net, l, LINK_DIALLER) || !at_end(net, l, LINK_LISTENER);
}

/* Signs of life since the last one need no events: they are charged when something happens. */
static void touch(struct network *net, struct link *l) {
        struct node *a = at_end(net, l, LINK_DIALLER), *b = at_end(net, l, LINK_LISTENER);
        uint64_t n = is_needed(l) ? nsec_sub(net->now, l->last) / SIM_KEEPALIVE_INTERVAL : 0;

        if (is_dead(net, l) || !network_reaches(net, a, b))
                return;
        if (n > 0)
                charge(a, b, PART_KEEPALIVE, n * SIM_COST_KEEPALIVE);
        l->last = nsec_max(l->last, net->now);
}

/* ---- Life of a link ---- */

static void link_remove(struct network *net, struct link *l) {
        struct link **at = &net->links[place(net, l->slot[0], l->slot[1])];

        while (*at != l)
                at = &(*at)->chain;
        *at = l->chain;
        for (unsigned end = 0; end < 2; end++) {
                struct node *n = net->slots[l->slot[end]];

                list_remove(&l->at[end].list);
                if (n && n->n_links > 0)
                        n->n_links--;
        }
        net->n_links--;
        free(l);
}

static void tell_down(struct network *net, struct link *l, enum link_end end) {
        struct node *n = at_end(net, l, end), *other = net->slots[l->slot[!end]];

        if (!n || !other || !l->is_identified)
                return;
        n->behaviour->peer_down(n, other);
        node_settle(n);
}

/* Both ends that still live hear of it. */
static void link_end(struct network *net, struct link *l) {
        touch(net, l);
        /* What peer_down sets off may not find it any more, nor end it twice. */
        struct link gone = *l;

        link_remove(net, l);
        tell_down(net, &gone, LINK_DIALLER);
        tell_down(net, &gone, LINK_LISTENER);
}

/* a, b: slots; id: serial. The link as it was, or NULL. */
static struct link *link_of(const struct network *net, const struct event *e) {
        const struct node *a = net->slots[e->a], *b = net->slots[e->b];
        struct link *l = a && b ? links_find(net, a, b) : NULL;

        return l && l->serial == e->id ? l : NULL;
}

static void link_event(struct network *net, const struct link *l, nsec_t when, event_fn fn) {
        struct event *e = network_event(net, when, fn, NULL);

        e->a = l->slot[0];
        e->b = l->slot[1];
        e->id = l->serial;
}

static bool is_across(const struct network *net, const struct link *l) {
        const struct node *a = at_end(net, l, LINK_DIALLER), *b = at_end(net, l, LINK_LISTENER);

        return a && b && !network_reaches(net, a, b);
}

static void on_idle(struct network *net, struct node *nobody, struct event *e) {
        struct link *l = link_of(net, e);

        if (!l)
                return;
        if (is_across(net, l))
                l->is_cut = true;
        if (!is_dead(net, l) && is_needed(l))
                touch(net, l);
        if (l->last + SIM_IDLE_TIMEOUT > net->now)
                link_event(net, l, l->last + SIM_IDLE_TIMEOUT, on_idle);
        else
                link_end(net, l);
}

static void on_identified(struct network *net, struct node *nobody, struct event *e) {
        struct link *l = link_of(net, e);
        struct node *a, *b;

        if (!l || is_dead(net, l))
                return;
        a = at_end(net, l, LINK_DIALLER);
        b = at_end(net, l, LINK_LISTENER);
        l->is_identified = true;
        a->behaviour->peer_up(a, b, false);
        node_settle(a);
        if (link_of(net, e) != l || !network_node(net, l->slot[1], l->life[1]))
                return;
        b->behaviour->peer_up(b, a, true);
        node_settle(b);
}

static struct link *link_new(struct network *net, struct node *a, struct node *b) {
        struct link *l = xnew(struct link);
        size_t at;

        if (net->n_links >= net->links_size)
                grow(net);
        at = place(net, a->slot, b->slot);
        *l = (struct link){ .slot = { a->slot, b->slot },
                            .life = { a->life, b->life },
                            .last = net->now,
                            .chain = net->links[at],
                            .serial = ++net->last_link };
        net->links[at] = l;
        l->at[LINK_DIALLER].link = l->at[LINK_LISTENER].link = l;
        list_push_back(&a->links, &l->at[LINK_DIALLER].list);
        list_push_back(&b->links, &l->at[LINK_LISTENER].list);
        a->n_links++;
        b->n_links++;
        net->n_links++;
        return l;
}

static struct link *dial(struct network *net, struct node *a, struct node *b,
                         enum purpose purpose) {
        enum part part = is_apart(purpose) ? parts[purpose] : PART_HANDSHAKE;
        struct link *l = link_new(net, a, b);

        l->ready = net->now + network_delay(net, a, b) + network_delay(net, b, a);
        charge(a, b, part, SIM_COST_HANDSHAKE_OUT + SIM_COST_HANDSHAKE_IN);
        net->traffic.handshakes[purpose]++;
        link_event(net, l, l->ready + network_delay(net, a, b) + network_delay(net, b, a),
                   on_identified);
        link_event(net, l, net->now + SIM_IDLE_TIMEOUT, on_idle);
        return l;
}

/* A link to that peer, dialled if there is none; NULL: nobody is there, which costs packets. */
static struct link *reach(struct network *net, struct node *from, const struct peer_id *peer,
                          enum purpose purpose) {
        struct node *to = network_find(net, peer);
        struct link *l = to ? links_find(net, from, to) : NULL;

        /* Of an earlier life of either: a stateless reset tells at once. */
        if (l && to->is_up && !(at_end(net, l, LINK_DIALLER) && at_end(net, l, LINK_LISTENER))) {
                link_end(net, l);
                l = links_find(net, from, to);
        }
        if (l)
                return l;
        if (to && to != from && to->is_up && !to->is_hidden && to->n_links < LINKS_MAX &&
            from->n_links < LINKS_MAX && network_reaches(net, from, to))
                return dial(net, from, to, purpose);
        node_charge(from, is_apart(purpose) ? parts[purpose] : PART_HANDSHAKE, SIM_COST_DIAL_DEAD);
        net->traffic.failed_dials++;
        return NULL;
}

/* ---- Messages: in order, after the handshake ---- */

/* When what `from` says now arrives at the other end; 0: never. */
static nsec_t arrival(struct network *net, struct link *l, const struct node *from) {
        enum link_end end = end_of(l, from);
        const struct node *to = at_end(net, l, !end);
        nsec_t when;

        if (!to || l->is_cut || !network_reaches(net, from, to))
                return 0;
        when = nsec_max(net->now, l->ready) + network_delay(net, from, to);
        l->arrival[!end] = nsec_max(l->arrival[!end] + 1, when);
        return l->arrival[!end];
}

static struct event *message(struct network *net, const struct node *from, const struct node *to,
                             nsec_t when, event_fn fn) {
        struct event *e = network_event(net, when, fn, to);

        e->from = from->slot;
        e->from_life = from->life;
        return e;
}

/* ---- Requests ---- */

static void on_failed(struct network *net, struct node *n, struct event *e) {
        n->behaviour->failed(n, (enum sim_protocol) e->a, e->id, (enum sim_failure) e->b);
}

static void fail(struct network *net, struct node *n, const struct question *q, nsec_t when,
                 enum sim_failure why) {
        struct event *e = network_event(net, when, on_failed, n);

        e->id = q->id;
        e->a = q->protocol;
        e->b = why;
}

#define QUESTION_BITS(protocol, purpose, wants) \
        ((uint32_t) (protocol) | (uint32_t) (purpose) << 8 | (uint32_t) (wants) << 16)

static struct question question_of(const struct event *e) {
        return (struct question){ .slot = e->from,
                                  .life = e->from_life,
                                  .id = e->id,
                                  .protocol = e->a & 0xff,
                                  .purpose = e->a >> 8 & 0xff,
                                  .wants_answer = e->a >> 16,
                                  .is_open = true };
}

static void on_question(struct network *net, struct node *n, struct event *e) {
        struct node *from = network_node(net, e->from, e->from_life);
        struct link *l = from ? links_find(net, n, from) : NULL;

        if (!l)
                return;
        touch(net, l);
        n->question = question_of(e);
        n->behaviour->asked(n, from, refbuf_bytes(e->data));
        node_settle(n);
        n->question.is_open = false;
}

static void on_answer(struct network *net, struct node *n, struct event *e) {
        struct node *from = network_node(net, e->from, e->from_life);
        struct link *l = from ? links_find(net, n, from) : NULL;

        if (!l)
                return;
        touch(net, l);
        n->behaviour->answered(n, from, (enum sim_protocol) e->a, e->id,
                               e->data ? refbuf_bytes(e->data) : BYTES_NONE);
}

void links_ask(struct network *net, struct node *from, const struct sim_ask *ask) {
        struct question q = { .id = ask->id, .protocol = ask->protocol };
        struct link *l = reach(net, from, ask->to, ask->purpose);
        struct node *to;
        struct event *e;
        nsec_t when;

        net->traffic.requests++;
        if (!l) {
                fail(net, from, &q, net->now + DIAL_TIMEOUT, SIM_UNREACHABLE);
                return;
        }
        to = at_end(net, l, !end_of(l, from));
        charge_message(from, to, ask->purpose, ask->data->len, SIM_COST_REQUEST);
        when = arrival(net, l, from);
        if (when == 0 || network_swallows(net, from, to))
                return;
        touch(net, l);
        if (ask->protocol != SIM_PEERS && !to->is_serving) {
                fail(net, from, &q, when + network_delay(net, to, from), SIM_NO_PROTOCOL);
                return;
        }
        if (!ask->wants_answer) { /* done when it has left */
                struct event *sent =
                        message(net, to, from, nsec_max(net->now, l->ready), on_answer);

                sent->id = ask->id;
                sent->a = ask->protocol;
        }
        e = message(net, from, to, when, on_question);
        e->id = ask->id;
        e->a = QUESTION_BITS(ask->protocol, ask->purpose, ask->wants_answer);
        e->data = refbuf_ref(ask->data);
}

void links_answer(struct network *net, struct node *from, struct refbuf *data, bool is_refused) {
        struct question *q = &from->question;
        struct node *to = network_node(net, q->slot, q->life);
        struct link *l = to ? links_find(net, from, to) : NULL;
        struct event *e;
        nsec_t when;

        if (!q->is_open || !l)
                return;
        q->is_open = false;
        if (!q->wants_answer)
                return;
        when = arrival(net, l, from);
        if (data)
                charge_message(from, to, q->purpose, data->len, 0);
        if (when == 0)
                return;
        if (is_refused || !data) {
                fail(net, to, q, when, SIM_RESET);
                return;
        }
        e = message(net, from, to, when, on_answer);
        e->id = q->id;
        e->a = q->protocol;
        e->data = data ? refbuf_ref(data) : NULL;
}

/* ---- Connections for their own sake ---- */

static void on_connected(struct network *net, struct node *n, struct event *e) {
        n->behaviour->connected(n, e->b ? network_node(net, e->from, e->from_life) : NULL, e->id);
}

void links_connect(struct network *net, struct node *from, const struct peer_id *to, uint64_t id,
                   enum purpose purpose) {
        struct link *l = reach(net, from, to, purpose);
        struct node *other = l ? at_end(net, l, !end_of(l, from)) : NULL;
        struct event *e;

        if (l)
                touch(net, l);
        if (id == 0)
                return;
        e = message(net, other ? other : from, from,
                    other ? nsec_max(net->now, l->ready) : net->now + DIAL_TIMEOUT, on_connected);
        e->id = id;
        e->b = other != NULL;
}

void links_keep(struct network *net, struct node *from, const struct peer_id *to, bool on) {
        struct node *other = network_find(net, to);
        struct link *l = other ? links_find(net, from, other) : NULL;

        if (!l)
                return;
        touch(net, l);
        l->kept[end_of(l, from)] = on;
}

static void on_closed(struct network *net, struct node *nobody, struct event *e) {
        struct link *l = link_of(net, e);

        if (l)
                link_end(net, l);
}

void links_close(struct network *net, struct node *from, const struct peer_id *to) {
        struct node *other = network_find(net, to);
        struct link *l = other ? links_find(net, from, other) : NULL;

        if (!l)
                return;
        charge(from, other, PART_HANDSHAKE, SIM_COST_CLOSE);
        l->is_cut = true;
        link_event(net, l, net->now + network_delay(net, from, other), on_closed);
}

/* ---- Streams ---- */

static void on_opened(struct network *net, struct node *n, struct event *e) {
        struct node *to = network_node(net, e->from, e->from_life);
        struct link *l = to ? links_find(net, n, to) : NULL;

        if (!l || l->is_cut)
                return;
        l->has_stream[end_of(l, n)] = true;
        n->behaviour->stream_opened(n, to);
}

void links_stream_open(struct network *net, struct node *from, const struct peer_id *to) {
        struct node *other = network_find(net, to);
        struct link *l = other ? links_find(net, from, other) : NULL;
        nsec_t when = l ? arrival(net, l, from) : 0;

        if (when == 0) {
                if (other)
                        from->behaviour->stream_closed(from, other);
                return;
        }
        touch(net, l);
        charge(from, other, PART_GOSSIP, SIM_COST_STREAM_OPEN);
        (void) message(net, other, from, when + network_delay(net, other, from), on_opened);
}

void links_stream_close(struct network *net, struct node *from, const struct peer_id *to) {
        struct node *other = network_find(net, to);
        struct link *l = other ? links_find(net, from, other) : NULL;

        if (l) {
                touch(net, l);
                l->has_stream[end_of(l, from)] = false;
        }
        if (other)
                from->behaviour->stream_closed(from, other);
}

static void on_rpc(struct network *net, struct node *n, struct event *e) {
        struct node *from = network_node(net, e->from, e->from_life);
        struct link *l = from ? links_find(net, n, from) : NULL;

        if (!l)
                return;
        touch(net, l);
        n->behaviour->rpc(n, from, refbuf_bytes(e->data));
}

void links_send(struct network *net, struct node *from, const struct peer_id *to,
                struct refbuf *data) {
        struct node *other = network_find(net, to);
        struct link *l = other ? links_find(net, from, other) : NULL;
        nsec_t when;

        if (!l || !l->has_stream[end_of(l, from)])
                return;
        touch(net, l);
        net->traffic.messages++;
        charge(from, at_end(net, l, !end_of(l, from)), PART_GOSSIP,
               data->len + data->len * SIM_COST_BYTE_PERMILLE / 1000 + SIM_COST_MESSAGE);
        when = arrival(net, l, from);
        if (when > 0 && !network_swallows(net, from, other))
                message(net, from, other, when, on_rpc)->data = refbuf_ref(data);
}

/* ---- The end of a node ---- */

/* Those who are told end the link when the word arrives; the others miss it (on_idle). */
void links_leave(struct network *net, struct node *from, bool says_so) {
        LIST_FOREACH (it, &from->links) {
                struct link *l = LIST_ENTRY(it, struct link_place, list)->link;
                struct node *other = at_end(net, l, !end_of(l, from));

                touch(net, l);
                if (!says_so || !other || l->is_cut)
                        continue;
                charge(from, other, PART_HANDSHAKE, SIM_COST_CLOSE);
                l->is_cut = true;
                link_event(net, l, net->now + network_delay(net, from, other), on_closed);
        }
}

void links_forget(struct network *net, struct node *n) {
        struct list *first;

        while ((first = list_first(&n->links)))
                link_remove(net, LIST_ENTRY(first, struct link_place, list)->link);
}
