#pragma once

/* What somebody may make us keep: bytes, streams, entries. Charged before the
 * allocation, given back on release; a refusal is an ordinary answer and is
 * counted. A budget may draw on a parent: both must agree. */

#include <stddef.h>
#include <stdint.h>

enum budget_result {
        BUDGET_OK = 0,
        BUDGET_E_QUOTA, /* over the limit here or above; nothing was taken */
};

struct budget {
        struct budget *parent; /* or NULL; must outlive this one */
        uint64_t limit, used, peak, refused;
};

void budget_init(struct budget *b, uint64_t limit, struct budget *parent);

/* Returns enum budget_result. */
int budget_take(struct budget *b, uint64_t n);
void budget_give(struct budget *b, uint64_t n); /* n was taken before */
uint64_t budget_left(const struct budget *b);   /* the least along the chain */
