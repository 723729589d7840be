#include "services/worker/duckdb/duckdb_readers.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "services/worker/duckdb/duckdb_session.h"

#define EXACT_DOUBLE_MAX (INT64_C(1) << 53)

#define AT(type, r, row) (((const type *) (r)->data)[row])

/* ---- numbers ---- */

#define PUT_INTEGER(name, type)                                                          \
        static int name(const struct duckdb_reader *r, uint64_t row, struct buffer *b) { \
                cell_put_integer(b, (int64_t) AT(type, r, row));                         \
                return DUCKDB_PUT_OK;                                                    \
        }
PUT_INTEGER(put_int8, int8_t)
PUT_INTEGER(put_int16, int16_t)
PUT_INTEGER(put_int32, int32_t)
PUT_INTEGER(put_int64, int64_t)
PUT_INTEGER(put_uint8, uint8_t)
PUT_INTEGER(put_uint16, uint16_t)
PUT_INTEGER(put_uint32, uint32_t)

static int put_boolean(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        cell_put_integer(b, AT(uint8_t, r, row) != 0);
        return DUCKDB_PUT_OK;
}

static int put_uint64(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        cell_put_integer128(b, (__int128) AT(uint64_t, r, row));
        return DUCKDB_PUT_OK;
}

static __int128 hugeint_at(const struct duckdb_reader *r, uint64_t row) {
        const duckdb_hugeint *v = &AT(duckdb_hugeint, r, row);

        return (__int128) ((unsigned __int128) (uint64_t) v->upper << 64 | v->lower);
}

static int put_hugeint(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        cell_put_integer128(b, hugeint_at(r, row));
        return DUCKDB_PUT_OK;
}

static int put_uhugeint(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        const duckdb_uhugeint *v = &AT(duckdb_uhugeint, r, row);
        uint8_t be[17] = {}; /* a leading zero: it has no sign */

        store_be64(be + 1, v->upper);
        store_be64(be + 9, v->lower);
        return cell_put_integer_bytes(b, BYTES_OF(be)) ? DUCKDB_PUT_E_CAST : DUCKDB_PUT_OK;
}

static int put_float(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        return cell_put_real(b, (double) AT(float, r, row)) ? DUCKDB_PUT_E_CAST : DUCKDB_PUT_OK;
}

static int put_double(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        return cell_put_real(b, AT(double, r, row)) ? DUCKDB_PUT_E_CAST : DUCKDB_PUT_OK;
}

#define PUT_DECIMAL(name, value)                                                                   \
        static int name(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {           \
                return cell_put_decimal(b, (value), r->scale) ? DUCKDB_PUT_E_CAST : DUCKDB_PUT_OK; \
        }
PUT_DECIMAL(put_decimal16, AT(int16_t, r, row))
PUT_DECIMAL(put_decimal32, AT(int32_t, r, row))
PUT_DECIMAL(put_decimal64, AT(int64_t, r, row))
PUT_DECIMAL(put_decimal128, hugeint_at(r, row))

/* ---- text and bytes ---- */

static int put_text(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        return cell_put_text(b, duckdb_string(&AT(duckdb_string_t, r, row))) ? DUCKDB_PUT_E_CAST
                                                                             : DUCKDB_PUT_OK;
}

static int put_blob(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        cell_put_blob(b, duckdb_string(&AT(duckdb_string_t, r, row)));
        return DUCKDB_PUT_OK;
}

static int put_word(const struct duckdb_reader *r, size_t index, struct buffer *b) {
        if (index >= r->n_words)
                return DUCKDB_PUT_E_CAST;
        return cell_put_text(b, r->words[index]) ? DUCKDB_PUT_E_CAST : DUCKDB_PUT_OK;
}

static int put_enum8(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        return put_word(r, AT(uint8_t, r, row), b);
}

static int put_enum16(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        return put_word(r, AT(uint16_t, r, row), b);
}

static int put_enum32(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        return put_word(r, AT(uint32_t, r, row), b);
}

/* DuckDB pads in front (a first byte says how many bits, they are ones), we at the end. */
static int put_bit(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        struct bytes v = duckdb_string(&AT(duckdb_string_t, r, row));
        CLEANUP(freep) uint8_t *bits = NULL;
        unsigned padding;

        if (v.len < 2 || v.data[0] > 7)
                return DUCKDB_PUT_E_CAST;
        padding = v.data[0];
        bits = malloc(v.len);
        if (!bits)
                return DUCKDB_PUT_E_LARGE;
        for (size_t i = 1; i < v.len; i++) {
                unsigned next = i + 1 < v.len ? v.data[i + 1] : 0;

                bits[i - 1] = (uint8_t) ((v.data[i] << 8 | next) >> (8 - padding));
        }
        cell_put_bit(b, bits, 8 * (v.len - 1) - padding);
        return DUCKDB_PUT_OK;
}

static int put_uuid(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        const duckdb_hugeint *v = &AT(duckdb_hugeint, r, row);
        uint8_t be[16];

        store_be64(be, (uint64_t) v->upper ^ UINT64_C(1) << 63); /* so that they sort */
        store_be64(be + 8, v->lower);
        cell_put_uuid(b, be);
        return DUCKDB_PUT_OK;
}

/* ---- times: the outermost values stand for the infinities ---- */

static int put_date(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        int32_t days = AT(int32_t, r, row);

        if (days == INT32_MAX || days == -INT32_MAX)
                return DUCKDB_PUT_E_CAST;
        cell_put_date(b, days);
        return DUCKDB_PUT_OK;
}

/* value × multiply / divide, exactly. */
static int put_usec(struct buffer *b, enum cell_type type, int64_t v, int64_t multiply,
                    int64_t divide) {
        if (v == INT64_MAX || v == -INT64_MAX || v % divide != 0 ||
            __builtin_mul_overflow(v / divide, multiply, &v))
                return DUCKDB_PUT_E_CAST;
        cell_put_usec(b, type, v);
        return DUCKDB_PUT_OK;
}

#define PUT_USEC(name, type, multiply, divide)                                           \
        static int name(const struct duckdb_reader *r, uint64_t row, struct buffer *b) { \
                return put_usec(b, type, AT(int64_t, r, row), multiply, divide);         \
        }
PUT_USEC(put_time, CELL_TIME, 1, 1)
PUT_USEC(put_time_ns, CELL_TIME, 1, 1000)
PUT_USEC(put_timestamp, CELL_TIMESTAMP, 1, 1)
PUT_USEC(put_timestamp_s, CELL_TIMESTAMP, 1000000, 1)
PUT_USEC(put_timestamp_ms, CELL_TIMESTAMP, 1000, 1)
PUT_USEC(put_timestamp_ns, CELL_TIMESTAMP, 1, 1000)
PUT_USEC(put_timestamp_tz, CELL_TIMESTAMPTZ, 1, 1)

static int put_interval(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        const duckdb_interval *v = &AT(duckdb_interval, r, row);

        cell_put_interval(b, v->months, v->days, v->micros);
        return DUCKDB_PUT_OK;
}

/* ---- nested ---- */

static int put_range(const struct duckdb_reader *r, uint64_t from, uint64_t n, struct buffer *b) {
        cell_begin(b, CELL_LIST, n);
        for (uint64_t i = 0; i < n; i++) {
                int result = duckdb_put_cell(&r->children[0], from + i, b);

                if (result || b->failed) /* before it runs on for the rest of a long one */
                        return result ? result : DUCKDB_PUT_E_LARGE;
        }
        return DUCKDB_PUT_OK;
}

static int put_list(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        const duckdb_list_entry *e = &AT(duckdb_list_entry, r, row);

        return put_range(r, e->offset, e->length, b);
}

static int put_array(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        return put_range(r, row * r->array_size, r->array_size, b);
}

static int put_struct(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        cell_begin(b, CELL_STRUCT, r->n_children);
        for (size_t i = 0; i < r->n_children; i++) {
                int result;

                (void) cell_put_text(b, r->children[i].name);
                result = duckdb_put_cell(&r->children[i], row, b);
                if (result)
                        return result;
        }
        return DUCKDB_PUT_OK;
}

static int put_map(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        const duckdb_list_entry *e = &AT(duckdb_list_entry, r, row);
        size_t start = b->len;

        cell_begin(b, CELL_MAP, e->length);
        for (uint64_t i = 0; i < e->length; i++) {
                int key = duckdb_put_cell(&r->children[0], e->offset + i, b);
                int value = duckdb_put_cell(&r->children[1], e->offset + i, b);

                if (key || value || b->failed)
                        return key ? key : value ? value : DUCKDB_PUT_E_LARGE;
        }
        if (b->failed)
                return DUCKDB_PUT_E_LARGE;
        return cell_sort_map(b, start) ? DUCKDB_PUT_E_CAST : DUCKDB_PUT_OK;
}

/* ---- casts to the declared type ---- */

static int put_never(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        return DUCKDB_PUT_E_CAST;
}

/* Writes the value, looks at it, and takes it back where it does not fit. */
static int put_then_read(const struct duckdb_reader *r, uint64_t row, struct buffer *b,
                         struct cell *ret, size_t *ret_start) {
        struct reader in;
        int result;

        *ret_start = b->len;
        result = r->inner(r, row, b);
        if (result || b->failed)
                return result ? result : DUCKDB_PUT_E_LARGE;
        in = reader_of(BYTES(b->data + *ret_start, b->len - *ret_start));
        return cell_read(&in, ret) ? DUCKDB_PUT_E_CAST : DUCKDB_PUT_OK;
}

static int put_scaled(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        struct cell c;
        size_t start;
        int result = put_then_read(r, row, b, &c, &start);

        if (result)
                return result;
        return c.type == CELL_DECIMAL && c.scale > r->scale_max ? DUCKDB_PUT_E_CAST : DUCKDB_PUT_OK;
}

static int put_as_real(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        struct cell c;
        size_t start;
        int result = put_then_read(r, row, b, &c, &start);

        if (result)
                return result;
        if (c.type != CELL_INTEGER || !c.fits || c.integer > EXACT_DOUBLE_MAX ||
            c.integer < -EXACT_DOUBLE_MAX)
                return DUCKDB_PUT_E_CAST;
        b->len = start;
        (void) cell_put_real(b, (double) c.integer); /* it is finite */
        return DUCKDB_PUT_OK;
}

static int put_as_integer(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        struct cell c;
        size_t start;
        int result = put_then_read(r, row, b, &c, &start);

        if (result)
                return result;
        if (!(c.real >= -(double) EXACT_DOUBLE_MAX && c.real <= (double) EXACT_DOUBLE_MAX) ||
            c.real != trunc(c.real))
                return DUCKDB_PUT_E_CAST;
        b->len = start;
        cell_put_integer(b, (int64_t) c.real);
        return DUCKDB_PUT_OK;
}

/* ---- making one ---- */

static const struct {
        duckdb_type id;
        duckdb_put_fn put;
} cell_puts[] = {
        { DUCKDB_TYPE_BOOLEAN, put_boolean },
        { DUCKDB_TYPE_TINYINT, put_int8 },
        { DUCKDB_TYPE_SMALLINT, put_int16 },
        { DUCKDB_TYPE_INTEGER, put_int32 },
        { DUCKDB_TYPE_BIGINT, put_int64 },
        { DUCKDB_TYPE_UTINYINT, put_uint8 },
        { DUCKDB_TYPE_USMALLINT, put_uint16 },
        { DUCKDB_TYPE_UINTEGER, put_uint32 },
        { DUCKDB_TYPE_UBIGINT, put_uint64 },
        { DUCKDB_TYPE_HUGEINT, put_hugeint },
        { DUCKDB_TYPE_UHUGEINT, put_uhugeint },
        { DUCKDB_TYPE_FLOAT, put_float },
        { DUCKDB_TYPE_DOUBLE, put_double },
        { DUCKDB_TYPE_VARCHAR, put_text },
        { DUCKDB_TYPE_BLOB, put_blob },
        { DUCKDB_TYPE_DATE, put_date },
        { DUCKDB_TYPE_TIME, put_time },
        { DUCKDB_TYPE_TIME_NS, put_time_ns },
        { DUCKDB_TYPE_TIMESTAMP, put_timestamp },
        { DUCKDB_TYPE_TIMESTAMP_S, put_timestamp_s },
        { DUCKDB_TYPE_TIMESTAMP_MS, put_timestamp_ms },
        { DUCKDB_TYPE_TIMESTAMP_NS, put_timestamp_ns },
        { DUCKDB_TYPE_TIMESTAMP_TZ, put_timestamp_tz },
        { DUCKDB_TYPE_INTERVAL, put_interval },
        { DUCKDB_TYPE_UUID, put_uuid },
        { DUCKDB_TYPE_BIT, put_bit },
        { DUCKDB_TYPE_LIST, put_list },
        { DUCKDB_TYPE_ARRAY, put_array },
        { DUCKDB_TYPE_STRUCT, put_struct },
        { DUCKDB_TYPE_MAP, put_map },
};

static duckdb_put_fn put_of(duckdb_type id) {
        for (size_t i = 0; i < ELEMENTSOF(cell_puts); i++) {
                if (cell_puts[i].id == id)
                        return cell_puts[i].put;
        }
        return put_never;
}

static duckdb_put_fn put_of_width(duckdb_type width, const duckdb_put_fn fns[4]) {
        switch (width) {
        case DUCKDB_TYPE_UTINYINT:
                return fns[0];
        case DUCKDB_TYPE_SMALLINT:
        case DUCKDB_TYPE_USMALLINT:
                return fns[1];
        case DUCKDB_TYPE_INTEGER:
        case DUCKDB_TYPE_UINTEGER:
                return fns[2];
        default: /* decimals only: BIGINT, HUGEINT */
                return width == DUCKDB_TYPE_BIGINT ? fns[0] : fns[3];
        }
}

static void load_words(struct duckdb_reader *r, duckdb_logical_type type) {
        r->n_words = duckdb.enum_dictionary_size(type);
        r->words = xnew_n(struct bytes, r->n_words + 1);
        for (size_t i = 0; i < r->n_words; i++) {
                char *word = duckdb.enum_dictionary_value(type, i);

                r->words[i] = BYTES_STR(word);
        }
}

static void init_child(struct duckdb_reader *r, duckdb_logical_type child,
                       const struct schema_type *declared) {
        duckdb_reader_init(r, child, declared);
        duckdb.destroy_logical_type(&child);
}

static void init_members(struct duckdb_reader *r, duckdb_logical_type type,
                         const struct schema_type *declared) {
        const struct schema_type *child = schema_child(declared);

        for (size_t i = 0; i < r->n_children; i++, child += 1 + child->n_below) {
                char *name = duckdb.struct_type_child_name(type, i);

                if (!bytes_equal(BYTES_STR(name), child->name))
                        r->put = put_never;
                duckdb.free(name);
                r->children[i].name = child->name;
                init_child(&r->children[i], duckdb.struct_type_child_type(type, i), child);
        }
}

static void init_nested(struct duckdb_reader *r, duckdb_logical_type type,
                        const struct schema_type *declared) {
        const struct schema_type *child = schema_child(declared);
        size_t n = r->id == DUCKDB_TYPE_STRUCT ? duckdb.struct_type_child_count(type)
                   : r->id == DUCKDB_TYPE_MAP  ? 2
                                               : 1;

        if (n != declared->n_children) {
                r->put = put_never;
                return;
        }
        r->n_children = n;
        r->children = xnew_n(struct duckdb_reader, n + 1);
        if (r->id == DUCKDB_TYPE_STRUCT)
                init_members(r, type, declared);
        if (r->id == DUCKDB_TYPE_LIST)
                init_child(&r->children[0], duckdb.list_type_child_type(type), child);
        if (r->id == DUCKDB_TYPE_ARRAY) {
                r->array_size = duckdb.array_type_array_size(type);
                init_child(&r->children[0], duckdb.array_type_child_type(type), child);
        }
        if (r->id == DUCKDB_TYPE_MAP) {
                init_child(&r->children[0], duckdb.map_type_key_type(type), child);
                init_child(&r->children[1], duckdb.map_type_value_type(type),
                           child + 1 + child->n_below);
        }
}

/* Between `from`, the column's canonical type, and the declared one. */
static void init_cast(struct duckdb_reader *r, enum cell_type from,
                      const struct schema_type *declared) {
        duckdb_put_fn cast = NULL;

        if (declared->type == CELL_DECIMAL && from == CELL_DECIMAL)
                cast = r->scale > declared->scale ? put_scaled : NULL;
        else if (declared->type == CELL_INTEGER && from == CELL_DECIMAL)
                cast = put_scaled; /* scale_max is 0 */
        else if (declared->type == CELL_REAL && from == CELL_INTEGER)
                cast = put_as_real;
        else if (declared->type == CELL_INTEGER && from == CELL_REAL)
                cast = put_as_integer;
        else if (declared->type != from && declared->type != CELL_ANY &&
                 !(declared->type == CELL_DECIMAL && from == CELL_INTEGER))
                cast = put_never;
        if (!cast)
                return;
        r->inner = r->put;
        r->put = cast;
}

void duckdb_reader_init(struct duckdb_reader *r, duckdb_logical_type type,
                        const struct schema_type *declared) {
        static const duckdb_put_fn decimals[] = { put_decimal64, put_decimal16, put_decimal32,
                                                  put_decimal128 };
        static const duckdb_put_fn enums[] = { put_enum8, put_enum16, put_enum32, put_never };

        r->id = duckdb.get_type_id(type);
        r->put = put_of(r->id);
        r->scale_max = declared->scale;
        if (r->id == DUCKDB_TYPE_DECIMAL) {
                r->scale = duckdb.decimal_scale(type);
                r->put = put_of_width(duckdb.decimal_internal_type(type), decimals);
        }
        if (r->id == DUCKDB_TYPE_ENUM) {
                r->put = put_of_width(duckdb.enum_internal_type(type), enums);
                load_words(r, type);
        }
        init_cast(r, duckdb_canonical(r->id), declared);
        if (r->put == put_list || r->put == put_array || r->put == put_struct || r->put == put_map)
                init_nested(r, type, declared);
}

void duckdb_reader_done(struct duckdb_reader *r) {
        for (size_t i = 0; i < r->n_children; i++)
                duckdb_reader_done(&r->children[i]);
        for (size_t i = 0; i < r->n_words; i++)
                duckdb.free((void *) r->words[i].data);
        free(r->children);
        free(r->words);
        *r = (struct duckdb_reader){};
}

void duckdb_reader_bind(struct duckdb_reader *r, duckdb_vector vector) {
        duckdb_vector entries;

        r->data = duckdb.vector_get_data(vector);
        r->validity = duckdb.vector_get_validity(vector);
        if (r->n_children == 0)
                return;
        switch (r->id) {
        case DUCKDB_TYPE_STRUCT:
                for (size_t i = 0; i < r->n_children; i++)
                        duckdb_reader_bind(&r->children[i],
                                           duckdb.struct_vector_get_child(vector, i));
                return;
        case DUCKDB_TYPE_ARRAY:
                duckdb_reader_bind(&r->children[0], duckdb.array_vector_get_child(vector));
                return;
        case DUCKDB_TYPE_MAP: /* a LIST of STRUCT(key, value) */
                entries = duckdb.list_vector_get_child(vector);
                duckdb_reader_bind(&r->children[0], duckdb.struct_vector_get_child(entries, 0));
                duckdb_reader_bind(&r->children[1], duckdb.struct_vector_get_child(entries, 1));
                return;
        default:
                duckdb_reader_bind(&r->children[0], duckdb.list_vector_get_child(vector));
        }
}
