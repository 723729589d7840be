/* Row digests of a SET: a million of them sorted where they stand, because a
 * sort with a copy would double what one job may hold. */

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/canonical/answer.h"

#define FIRST      64
#define FEW        24 /* sorted by insertion */
#define BYTE_COUNT 256

int digest_set_add(struct digest_set *s, const struct hash_value *d) {
        if (s->n == s->capacity) {
                size_t more = s->capacity ? s->capacity : FIRST;

                if (s->budget && budget_take(s->budget, more * HASH_SIZE))
                        return BATCH_E_BUDGET;
                s->capacity += more;
                s->digests = xrealloc(s->digests, s->capacity * HASH_SIZE);
        }
        s->digests[s->n++] = *d;
        return BATCH_OK;
}

void digest_set_done(struct digest_set *s) {
        if (s->budget)
                budget_give(s->budget, s->capacity * HASH_SIZE);
        free(s->digests);
        *s = (struct digest_set){ .budget = s->budget };
}

static void insertion_sort(struct hash_value *d, size_t n) {
        for (size_t i = 1; i < n; i++) {
                struct hash_value v = d[i];
                size_t j = i;

                for (; j > 0 && memcmp(d[j - 1].bytes, v.bytes, HASH_SIZE) > 0; j--)
                        d[j] = d[j - 1];
                d[j] = v;
        }
}

/* Moves every digest into the bucket of its byte `at`; ends[] are the buckets' ends. */
static void scatter(struct hash_value *d, size_t n, size_t at, uint32_t ends[BYTE_COUNT]) {
        uint32_t next[BYTE_COUNT], sum = 0;

        memset(ends, 0, BYTE_COUNT * sizeof(*ends));
        for (size_t i = 0; i < n; i++)
                ends[d[i].bytes[at]]++;
        for (size_t v = 0; v < BYTE_COUNT; v++) {
                next[v] = sum;
                sum += ends[v];
                ends[v] = sum;
        }
        for (size_t v = 0; v < BYTE_COUNT; v++)
                while (next[v] < ends[v]) {
                        struct hash_value *from = &d[next[v]];
                        struct hash_value *to = &d[next[from->bytes[at]]++];
                        struct hash_value held = *to;

                        *to = *from;
                        *from = held;
                }
}

/* American flag sort; at most HASH_SIZE levels, also for equal digests. */
static void sort_digests(struct hash_value *d, size_t n, size_t at) {
        uint32_t ends[BYTE_COUNT], start = 0;

        if (n < FEW || at == HASH_SIZE)
                return insertion_sort(d, n);
        scatter(d, n, at, ends);
        for (size_t v = 0; v < BYTE_COUNT; v++) {
                if (ends[v] - start > 1)
                        sort_digests(d + start, ends[v] - start, at + 1);
                start = ends[v];
        }
}

struct hash_value digest_set_hash(struct digest_set *s) {
        if (s->n > 0)
                sort_digests(s->digests, s->n, 0);
        return hash_of("quorate.set.1", BYTES(s->digests, s->n * HASH_SIZE));
}
