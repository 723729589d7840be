#include "common/canonical/schema.h"

#include "common/base/rng.h"
#include "tests/unit/canonical/support.h"
#include "tests/unit/canonical/vectors/vectors.h"

/* "name TYPE; name TYPE": the whole schema as people read it. */
static void schema_text(const struct schema *s, char *ret, size_t size) {
        char type[500];
        size_t at = 0;

        ret[0] = 0;
        for (size_t i = 0; i < s->n_columns; i++)
                at += (size_t) snprintf(ret + at, size - at, "%s%.*s %s", i ? "; " : "",
                                        (int) s->columns[i]->name.len, s->columns[i]->name.data,
                                        schema_type_text(s->columns[i], type, sizeof(type)));
}

static void test_vectors(void **state) {
        FOREACH_CASE (c, schema_vectors) {
                CLEANUP(bytes_freep) struct bytes v = from_hex(c->bytes);
                CLEANUP(schema_freep) struct schema *s = NULL;
                char text[2000];

                assert_int_equal(schema_decode(v, &s), SCHEMA_OK);
                assert_hex_equal(hash_bytes(&s->digest), c->digest);
                schema_text(s, text, sizeof(text));
                assert_string_equal(text, c->text);
        }
}

static void test_refused(void **state) {
        static const char *const names[] = {
                [SCHEMA_OK] = "OK",
                [SCHEMA_E_FORMAT] = "FORMAT",
                [SCHEMA_E_TYPE] = "TYPE",
                [SCHEMA_E_NAME] = "NAME",
                [SCHEMA_E_COLUMNS] = "COLUMNS",
                [SCHEMA_E_DEPTH] = "DEPTH",
        };

        FOREACH_CASE (c, refused_schemas) {
                CLEANUP(bytes_freep) struct bytes v = from_hex(c->bytes);
                CLEANUP(schema_freep) struct schema *s = NULL;
                int result = schema_decode(v, &s);

                /* the one cut off above is short as well as too large */
                if (v.len == 2000)
                        assert_true(result == SCHEMA_E_FORMAT || result == SCHEMA_E_COLUMNS);
                else
                        assert_string_equal(names[result], c->why);
                assert_null(s);
        }
}

static void put_type_again(const struct schema_type *t, struct buffer *b);

static void put_members(const struct schema_type *t, struct buffer *b) {
        const struct schema_type *child = schema_child(t);

        for (uint32_t i = 0; i < t->n_children; i++) {
                if (t->type == CELL_STRUCT)
                        schema_put_name(b, child->name);
                put_type_again(child, b);
                child += 1 + child->n_below;
        }
}

static void put_type_again(const struct schema_type *t, struct buffer *b) {
        if (t->type == CELL_DECIMAL)
                schema_put_decimal(b, t->precision, t->scale);
        else if (t->type == CELL_STRUCT)
                schema_put_struct(b, t->n_children);
        else
                schema_put_type(b, t->type);
        put_members(t, b);
}

static void assert_canonical(const struct schema *s, struct bytes v) {
        struct buffer b;

        buffer_init(&b, SCHEMA_BYTES_MAX);
        schema_begin(&b, s->n_columns);
        for (size_t i = 0; i < s->n_columns; i++) {
                schema_put_name(&b, s->columns[i]->name);
                put_type_again(s->columns[i], &b);
        }
        assert_bytes_equal(buffer_bytes(&b), v);
        buffer_done(&b);
}

static void test_mutations(void **state) {
        FOREACH_CASE (c, schema_vectors) {
                CLEANUP(bytes_freep) struct bytes v = from_hex(c->bytes);
                uint8_t *p = (uint8_t *) v.data;

                for (size_t i = 0; i < v.len * 256; i++) {
                        CLEANUP(schema_freep) struct schema *s = NULL;
                        uint8_t was = p[i / 256];

                        p[i / 256] = (uint8_t) i;
                        if (schema_decode(v, &s) == SCHEMA_OK)
                                assert_canonical(s, v);
                        p[i / 256] = was;
                }
                for (size_t n = 0; n < v.len; n++) {
                        struct schema *s = NULL;

                        assert_int_not_equal(schema_decode(BYTES(v.data, n), &s), SCHEMA_OK);
                }
        }
}

struct admit_case {
        const char *schema, *cell;
        bool want;
};
/* schemas of one column "c"; cells as hexadecimal */
static const struct admit_case admit_cases[] = {
        { "01300163"
          "10",
          "00", true },
        { "01300163"
          "10",
          "100105", true },
        { "01300163"
          "10",
          "300161", false },
        { "01300163"
          "ff",
          "300161", true },
        { "01300163"
          "110a02",
          "100105", true },
        { "01300163"
          "110a02",
          "11020107", true },
        { "01300163"
          "110a02",
          "11030107", false },
        { "01300163"
          "5010",
          "50020010010a", true },
        { "01300163"
          "5010",
          "5001300161", false },
        { "01300163"
          "523010",
          "5201300161100105", true },
        { "01300163"
          "523010",
          "5201300161300162", false },
        { "01300163"
          "523010",
          "5201100105100105", false },
        { "01300163"
          "510130017810",
          "5101300178100105", true },
        { "01300163"
          "510130017810",
          "5101300179100105", false },
        { "01300163"
          "510130017810",
          "5100", false },
        { "01300163"
          "5100",
          "5101300179100105", false },
        { "01300163"
          "5100",
          "5100", true },
};

static void test_admits(void **state) {
        FOREACH_CASE (c, admit_cases) {
                CLEANUP(bytes_freep) struct bytes encoded = from_hex(c->schema);
                CLEANUP(bytes_freep) struct bytes v = from_hex(c->cell);
                CLEANUP(schema_freep) struct schema *s = NULL;
                struct reader r = reader_of(v);
                struct cell cell;

                assert_int_equal(schema_decode(encoded, &s), SCHEMA_OK);
                assert_int_equal(cell_read(&r, &cell), CELL_OK);
                assert_int_equal(schema_admits(s->columns[0], &cell), c->want);
        }
}

TEST_MAIN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_refused),
          cmocka_unit_test(test_mutations), cmocka_unit_test(test_admits))
