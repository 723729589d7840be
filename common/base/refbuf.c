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
        b->n_refs++;
        return b;
}

struct refbuf *refbuf_unref(struct refbuf *b) {
        if (b && --b->n_refs == 0)
                free(b);
        return NULL;
}
