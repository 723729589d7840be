#include "services/worker/tables/infer.h"

#include "common/base/text.h"

#define BIT(kind) (1u << (kind))

static uint8_t max(uint8_t a, uint8_t b) {
        return a > b ? a : b;
}

static const enum infer_class classes[FORM_KINDS] = {
        [FORM_INTEGER] = INFER_NUMBERS,      [FORM_DECIMAL] = INFER_NUMBERS,
        [FORM_REAL] = INFER_NUMBERS,         [FORM_DATE] = INFER_DATES,
        [FORM_TIMESTAMP] = INFER_TIMESTAMPS, [FORM_TEXT] = INFER_CLASSES,
};

static void take_place(struct infer_place *p, uint64_t row, struct bytes text) {
        size_t n = text.len < sizeof(p->text) ? text.len : sizeof(p->text) - 1;

        *p = (struct infer_place){ .row = row };
        memcpy(p->text, text.data, utf8_valid_prefix(BYTES(text.data, n)));
}

void infer_add(struct infer_column *c, const struct form *f, uint64_t row, struct bytes text) {
        c->kinds |= BIT(f->kind);
        c->digits = max(c->digits, f->digits);
        c->scale = max(c->scale, f->scale);
        c->has_large = c->has_large || f->is_large;
        c->n++;
        for (unsigned i = 0; i < INFER_CLASSES; i++) {
                struct infer_place *odd = &c->odd[i];

                if (classes[f->kind] == i)
                        c->of_class[i]++;
                else if (odd->row == 0 || row < odd->row)
                        take_place(odd, row, text);
        }
}

bool infer_is_odd(const struct infer_column *c, enum infer_class *ret) {
        for (unsigned i = 0; i < INFER_CLASSES; i++)
                if (c->odd[i].row > 0 && c->of_class[i] > c->n - c->of_class[i]) {
                        *ret = i;
                        return true;
                }
        return false;
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
