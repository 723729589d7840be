#include "services/coordinator/action.h"

#include "common/base/list.h"
#include "common/base/memory.h"

struct entry {
        struct list link;
        struct action action;
};

struct actions {
        struct list entries;
};

void action_done(struct action *a) {
        refbuf_unref(a->data);
        free(a->addresses);
        free(a->providers);
        *a = (struct action){};
}

struct actions *actions_new(void) {
        struct actions *q = xnew(struct actions);

        list_init(&q->entries);
        return q;
}

struct actions *actions_free(struct actions *q) {
        struct action a = {};

        if (!q)
                return NULL;
        while (actions_take(q, &a))
                action_done(&a);
        free(q);
        return NULL;
}

struct action *actions_add(struct actions *q, enum action_type type, uint64_t id) {
        struct entry *e = xnew(struct entry);

        e->action.type = type;
        e->action.id = id;
        list_push_back(&q->entries, &e->link);
        return &e->action;
}

void actions_add_data(struct actions *q, enum action_type type, uint64_t id, struct refbuf *data) {
        actions_add(q, type, id)->data = data;
}

void actions_event(struct actions *q, const struct event *event) {
        actions_add(q, ACTION_EVENT, 0)->event = *event;
}

bool actions_take(struct actions *q, struct action *ret) {
        struct list *first = list_pop_front(&q->entries);
        struct entry *e;

        if (!first)
                return false;
        e = LIST_ENTRY(first, struct entry, link);
        *ret = e->action;
        free(e);
        return true;
}
