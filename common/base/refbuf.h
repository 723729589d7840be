#pragma once

/* Immutable bytes with a reference count: what is handed to a stream must stay
 * at its address until the peer acknowledged it, while others read it too. The
 * count is atomic: ZeroMQ lets go of a message in a thread of its own. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

struct refbuf {
        size_t n_refs, len;
        uint8_t data[];
};

struct refbuf *refbuf_new(struct bytes content); /* a copy; one reference */
struct refbuf *refbuf_alloc(size_t len);         /* contents to be written before it is shared */
struct refbuf *refbuf_ref(struct refbuf *b);
struct refbuf *refbuf_unref(struct refbuf *b); /* NULL allowed; always NULL */
DEFINE_CLEANUP(struct refbuf *, refbuf_unref);

static inline struct bytes refbuf_bytes(const struct refbuf *b) {
        return (struct bytes){ b->data, b->len };
}
