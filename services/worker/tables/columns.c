#include "services/worker/tables/columns.h"

#include <ctype.h>

#include "common/base/memory.h"
#include "common/base/text.h"

void columns_init(struct columns *c) {
        *c = (struct columns){
                .list = xnew_n(struct column, TABLE_COLUMNS_MAX),
                .by_name = map_new(0),
                .folded = map_new(0),
        };
}

void columns_done(struct columns *c) {
        for (size_t i = 0; i < c->n; i++)
                free((void *) c->list[i].name.data);
        free(c->list);
        map_free(c->by_name);
        map_free(c->folded);
        *c = (struct columns){};
}

struct column *columns_find(struct columns *c, struct bytes name) {
        struct column *found;

        if (c->next < c->n && bytes_equal(c->list[c->next].name, name)) {
                found = &c->list[c->next];
        } else {
                found = map_get(c->by_name, name);
                if (!found)
                        return NULL;
        }
        c->next = (size_t) (found - c->list) + 1;
        return found;
}

/* Two columns whose folded names are equal are one column to both engines. */
static struct column *add_folded(struct columns *c, struct bytes name) {
        char folded[SCHEMA_NAME_MAX];

        for (size_t i = 0; i < name.len; i++)
                folded[i] = (char) tolower(name.data[i]);
        return map_set(c->folded, BYTES(folded, name.len), &c->list[c->n]);
}

static bool has_control(struct bytes name) {
        for (size_t i = 0; i < name.len; i++) {
                if (name.data[i] < 0x20 || name.data[i] == 0x7f)
                        return true;
        }
        return false;
}

static int bad(struct table_fault *f, const char *what, const char *remedy) {
        f->what = what;
        f->remedy = remedy;
        return TABLE_E_BAD;
}

int columns_add(struct columns *c, struct bytes name, struct table_fault *f) {
        if (name.len == 0)
                return bad(f, "a column without a name",
                           "name every column; a file without a row of names needs one in front");
        if (name.len > SCHEMA_NAME_MAX)
                return bad(f, "a name above 255 bytes", "shorten the column's name");
        if (!utf8_is_valid(name) || has_control(name))
                return bad(f, "a name that is not plain UTF-8 text", "rename the column");
        if (c->n == TABLE_COLUMNS_MAX)
                return bad(f, "more than 1000 columns", "split the table");
        if (add_folded(c, name))
                return bad(f, "a name that another column has (in any case of letters)",
                           "rename the column");
        c->list[c->n] = (struct column){ .name = BYTES(xmemdup(name.data, name.len), name.len) };
        (void) map_set(c->by_name, name, &c->list[c->n]);
        c->name_bytes += name.len;
        c->n++;
        return TABLE_OK;
}

int columns_encode(const struct columns *c, unsigned decimal_max, struct buffer *ret,
                   struct table_fault *f) {
        if (c->name_bytes + c->n * 8 > TABLE_SCHEMA_MAX)
                return table_fault_set(f, 0, 0, 0, "its names of columns fill more than 128 KiB",
                                       "shorten them");
        buffer_put_u8(ret, TABLE_SCHEMA_VERSION);
        schema_begin(ret, c->n);
        for (size_t i = 0; i < c->n; i++) {
                struct infer_type t = infer_type_of(&c->list[i].facts, decimal_max);

                schema_put_name(ret, c->list[i].name);
                if (t.type == CELL_DECIMAL)
                        schema_put_decimal(ret, t.precision, t.scale);
                else
                        schema_put_type(ret, t.type);
        }
        return ret->failed ? table_fault_set(f, 0, 0, 0, "no memory for its schema",
                                             "raise the memory of the job")
                           : TABLE_OK;
}

static bool is_ours(const struct schema_type *t) {
        switch (t->type) {
        case CELL_INTEGER:
        case CELL_REAL:
        case CELL_TEXT:
        case CELL_DATE:
        case CELL_TIMESTAMP:
                return true;
        case CELL_DECIMAL:
                return t->precision <= FORM_DECIMAL_MAX;
        default:
                return false;
        }
}

struct schema *table_schema_decode(struct bytes in) {
        CLEANUP(schema_freep) struct schema *s = NULL;

        if (in.len < 1 || in.data[0] != TABLE_SCHEMA_VERSION ||
            schema_decode(BYTES(in.data + 1, in.len - 1), &s) || s->n_columns == 0)
                return NULL;
        for (size_t i = 0; i < s->n_columns; i++) {
                if (!is_ours(s->columns[i]))
                        return NULL;
        }
        return TAKE(s);
}
