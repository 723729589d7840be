/* Pages of a listing that may end inside a key. */

#include "services/dht/list_page.h"

#include <string.h>

void list_page_init(struct list_page *p, const struct key *after, size_t inside, size_t n_max,
                    size_t room) {
        *p = (struct list_page){ .last = *after,
                                 .inside = inside,
                                 .n_max = n_max,
                                 .room = room,
                                 .after = *after,
                                 .skip = inside };
}

static bool is_before(struct list_page *p, const struct key *key) {
        int order = memcmp(key, &p->after, KEY_SIZE);

        if (order != 0 || p->inside == 0) /* 0: nothing of `after` is wanted any more */
                return order <= 0;
        if (p->skip == 0)
                return false;
        p->skip--;
        return true;
}

enum list_step list_page_step(struct list_page *p, const struct key *key, size_t bytes) {
        if (is_before(p, key))
                return LIST_SKIP;
        if (p->n == p->n_max || p->bytes > p->room)
                return LIST_FULL;
        p->inside = key_equal(key, &p->last) ? p->inside + 1 : 1;
        p->last = *key;
        p->n++;
        p->bytes += bytes;
        return LIST_TAKE;
}
