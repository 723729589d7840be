#include "common/base/budget.h"

#include "common/base/error.h"

void budget_init(struct budget *b, uint64_t limit, struct budget *parent) {
        *b = (struct budget){ .parent = parent, .limit = limit };
}

int budget_take(struct budget *b, uint64_t n) {
        if (n > b->limit || b->used > b->limit - n || (b->parent && budget_take(b->parent, n))) {
                b->refused++;
                return BUDGET_E_QUOTA;
        }
        b->used += n;
        if (b->used > b->peak)
                b->peak = b->used;
        return BUDGET_OK;
}

void budget_give(struct budget *b, uint64_t n) {
        check(n <= b->used);
        b->used -= n;
        if (b->parent)
                budget_give(b->parent, n);
}

uint64_t budget_left(const struct budget *b) {
        uint64_t left = b->used < b->limit ? b->limit - b->used : 0;
        uint64_t above = b->parent ? budget_left(b->parent) : left;

        return left < above ? left : above;
}
