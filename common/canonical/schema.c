#include "common/canonical/schema.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/varint.h"

const char *schema_result_text(int result) {
        static const char *const texts[] = {
                [SCHEMA_OK] = "well formed",
                [SCHEMA_E_FORMAT] = "cut short, or with bytes left over",
                [SCHEMA_E_TYPE] = "an unknown type, or arguments out of range",
                [SCHEMA_E_NAME] = "a column name that is not UTF-8, or too long",
                [SCHEMA_E_COLUMNS] = "too many columns or types",
                [SCHEMA_E_DEPTH] = "types nested too deeply",
        };

        return result >= 0 && (size_t) result < ELEMENTSOF(texts) ? texts[result] : "failed";
}

struct hash_value schema_digest(struct bytes encoded) {
        return hash_of("quorate.schema.1", encoded);
}

/* A type whose children are being read; the columns are children of none. */
struct level {
        size_t index; /* into types */
        uint64_t left;
        bool named;
};

struct decoder {
        struct reader reader;
        struct schema *schema;
        size_t capacity;
        struct level levels[CELL_DEPTH_MAX + 1];
        size_t depth;
};

static int read_name(struct decoder *d, struct bytes *ret) {
        if (reader_u8(&d->reader) != CELL_TEXT)
                return d->reader.failed ? SCHEMA_E_FORMAT : SCHEMA_E_NAME;
        *ret = reader_prefixed(&d->reader);
        if (d->reader.failed)
                return SCHEMA_E_FORMAT;
        return ret->len > SCHEMA_NAME_MAX || !utf8_is_valid(*ret) ? SCHEMA_E_NAME : SCHEMA_OK;
}

static bool is_schema_type(uint8_t tag) {
        return tag != CELL_NULL && (tag == CELL_ANY || cell_type_name(tag)[0] != '?');
}

static struct schema_type *add_type(struct decoder *d) {
        struct schema *s = d->schema;

        if (s->n_types == SCHEMA_TYPES_MAX)
                return NULL;
        if (s->n_types == d->capacity) {
                d->capacity = d->capacity ? d->capacity * 2 : 16;
                s->types = xrealloc(s->types, d->capacity * sizeof(*s->types));
        }
        s->types[s->n_types] = (struct schema_type){};
        return &s->types[s->n_types++];
}

static int read_arguments(struct decoder *d, struct schema_type *t) {
        uint64_t n = 0;

        switch (t->type) {
        case CELL_DECIMAL:
                t->precision = reader_u8(&d->reader);
                t->scale = reader_u8(&d->reader);
                if (d->reader.failed)
                        return SCHEMA_E_FORMAT;
                return t->precision == 0 || t->scale > t->precision ? SCHEMA_E_TYPE : SCHEMA_OK;
        case CELL_LIST:
                t->n_children = 1;
                return SCHEMA_OK;
        case CELL_MAP:
                t->n_children = 2;
                return SCHEMA_OK;
        case CELL_STRUCT:
                n = reader_varint(&d->reader);
                if (n > SCHEMA_TYPES_MAX)
                        return SCHEMA_E_COLUMNS;
                t->n_children = (uint32_t) n;
                return d->reader.failed ? SCHEMA_E_FORMAT : SCHEMA_OK;
        default:
                return SCHEMA_OK;
        }
}

/* One type without its children; those become a level of their own. */
static int read_type(struct decoder *d, struct bytes name) {
        struct schema_type *t = add_type(d);
        int result;
        uint8_t tag;

        if (!t)
                return SCHEMA_E_COLUMNS;
        tag = reader_u8(&d->reader);
        if (d->reader.failed)
                return SCHEMA_E_FORMAT;
        if (!is_schema_type(tag))
                return SCHEMA_E_TYPE;
        t->type = tag;
        t->name = name;
        result = read_arguments(d, t);
        if (result)
                return result;
        if (tag < CELL_LIST || tag == CELL_ANY)
                return SCHEMA_OK;
        if (d->depth == ELEMENTSOF(d->levels))
                return SCHEMA_E_DEPTH;
        d->levels[d->depth++] = (struct level){ .index = d->schema->n_types - 1,
                                                .left = t->n_children,
                                                .named = tag == CELL_STRUCT };
        return SCHEMA_OK;
}

static int read_types(struct decoder *d, uint64_t n_columns) {
        struct schema *s = d->schema;

        d->levels[0] = (struct level){ .left = n_columns, .named = true };
        d->depth = 1;
        while (d->depth > 0) {
                struct level *l = &d->levels[d->depth - 1];
                struct bytes name = BYTES_NONE;
                int result;

                if (l->left == 0) {
                        d->depth--;
                        if (d->depth > 0)
                                s->types[l->index].n_below = (uint32_t) (s->n_types - 1 - l->index);
                        continue;
                }
                l->left--;
                result = l->named ? read_name(d, &name) : SCHEMA_OK;
                if (!result)
                        result = read_type(d, name);
                if (result)
                        return result;
        }
        return reader_done(&d->reader) ? SCHEMA_OK : SCHEMA_E_FORMAT;
}

static void find_columns(struct schema *s) {
        const struct schema_type *t = s->types;

        s->columns = (const struct schema_type **) xcalloc(s->n_columns, sizeof(*s->columns));
        for (size_t i = 0; i < s->n_columns; i++) {
                s->columns[i] = t;
                t += 1 + t->n_below;
        }
}

int schema_decode(struct bytes encoded, struct schema **ret) {
        CLEANUP(schema_freep) struct schema *s = NULL;
        struct decoder d = {};
        uint64_t n;
        int result;

        if (encoded.len == 0 || encoded.len > SCHEMA_BYTES_MAX)
                return SCHEMA_E_FORMAT;
        s = xnew(struct schema);
        s->encoded = BYTES(xmemdup(encoded.data, encoded.len), encoded.len);
        d.schema = s;
        d.reader = reader_of(s->encoded);
        n = reader_varint(&d.reader);
        if (d.reader.failed)
                return SCHEMA_E_FORMAT;
        if (n > SCHEMA_COLUMNS_MAX)
                return SCHEMA_E_COLUMNS;
        s->n_columns = (size_t) n;
        result = read_types(&d, n);
        if (result)
                return result;
        find_columns(s);
        s->digest = schema_digest(s->encoded);
        *ret = TAKE(s);
        return SCHEMA_OK;
}

struct schema *schema_free(struct schema *s) {
        if (!s)
                return NULL;
        free(s->types);
        free(s->columns);
        free((void *) s->encoded.data);
        free(s);
        return NULL;
}

void schema_begin(struct buffer *b, size_t n_columns) {
        buffer_put_varint(b, n_columns);
}

void schema_put_name(struct buffer *b, struct bytes name) {
        buffer_put_u8(b, CELL_TEXT);
        buffer_put_prefixed(b, name);
}

void schema_put_type(struct buffer *b, enum cell_type type) {
        check(type != CELL_DECIMAL && type != CELL_STRUCT);
        buffer_put_u8(b, (uint8_t) type);
}

void schema_put_decimal(struct buffer *b, uint8_t precision, uint8_t scale) {
        buffer_put_u8(b, CELL_DECIMAL);
        buffer_put_u8(b, precision);
        buffer_put_u8(b, scale);
}

void schema_put_struct(struct buffer *b, size_t n_members) {
        buffer_put_u8(b, CELL_STRUCT);
        buffer_put_varint(b, n_members);
}

/* Recursion is bounded: types nest at most CELL_DEPTH_MAX deep. */
static bool admits_members(const struct schema_type *t, const struct cell *c) {
        struct cell_members members = cell_members_of(c);
        const struct schema_type *child = schema_child(t);
        struct cell key, value;

        if (t->type == CELL_STRUCT && c->count != t->n_children)
                return false;
        while (cell_next(&members, &key, &value)) {
                if (t->type == CELL_MAP) {
                        if (!schema_admits(child, &key) ||
                            !schema_admits(child + 1 + child->n_below, &value))
                                return false;
                        continue;
                }
                if (t->type == CELL_STRUCT && !bytes_equal(key.bytes, child->name))
                        return false;
                if (!schema_admits(child, &value))
                        return false;
                if (t->type == CELL_STRUCT)
                        child += 1 + child->n_below;
        }
        return true;
}

bool schema_admits(const struct schema_type *t, const struct cell *c) {
        if (c->type == CELL_NULL || t->type == CELL_ANY)
                return true;
        if (t->type == CELL_DECIMAL)
                return c->type == CELL_INTEGER || (c->type == CELL_DECIMAL && c->scale <= t->scale);
        if (c->type != t->type)
                return false;
        return t->n_children == 0 ? t->type != CELL_STRUCT || c->count == 0 : admits_members(t, c);
}

struct text_out {
        char *at;
        size_t left;
};

static void append(struct text_out *o, const char *s) {
        size_t n = strlen(s);

        if (n >= o->left)
                n = o->left - 1;
        memcpy(o->at, s, n);
        o->at += n;
        o->left -= n;
        *o->at = 0;
}

static void append_type(struct text_out *o, const struct schema_type *t) {
        const struct schema_type *child = schema_child(t);
        char piece[600];

        append(o, cell_type_name(t->type));
        if (t->type == CELL_DECIMAL) {
                snprintf(piece, sizeof(piece), "(%u,%u)", t->precision, t->scale);
                append(o, piece);
        }
        if (!child)
                return;
        for (uint32_t i = 0; i < t->n_children && o->left > 1; i++) {
                append(o, i == 0 ? "(" : ", ");
                if (t->type == CELL_STRUCT) {
                        append(o, text_escape(child->name, piece, sizeof(piece)));
                        append(o, " ");
                }
                append_type(o, child);
                child += 1 + child->n_below;
        }
        append(o, ")");
}

char *schema_type_text(const struct schema_type *t, char *ret, size_t ret_size) {
        static const char more[] = "…";
        struct text_out out = { ret, ret_size };

        check(ret_size > sizeof(more));
        ret[0] = 0;
        append_type(&out, t);
        if (out.left == 1)
                memcpy(ret + ret_size - sizeof(more), more, sizeof(more));
        return ret;
}
