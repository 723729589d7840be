#include "common/daemon/rpc_answers.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/daemon/rpc.h"

#define CALLERS_MAX 64          /* whose answers are kept */
#define KNOWN_MAX   4096        /* of whom at least the highest id is: no second run */
#define BYTES_MAX   (4u << 20)  /* of one caller */
#define TOTAL_MAX   (16u << 20) /* of all */

struct kept {
        struct list in_caller; /* oldest first */
        uint64_t id;
        struct answer answer;
};

struct caller {
        struct list in_answers; /* recent or known, least recently heard of first */
        bool is_recent;
        uint64_t key[2], highest;
        struct map *by_id;
        struct list kept;
        size_t n_bytes;
};

struct answers {
        uint64_t seed;
        struct map *callers;
        struct list recent, known;
        size_t n_recent, n_bytes;
};

struct answers *answers_new(uint64_t seed) {
        struct answers *a = xnew(struct answers);

        a->seed = seed;
        a->callers = map_new(seed);
        list_init(&a->recent);
        list_init(&a->known);
        return a;
}

static size_t cost(const struct answer *a) {
        return sizeof(struct kept) + (a->text ? strlen(a->text) + 1 : 0) +
               (a->body ? a->body->len : 0);
}

static void forget_oldest(struct answers *a, struct caller *c) {
        struct kept *k = LIST_ENTRY(list_pop_front(&c->kept), struct kept, in_caller);

        (void) map_remove_u64(c->by_id, k->id);
        c->n_bytes -= cost(&k->answer);
        a->n_bytes -= cost(&k->answer);
        refbuf_unref(k->answer.body);
        free(k->answer.text);
        free(k);
}

static void leave_recent(struct answers *a, struct caller *c) {
        while (!list_is_empty(&c->kept))
                forget_oldest(a, c);
        list_remove(&c->in_answers);
        a->n_recent -= c->is_recent;
        c->is_recent = false;
}

static void join_recent(struct answers *a, struct caller *c) {
        list_push_back(&a->recent, &c->in_answers);
        c->is_recent = true;
        if (++a->n_recent > CALLERS_MAX) {
                struct caller *old = LIST_ENTRY(list_first(&a->recent), struct caller, in_answers);

                leave_recent(a, old);
                list_push_back(&a->known, &old->in_answers);
        }
}

static void caller_free(struct answers *a, struct caller *c) {
        leave_recent(a, c);
        (void) map_remove(a->callers, BYTES_OF(c->key));
        map_free(c->by_id);
        free(c);
}

struct answers *answers_free(struct answers *a) {
        if (!a)
                return NULL;
        while (!list_is_empty(&a->recent))
                caller_free(a, LIST_ENTRY(list_first(&a->recent), struct caller, in_answers));
        while (!list_is_empty(&a->known))
                caller_free(a, LIST_ENTRY(list_first(&a->known), struct caller, in_answers));
        map_free(a->callers);
        free(a);
        return NULL;
}

static struct caller *caller_of(const struct answers *a, const struct link_peer *who) {
        const uint64_t key[2] = { who->instance, who->uid };

        return map_get(a->callers, BYTES_OF(key));
}

static struct caller *caller_make(struct answers *a, const struct link_peer *who) {
        struct caller *c = caller_of(a, who);

        if (c) {
                list_remove(&c->in_answers);
                a->n_recent -= c->is_recent;
                join_recent(a, c);
                return c;
        }
        if (map_count(a->callers) >= KNOWN_MAX)
                caller_free(a, LIST_ENTRY(list_first(&a->known), struct caller, in_answers));
        c = xnew(struct caller);
        c->key[0] = who->instance;
        c->key[1] = who->uid;
        c->by_id = map_new(a->seed);
        list_init(&c->kept);
        list_init(&c->in_answers);
        join_recent(a, c);
        (void) map_set(a->callers, BYTES_OF(c->key), c);
        return c;
}

/* Whoever was not heard of for longest gives first. */
static void make_room(struct answers *a) {
        LIST_FOREACH (it, &a->recent) {
                struct caller *c = LIST_ENTRY(it, struct caller, in_answers);

                while (a->n_bytes > TOTAL_MAX && !list_is_empty(&c->kept))
                        forget_oldest(a, c);
        }
}

void answers_begin(struct answers *a, const struct link_peer *who, uint64_t id) {
        struct caller *c = caller_make(a, who);

        if (id > c->highest)
                c->highest = id;
}

bool answers_is_old(const struct answers *a, const struct link_peer *who, uint64_t id) {
        const struct caller *c = caller_of(a, who);

        return c && id <= c->highest;
}

void answers_store(struct answers *a, const struct link_peer *who, uint64_t id,
                   const struct answer *answer) {
        struct caller *c = caller_of(a, who);
        struct kept *k;

        /* Forgotten meanwhile, refused before it began, or ended twice (a timeout before). */
        if (!c || !c->is_recent || id > c->highest || map_get_u64(c->by_id, id))
                return;
        k = xnew(struct kept);
        k->id = id;
        k->answer.code = answer->code;
        k->answer.text = xstrdup(answer->text);
        k->answer.body = answer->body ? refbuf_ref(answer->body) : NULL;
        c->n_bytes += cost(&k->answer);
        a->n_bytes += cost(&k->answer);
        list_push_back(&c->kept, &k->in_caller);
        (void) map_set_u64(c->by_id, id, k);
        while (map_count(c->by_id) > RPC_RECORDED_MAX || c->n_bytes > BYTES_MAX)
                forget_oldest(a, c);
        make_room(a);
}

const struct answer *answers_find(const struct answers *a, const struct link_peer *who,
                                  uint64_t id) {
        const struct caller *c = caller_of(a, who);
        const struct kept *k = c ? map_get_u64(c->by_id, id) : NULL;

        return k ? &k->answer : NULL;
}
