#include "common/base/heap.h"

#include <stdlib.h>

#include "common/base/memory.h"

void heap_init(struct heap *h) {
        *h = (struct heap){};
}

void heap_done(struct heap *h) {
        for (size_t i = 0; i < h->n_entries; i++)
                h->entries[i]->position = 0;
        free(h->entries);
        heap_init(h);
}

static bool is_before(const struct heap_entry *a, const struct heap_entry *b) {
        return a->when != b->when ? a->when < b->when : a->sequence < b->sequence;
}

static void place(struct heap *h, size_t i, struct heap_entry *e) {
        h->entries[i] = e;
        e->position = i + 1;
}

static size_t sift_up(struct heap *h, size_t i, struct heap_entry *e) {
        while (i > 0 && is_before(e, h->entries[(i - 1) / 2])) {
                place(h, i, h->entries[(i - 1) / 2]);
                i = (i - 1) / 2;
        }
        return i;
}

static size_t sift_down(struct heap *h, size_t i, struct heap_entry *e) {
        for (;;) {
                size_t child = 2 * i + 1;

                if (child >= h->n_entries)
                        return i;
                if (child + 1 < h->n_entries && is_before(h->entries[child + 1], h->entries[child]))
                        child++;
                if (!is_before(h->entries[child], e))
                        return i;
                place(h, i, h->entries[child]);
                i = child;
        }
}

static void settle(struct heap *h, size_t i, struct heap_entry *e) {
        place(h, sift_down(h, sift_up(h, i, e), e), e);
}

void heap_set(struct heap *h, struct heap_entry *e, nsec_t when) {
        size_t i = e->position - 1;

        if (e->position == 0) {
                if (h->n_entries == h->capacity) {
                        h->capacity = h->capacity ? h->capacity * 2 : 16;
                        h->entries = xrealloc(h->entries, h->capacity * sizeof(*h->entries));
                }
                i = h->n_entries++;
        }
        e->when = when;
        e->sequence = h->next_sequence++;
        settle(h, i, e);
}

void heap_remove(struct heap *h, struct heap_entry *e) {
        struct heap_entry *last;
        size_t i = e->position - 1;

        if (e->position == 0)
                return;
        e->position = 0;
        last = h->entries[--h->n_entries];
        if (last != e)
                settle(h, i, last);
}

struct heap_entry *heap_first(const struct heap *h) {
        return h->n_entries > 0 ? h->entries[0] : NULL;
}

nsec_t heap_when(const struct heap *h) {
        return h->n_entries > 0 ? h->entries[0]->when : NSEC_NEVER;
}

struct heap_entry *heap_pop_due(struct heap *h, nsec_t now) {
        struct heap_entry *e = heap_first(h);

        if (!e || e->when > now)
                return NULL;
        heap_remove(h, e);
        return e;
}
