#include "services/dht/errand.h"

#include "common/base/memory.h"

struct errand {
        struct list link, visits;
        struct dht *dht;
        struct refbuf *message;
        const struct errand_calls *calls;
        void *userdata;
        size_t n_pending;
        struct errand_sum sum;
};

static void free_errand(struct errand *e) {
        list_remove(&e->link);
        refbuf_unref(e->message);
        free(e);
}

static void end(struct errand *e, nsec_t now) {
        if (e->calls->done)
                e->calls->done(e->userdata, &e->sum, now);
        free_errand(e);
}

/* One node of it. */
struct visit {
        struct list link;
        struct errand *errand;
        struct contact node;
        unsigned n_pages;
};

static bool ask(struct visit *v, struct bytes message, nsec_t now);

static void free_visit(struct visit *v) {
        list_remove(&v->link);
        contact_done(&v->node);
        free(v);
}

static void end_visit(struct visit *v, nsec_t now) {
        struct errand *e = v->errand;

        free_visit(v);
        if (--e->n_pending == 0)
                end(e, now);
}

static void on_told(void *userdata, const struct peer_id *from, const struct bytes *message,
                    nsec_t now) {
        CLEANUP(record_reply_donep) struct record_reply reply = {};
        CLEANUP(refbuf_unrefp) struct refbuf *next = NULL;
        struct visit *v = userdata;
        struct errand *e = v->errand;

        (void) from;
        if (message && record_reply_read(*message, &reply)) {
                e->sum.n_answered += v->n_pages == 1;
                e->sum.n_ok += v->n_pages == 1 && reply.in->result == RECORD__RESULT__RESULT_OK;
                if (e->calls->heard)
                        next = e->calls->heard(e->userdata, &v->node, reply.in);
        }
        if (!next || v->n_pages >= ERRAND_PAGES_MAX || !ask(v, refbuf_bytes(next), now))
                end_visit(v, now);
}

static bool ask(struct visit *v, struct bytes message, nsec_t now) {
        v->n_pages++;
        return dht_tell(v->errand->dht, &v->node, message, on_told, v, now);
}

static void visit_node(struct errand *e, const struct contact *node, nsec_t now) {
        struct visit *v = xnew(struct visit);

        v->errand = e;
        list_push_back(&e->visits, &v->link);
        v->node = contact_ref(node);
        e->n_pending++;
        if (ask(v, refbuf_bytes(e->message), now))
                e->sum.n_asked++;
        else
                end_visit(v, now);
}

static void on_located(void *userdata, const struct contact *nodes, size_t n, nsec_t now) {
        struct errand *e = userdata;

        e->sum.n_nodes = n;
        e->n_pending = 1; /* not over before all are asked */
        for (size_t i = 0; i < n; i++)
                if (!e->calls->wants || e->calls->wants(e->userdata, &nodes[i]))
                        visit_node(e, &nodes[i], now);
        if (--e->n_pending == 0)
                end(e, now);
}

bool errand_begin(struct errands *owner, const struct key *key, struct bytes message,
                  const struct errand_calls *calls, void *userdata, nsec_t now) {
        struct errand *e = xnew(struct errand);

        *e = (struct errand){ .dht = owner->dht,
                              .message = refbuf_new(message),
                              .calls = calls,
                              .userdata = userdata };
        list_init(&e->visits);
        list_push_back(&owner->list, &e->link);
        if (dht_locate(owner->dht, key, on_located, e, now))
                return true;
        free_errand(e);
        return false;
}

void errands_drop(struct errands *owner) {
        LIST_FOREACH_SAFE (it, &owner->list) {
                struct errand *e = LIST_ENTRY(it, struct errand, link);

                LIST_FOREACH_SAFE (visit, &e->visits)
                        free_visit(LIST_ENTRY(visit, struct visit, link));
                free_errand(e);
        }
}
