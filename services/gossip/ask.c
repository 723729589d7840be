#include <string.h>

#include "common/base/memory.h"
#include "common/wire/unpack.h"
#include "services/gossip/core_calls.h"
#include "services/gossip/neighbours.h"

/* Questions on /quorate/peers/1 and lookups, on behalf of draws and crawls. */

static const struct unpack_limits reply_limits = {
        .depth = 3,
        .fields = 4096,
        .unknown = 16,
        .memory = 512 * 1024,
};

/* ---- Calls ---- */

static const struct {
        void (*end)(struct gossip *g, struct call *c, nsec_t now);
        void (*free)(struct call *c);
} kinds[_CALL_KINDS] = {
        [CALL_DRAW] = { draw_end, draw_free },
        [CALL_CRAWL] = { crawl_end, crawl_free },
        [CALL_SPREAD] = { spread_end, spread_free },
};

struct call *call_new(struct gossip *g, uint64_t number, enum call_kind kind, nsec_t deadline) {
        struct call *c;

        if (map_count(g->calls) >= CALLS_MAX || map_get_u64(g->calls, number)) {
                g_count(g, GOSSIP_CALLS_REFUSED);
                return NULL;
        }
        c = xnew(struct call);
        c->number = number;
        c->kind = kind;
        c->deadline = deadline;
        c->wake = NSEC_NEVER;
        list_push_back(&g->call_order, &c->link);
        (void) map_set_u64(g->calls, number, c);
        return c;
}

void call_free(struct gossip *g, struct call *c) {
        ask_forget_call(g, c);
        kinds[c->kind].free(c);
        list_remove(&c->link);
        (void) map_remove_u64(g->calls, c->number);
        free(c);
}

void gossip_cancel(struct gossip *g, uint64_t number, nsec_t now) {
        struct call *c = map_get_u64(g->calls, number);

        g->now = now;
        if (c)
                call_free(g, c);
}

/* ---- Questions ---- */

void ask_free(struct gossip *g, struct ask *a) {
        list_remove(&a->link);
        (void) map_remove_u64(g->asks, a->id);
        if (a->call)
                a->call->n_asks--;
        free(a);
}

void ask_forget_call(struct gossip *g, struct call *call) {
        LIST_FOREACH_SAFE (it, &g->ask_order) {
                struct ask *a = LIST_ENTRY(it, struct ask, link);

                if (a->call == call)
                        ask_free(g, a);
        }
}

static struct ask *ask_new(struct gossip *g, struct call *call, nsec_t now) {
        /* A draw has no time to ask one after the other. */
        unsigned max = call->kind == CALL_DRAW ? DRAW_ASKS : g->config.asks_max;
        struct ask *a;

        if (call->n_asks >= max || map_count(g->asks) >= ASKED_MAX)
                return NULL;
        a = xnew(struct ask);
        a->id = gossip_next_id(g);
        a->call = call;
        a->deadline = nsec_add(now, g->config.ask_timeout);
        call->n_asks++;
        list_push_back(&g->ask_order, &a->link);
        (void) map_set_u64(g->asks, a->id, a);
        return a;
}

struct ask *ask_peer(struct gossip *g, struct call *call, const struct gossip_contact *to,
                     const Peers__Request *request, ask_fn fn, nsec_t now) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct ask *a = ask_new(g, call, now);
        struct gossip_action *action;

        if (!a)
                return NULL;
        a->to = *to;
        a->on_reply = fn;
        buffer_init(&b, REQUEST_MAX);
        wire_pack(&b, &request->base);
        action = gossip_add(g, GOSSIP_ASK, a->id);
        action->peer = to->peer;
        action->n = !to->is_given;
        gossip_set_addresses(action, to->addresses, to->n_addresses);
        action->data = refbuf_new(buffer_bytes(&b));
        g_count(g, GOSSIP_ASKED);
        return a;
}

struct ask *ask_lookup(struct gossip *g, struct call *call, const struct lookup *l, nsec_t now) {
        struct ask *a = ask_new(g, call, now);
        struct gossip_action *action;

        if (!a)
                return NULL;
        a->on_found = l->fn;
        action = gossip_add(g, GOSSIP_LOOKUP, a->id);
        action->n = l->n;
        action->local = l->local;
        memcpy(action->key, l->key, sizeof(action->key));
        g_count(g, GOSSIP_LOOKUPS);
        return a;
}

/* The question is over before what it led to runs, so that this may ask again. */
static void finish(struct gossip *g, struct ask *a, const Peers__Reply *reply,
                   const struct gossip_contact *list, size_t n, nsec_t now) {
        struct ask done = *a;

        ask_free(g, a);
        if (done.on_reply)
                done.on_reply(g, &done, reply, now);
        else
                done.on_found(g, &done, list, n, now);
}

void gossip_answered(struct gossip *g, uint64_t id, struct bytes answer, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct ask *a = map_get_u64(g->asks, id);

        g->now = now;
        if (!a || !a->on_reply)
                return;
        if (answer.len > REPLY_MAX ||
            wire_unpack(&peers__reply__descriptor, answer, &reply_limits, &u) != UNPACK_OK)
                g_count(g, GOSSIP_BAD_ANSWERS);
        finish(g, a, u.message, NULL, 0, now);
}

void gossip_ask_failed(struct gossip *g, uint64_t id, nsec_t now) {
        struct ask *a = map_get_u64(g->asks, id);

        g->now = now;
        if (!a)
                return;
        g_count(g, GOSSIP_ASK_FAILURES);
        finish(g, a, NULL, NULL, 0, now);
}

/* The DHT hands on what peers said of themselves, and others of them. */
static struct gossip_contact *judge_contacts(const struct gossip *g,
                                             const struct gossip_contact *list, size_t n) {
        struct gossip_contact *told = xnew_n(struct gossip_contact, n + 1);

        for (size_t i = 0; i < n; i++) {
                told[i].peer = list[i].peer;
                told[i].n_addresses = gossip_dialable(g, list[i].addresses, list[i].n_addresses,
                                                      told[i].addresses, GOSSIP_ADDRESSES_MAX);
        }
        return told;
}

void gossip_found(struct gossip *g, uint64_t id, const struct gossip_contact *list, size_t n,
                  nsec_t now) {
        CLEANUP(freep) struct gossip_contact *told = judge_contacts(g, list, n);
        struct ask *a = map_get_u64(g->asks, id);

        g->now = now;
        if (id == 0)
                neighbours_found(g, told, n, now);
        else if (a && a->on_found)
                finish(g, a, NULL, told, n, now);
}

/* ---- Time ---- */

static nsec_t call_deadline(const struct call *c) {
        return nsec_min(c->deadline, c->wake);
}

nsec_t ask_deadline(const struct gossip *g) {
        const struct list *first = list_first(&g->ask_order);
        nsec_t at = first ? LIST_ENTRY(first, struct ask, link)->deadline : NSEC_NEVER;

        LIST_FOREACH (it, &g->call_order)
                at = nsec_min(at, call_deadline(LIST_ENTRY(it, struct call, link)));
        return at;
}

static void expire_asks(struct gossip *g, nsec_t now) {
        struct list *first;

        while ((first = list_first(&g->ask_order))) {
                struct ask *a = LIST_ENTRY(first, struct ask, link);

                if (now < a->deadline)
                        return;
                gossip_ask_failed(g, a->id, now);
        }
}

void ask_expire(struct gossip *g, nsec_t now) {
        expire_asks(g, now);
        LIST_FOREACH_SAFE (it, &g->call_order) {
                struct call *c = LIST_ENTRY(it, struct call, link);

                if (now >= c->deadline)
                        kinds[c->kind].end(g, c, now);
                else if (now >= c->wake)
                        draw_wake(g, c, now);
        }
}
