#include "common/base/refbuf.h"

#include <stdlib.h>

#include "common/base/memory.h"

struct refbuf *refbuf_alloc(size_t len) {
        struct refbuf *b = xmalloc(sizeof(*b) + len);

        b->n_refs = 1;
        b->len = len;
        return b;
}

struct refbuf *refbuf_new(struct bytes content) {
        struct refbuf *b = refbuf_alloc(content.len);

        if (content.len > 0)
                memcpy(b->data, content.data, content.len);
        return b;
}

struct refbuf *refbuf_ref(struct refbuf *b) {
        (void) __atomic_fetch_add(&b->n_refs, 1, __ATOMIC_RELAXED);
        return b;
}

struct refbuf *refbuf_unref(struct refbuf *b) {
        /* The last one out must see what the others wrote before they left. */
        if (b && __atomic_sub_fetch(&b->n_refs, 1, __ATOMIC_ACQ_REL) == 0)
                free(b);
        return NULL;
}
