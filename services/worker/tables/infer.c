#include "services/worker/tables/infer.h"

#define BIT(kind) (1u << (kind))

static uint8_t max(uint8_t a, uint8_t b) {
        return a > b ? a : b;
}

void infer_add(struct infer_column *c, const struct form *f) {
        c->kinds |= BIT(f->kind);
        c->digits = max(c->digits, f->digits);
        c->scale = max(c->scale, f->scale);
        c->has_large = c->has_large || f->is_large;
}

void infer_merge(struct infer_column *c, const struct infer_column *from) {
        c->kinds |= from->kinds;
        c->digits = max(c->digits, from->digits);
        c->scale = max(c->scale, from->scale);
        c->has_large = c->has_large || from->has_large;
}

struct infer_type infer_type_of(const struct infer_column *c, unsigned decimal_max) {
        const unsigned numbers = BIT(FORM_INTEGER) | BIT(FORM_DECIMAL) | BIT(FORM_REAL);
        unsigned precision = (unsigned) c->digits + c->scale;

        switch (c->kinds) {
        case BIT(FORM_INTEGER):
                return (struct infer_type){ .type = CELL_INTEGER };
        case BIT(FORM_DATE):
                return (struct infer_type){ .type = CELL_DATE };
        case BIT(FORM_TIMESTAMP):
                return (struct infer_type){ .type = CELL_TIMESTAMP };
        default:
                break;
        }
        if (c->kinds == 0 || (c->kinds & ~numbers) != 0)
                return (struct infer_type){ .type = CELL_TEXT };
        if (!(c->kinds & BIT(FORM_REAL)) && precision <= decimal_max)
                return (struct infer_type){ CELL_DECIMAL, (uint8_t) precision, c->scale };
        return (struct infer_type){ .type = c->has_large ? CELL_TEXT : CELL_REAL };
}
