#include "services/ctl/format.h"

#include <stdlib.h>

#include "tests/unit/client/canned.h"

static const char *const columns[] = { "id", "na|me\033[1m", "x" };

/* NULL, numbers, unicode, what CSV quotes, escape sequences, bidi, a blob. */
static void fill(struct canned *c) {
        canned_init(c, columns, ELEMENTSOF(columns));
        cell_put_integer(&c->rows, -7);
        assert_int_equal(cell_put_text(&c->rows, BYTES_STR("Käse ☕")), CELL_OK);
        assert_int_equal(cell_put_real(&c->rows, 0.1), CELL_OK);
        cell_put_null(&c->rows);
        assert_int_equal(cell_put_text(&c->rows, BYTES_STR("a,\"b\"\nc|d")), CELL_OK);
        assert_int_equal(cell_put_decimal(&c->rows, -105, 2), CELL_OK);
        canned_batch(c, 2);
        cell_put_integer(&c->rows, 123456789012345);
        assert_int_equal(cell_put_text(&c->rows, BYTES_STR("\033[2J\xe2\x80\xae"
                                                           "evil")),
                         CELL_OK);
        cell_put_blob(&c->rows, BYTES_LIT("\x00\xff"));
        cell_put_integer(&c->rows, 0);
        assert_int_equal(cell_put_text(&c->rows, BYTES_NONE), CELL_OK);
        cell_put_date(&c->rows, 20000);
        canned_batch(c, 2);
        canned_end(c, "LOCAL");
}

static char *formatted(struct canned *c, const char *name, unsigned width) {
        char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);
        struct format *format = format_new(name, f, width);
        int e;

        while ((e = quorate_next(c->r, 0)) == QUORATE_ROW)
                format_row(format, c->r);
        assert_int_equal(e, QUORATE_END);
        format_end(format, c->r);
        format_free(format);
        (void) fclose(f);
        return text;
}

static const struct {
        const char *name;
        unsigned width;
        const char *want;
} golden[] = {
#include "tests/unit/ctl/golden_formats.inc"
};

static void test_golden(void **state) {
        FOREACH_CASE (g, golden) {
                CLEANUP(freep) char *text = NULL;
                struct canned c;

                fill(&c);
                text = formatted(&c, g->name, g->width);
                if (strcmp(text, g->want) != 0)
                        fail_msg("%s:\n%s", g->name, text);
                canned_done(&c);
        }
}

/* Nothing that a terminal would act on comes out of what people look at. */
static void test_no_control(void **state) {
        static const char *const names[] = { "table", "markdown", "line", "json", "ndjson" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                CLEANUP(freep) char *text = NULL;
                struct canned c;

                fill(&c);
                text = formatted(&c, names[i], 80);
                assert_null(strchr(text, '\033'));
                canned_done(&c);
        }
}

static void test_no_rows(void **state) {
        static const struct {
                const char *name, *want;
        } cases[] = {
                { "csv", "id,na|me\033[1m,x\r\n" },
                { "json", "[]\n" },
                { "ndjson", "" },
                { "line", "" },
        };

        FOREACH_CASE (k, cases) {
                CLEANUP(freep) char *text = NULL;
                struct canned c;

                canned_init(&c, columns, ELEMENTSOF(columns));
                canned_end(&c, "LOCAL");
                text = formatted(&c, k->name, 0);
                assert_string_equal(text, k->want);
                canned_done(&c);
        }
}

/* More rows than are measured: the rest streams in the widths found. */
static void test_long_table(void **state) {
        static const char *const one[] = { "n" };
        CLEANUP(freep) char *text = NULL;
        unsigned lines = 0;
        struct canned c;

        canned_init(&c, one, 1);
        for (int i = 0; i < 1200; i++)
                cell_put_integer(&c.rows, i < 600 ? i : 123456789);
        canned_batch(&c, 1200);
        canned_end(&c, "LOCAL");
        text = formatted(&c, "table", 0);
        for (const char *at = text; (at = strchr(at, '\n')); at++)
                lines++;
        assert_int_equal(lines, 1200 + 4);
        assert_non_null(strstr(text, "│ 499 │\n"));
        assert_non_null(strstr(text, "│ 12… │\n"));
        canned_done(&c);
}

/* A table never is wider than its terminal while columns can give. */
static void test_width(void **state) {
        for (unsigned width = 30; width < 90; width += 7) {
                CLEANUP(freep) char *text = NULL;
                struct canned c;
                unsigned columns_now = 0;

                fill(&c);
                text = formatted(&c, "table", width);
                for (const char *at = text; *at; at++) {
                        columns_now = *at == '\n' ? 0 : columns_now + ((*at & 0xc0) != 0x80);
                        assert_true(columns_now <= width);
                }
                canned_done(&c);
        }
}

TEST_MAIN(cmocka_unit_test(test_golden), cmocka_unit_test(test_no_control),
          cmocka_unit_test(test_no_rows), cmocka_unit_test(test_long_table),
          cmocka_unit_test(test_width))
