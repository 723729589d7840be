#include "services/dht/action.h"

#include "common/base/memory.h"
#include "services/dht/internal.h"

const char *const dht_protocol_names[_DHT_PROTOCOL_N] = { "/quorate/kad/1.0.0",
                                                          "/quorate/record/1" };

struct entry {
        struct list link;
        struct dht_action action;
};

void dht_result_free(struct dht_result *r) {
        if (!r)
                return;
        contact_done(&r->contact);
        refbuf_unref(r->name);
        refbuf_unref(r->value);
        free(r);
}

void dht_action_done(struct dht_action *a) {
        contact_done(&a->contact);
        refbuf_unref(a->data);
        dht_result_free(a->result);
        *a = (struct dht_action){};
}

struct dht_action *dht_act(struct dht *d, enum dht_action_type type, uint64_t id) {
        struct entry *e = xnew(struct entry);

        e->action.type = type;
        e->action.id = id;
        list_push_back(&d->actions, &e->link);
        return &e->action;
}

struct dht_action *dht_last_action(struct dht *d) {
        return &LIST_ENTRY(d->actions.previous, struct entry, link)->action;
}

void dht_event(struct dht *d, const char *name, const char *text, uint64_t value) {
        dht_act(d, DHT_EVENT, 0)->event =
                (struct dht_event){ .name = name, .text = text, .value = value };
}

bool dht_output(struct dht *d, struct dht_action *ret) {
        struct list *first = list_pop_front(&d->actions);
        struct entry *e;

        if (!first)
                return false;
        e = LIST_ENTRY(first, struct entry, link);
        *ret = e->action;
        free(e);
        return true;
}
