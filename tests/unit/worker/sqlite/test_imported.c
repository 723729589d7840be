/* Table files that were imported, as inputs of the SQLite engine: the same tables as those it
 * reads by itself, from the same bytes always; and files that no import made. */

#include <malloc.h>
#include <sqlite3.h>

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "services/worker/import.h"
#include "services/worker/sqlite/sqlite_session.h"
#include "services/worker/tables/describe.h"
#include "services/worker/tables/image.h"
#include "tests/unit/worker/support.h"

#define FILE_MAX (64u << 20)
#define VECTOR   "17389d18176bb2d00e21f0e0c845067f1791590edc54d37e25a526d7b7edf4d1"

struct table {
        struct buffer options, schema, image;
        struct engine_input in; /* as it was published */
};

static void describe_as(struct table *t, const char *name, const char *format, struct bytes data) {
        struct engine_job publish = { .n_inputs = 1 };
        struct engine_problem p = {};

        *t = (struct table){ .in = { .data = data.data, .length = data.len } };
        (void) snprintf(t->in.name, sizeof(t->in.name), "%s", name);
        (void) snprintf(t->in.format, sizeof(t->in.format), "%s", format);
        buffer_init(&t->options, 256);
        buffer_init(&t->schema, 1u << 20);
        publish.inputs[0] = t->in;
        if (tables_describe(&publish, &t->options, &t->schema, NULL, &p))
                fail_msg("%s", p.text);
        t->in.options = buffer_bytes(&t->options);
        t->in.schema = buffer_bytes(&t->schema);
}

struct making {
        const struct engine_job *job;
        struct buffer *image;
};

static int open_rows(void *userdata, struct import_rows **ret, struct engine_problem *p) {
        return import_table_rows(((struct making *) userdata)->job, ret, p);
}

static int take_batch(void *userdata, struct bytes batch, struct engine_problem *p) {
        buffer_put_bytes(((struct making *) userdata)->image, batch);
        return ENGINE_OK;
}

static int make_image(const struct engine_input *in, bool (*is_over)(void *), struct buffer *ret,
                      struct engine_problem *p) {
        struct engine_job job = { .n_inputs = 1, .is_over = is_over };
        struct making m = { &job, ret };
        struct import_result result;
        int r;

        job.inputs[0] = *in;
        buffer_init(ret, FILE_MAX);
        r = import_write(open_rows, take_batch, &m, &result, p);
        assert_true(r || result.bytes == ret->len);
        return r;
}

static void import_table(struct table *t) {
        struct engine_problem p = {};

        if (make_image(&t->in, NULL, &t->image, &p))
                fail_msg("%s", p.text);
}

static void table_donep(struct table *t) {
        buffer_done(&t->options);
        buffer_done(&t->schema);
        buffer_done(&t->image);
}

static void add(struct fixture *f, const struct table *t, bool imported) {
        struct engine_input *in = &f->job.inputs[f->job.n_inputs++];

        *in = t->in;
        if (!imported)
                return;
        in->imported = true;
        in->data = t->image.data;
        in->length = t->image.len;
}

/* What of a table can be told from outside. */
struct seen {
        struct buffer rows, backwards;
        char *sql;
        bool is_strict, has_generated;
};

static void seen_donep(struct seen *s) {
        buffer_done(&s->rows);
        buffer_done(&s->backwards);
        free(s->sql);
}

/* All that a table gives, types included. */
static void read_rows(const struct fixture *f, const char *name, bool backwards,
                      struct buffer *ret) {
        char sql[256];
        sqlite3_stmt *q = NULL;

        (void) snprintf(sql, sizeof(sql), "SELECT *, rowid FROM \"%s\"%s", name,
                        backwards ? " ORDER BY rowid DESC" : "");
        buffer_init(ret, FILE_MAX);
        assert_int_equal(sqlite3_prepare_v2(f->session->db, sql, -1, &q, NULL), SQLITE_OK);
        while (sqlite3_step(q) == SQLITE_ROW)
                for (int i = 0; i < sqlite3_column_count(q); i++) {
                        buffer_put_u8(ret, (uint8_t) sqlite3_column_type(q, i));
                        buffer_put(ret, sqlite3_column_blob(q, i),
                                   (size_t) sqlite3_column_bytes(q, i));
                        buffer_put_u8(ret, '|');
                }
        assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
        assert_false(ret->failed);
}

static void look_at(const struct table *t, bool imported, struct seen *ret) {
        const struct sqlite_table *table;
        struct fixture f = {};

        add(&f, t, imported);
        fixture_open(&f);
        table = sqlite_table_of(f.session, t->in.name, t->in.name);
        assert_non_null(table);
        ret->sql = xstrdup(table->sql);
        ret->is_strict = table->is_strict;
        ret->has_generated = table->has_generated;
        read_rows(&f, t->in.name, false, &ret->rows);
        read_rows(&f, t->in.name, true, &ret->backwards);
        fixture_done(&f);
}

static void expect_same(const struct table *t) {
        CLEANUP(seen_donep) struct seen own = {}, imported = {};
        size_t n;

        look_at(t, false, &own);
        look_at(t, true, &imported);
        n = strlen(own.sql);
        assert_int_equal(strncmp(imported.sql, own.sql, n), 0);
        assert_int_equal(strspn(imported.sql + n, " "), strlen(imported.sql + n));
        assert_true(imported.is_strict && own.is_strict);
        assert_true(imported.has_generated == own.has_generated);
        assert_true(bytes_equal(buffer_bytes(&imported.rows), buffer_bytes(&own.rows)));
        assert_true(bytes_equal(buffer_bytes(&imported.backwards), buffer_bytes(&own.backwards)));
}

static const char trips[] = "id,name,fare,day,at,score\n"
                            "1,Ann,12.50,2024-02-29,2024-02-29T08:00:00.500000,1e3\n"
                            "2,,-0.00,,2024-03-01 09:30:00,\n"
                            "3,\"\",100,2023-12-31,,0.1\n"
                            "4,\"a \"\"b\"\"\",7,2024-01-01,2024-01-01 00:00:00,-0.5\n";
static const char zones[] = "{\"id\":1,\"zone\":\"Nord\",\"open\":true}\n"
                            "{\"id\":3,\"zone\":\"S\\u00fcd\"}\n";

static void test_same(void **state) {
        static const char *const names[] = {
                "trips", "main", "order", "Data",
                "sixty_three_bytes_are_as_long_as_the_name_of_an_input_can_be_xx"
        };

        (void) state;
        FOREACH_CASE (name, names) {
                CLEANUP(table_donep) struct table a = {}, b = {}, c = {};

                describe_as(&a, *name, "csv", BYTES_STR(trips));
                describe_as(&b, *name, "ndjson", BYTES_STR(zones));
                describe_as(&c, *name, "csv", BYTES_LIT("only,a,header\n\"\",,\n"));
                import_table(&a);
                import_table(&b);
                import_table(&c);
                expect_same(&a);
                expect_same(&b);
                expect_same(&c);
        }
}

/* ---- property: random files ---- */

static uint64_t dice;
static unsigned roll(unsigned n) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        return (unsigned) (dice >> 33) % n;
}

static void put_field(struct buffer *b, unsigned kind) {
        char text[64] = "";

        if (roll(9) == 0)
                return; /* NULL */
        switch (kind) {
        case 0:
                (void) snprintf(text, sizeof(text), "%lld",
                                (long long) ((int64_t) (dice ^ dice << 7) >> roll(63)));
                break;
        case 1:
                (void) snprintf(text, sizeof(text), "%s%u.%02u", roll(2) ? "-" : "", roll(10000),
                                roll(100));
                break;
        case 2:
                (void) snprintf(text, sizeof(text), "%u.%ue%d", 1 + roll(9), roll(1000),
                                (int) roll(60) - 30);
                break;
        case 3:
                (void) snprintf(text, sizeof(text), "20%02u-%02u-%02u", roll(90) + 10, roll(12) + 1,
                                roll(28) + 1);
                break;
        default:
                for (unsigned n = roll(12) ? roll(40) : roll(20000), k = 0; k < n; k++)
                        buffer_put_u8(b, (uint8_t) ('a' + roll(26)));
                return;
        }
        buffer_put(b, text, strlen(text));
}

static void random_csv(struct buffer *b) {
        unsigned columns = roll(8) ? 1 + roll(12) : 1 + roll(400),
                 rows = roll(6) ? roll(200) : roll(3000);
        unsigned kinds[400];

        rows = columns > 20 ? rows % 50 + 1 : rows + 1;
        buffer_init(b, FILE_MAX);
        for (unsigned i = 0; i < columns; i++) {
                char name[64];

                kinds[i] = roll(6);
                (void) snprintf(name, sizeof(name), "%sa%u_%.*s", i ? "," : "", i, (int) roll(30),
                                "_________________________________");
                buffer_put(b, name, strlen(name));
        }
        for (unsigned k = 0; k < rows; k++)
                for (unsigned i = 0; i < columns; i++) {
                        buffer_put_u8(b, i ? ',' : '\n');
                        put_field(b, kinds[i]);
                }
        buffer_put_u8(b, '\n');
}

static void test_random(void **state) {
        (void) state;
        for (unsigned i = 1; i <= 120; i++) {
                CLEANUP(buffer_donep) struct buffer file = {};
                CLEANUP(table_donep) struct table t = {};

                dice = i;
                print_message("# seed %u\n", i);
                random_csv(&file);
                describe_as(&t, "t", "csv", buffer_bytes(&file));
                import_table(&t);
                expect_same(&t);
        }
}

/* ---- the same bytes ---- */

/* Whatever the heap held before, and in which order it was given out. */
static void test_heap(void **state) {
        CLEANUP(buffer_donep) struct buffer file = {};
        struct buffer images[3] = {};
        CLEANUP(table_donep) struct table t = {};

        (void) state;
        dice = 77;
        random_csv(&file);
        describe_as(&t, "t", "csv", buffer_bytes(&file));
        for (size_t i = 0; i < ELEMENTSOF(images); i++) {
                struct engine_problem p = {};
                void *held[64];

                (void) mallopt(M_PERTURB, (int) (0x11 + 0x55 * i)); /* sanitizers do so anyway */
                for (size_t k = 0; k < ELEMENTSOF(held); k++)
                        held[k] = malloc(1000 * (k + i + 1));
                for (size_t k = i; k < ELEMENTSOF(held); k += i + 1)
                        free(held[k]), held[k] = NULL;
                assert_int_equal(make_image(&t.in, NULL, &images[i], &p), ENGINE_OK);
                for (size_t k = 0; k < ELEMENTSOF(held); k++)
                        free(held[k]);
        }
        (void) mallopt(M_PERTURB, 0);
        for (size_t i = 0; i < ELEMENTSOF(images); i++) {
                assert_true(bytes_equal(buffer_bytes(&images[i]), buffer_bytes(&images[0])));
        }
        for (size_t i = 0; i < ELEMENTSOF(images); i++)
                buffer_done(&images[i]);
}

/* The version is counted up when this changes: hosts compare what they made by its root. */
static void test_vector(void **state) {
        CLEANUP(table_donep) struct table t = {};
        struct hash_value h;
        char hex[2 * HASH_SIZE + 1];

        (void) state;
        describe_as(&t, "anything", "csv", BYTES_STR(trips));
        import_table(&t);
        assert_int_equal(t.image.len, 2 * IMAGE_PAGE);
        h = hash_of("quorate.test", buffer_bytes(&t.image));
        for (size_t i = 0; i < HASH_SIZE; i++)
                (void) snprintf(hex + 2 * i, 3, "%02x", h.bytes[i]);
        assert_string_equal(hex, VECTOR);
        assert_int_equal(IMAGE_VERSION, 1);
}

/* ---- what is refused ---- */

static bool always(void *userdata) {
        return true;
}

static void test_bad(void **state) {
        CLEANUP(buffer_donep) struct buffer image = {}, large = {};
        CLEANUP(table_donep) struct table t = {}, l = {};
        struct engine_problem p = {};

        (void) state;
        describe_as(&t, "t", "csv", BYTES_LIT("x,y\n5,1\n6,2\n"));
        t.in.data = (const uint8_t *) "x,y\n5,1\n6,z\n"; /* a manifest that lies */
        assert_int_equal(make_image(&t.in, NULL, &image, &p), ENGINE_E_SQL);
        assert_int_equal(p.sql_error, SQL_ENCODING);
        assert_string_equal(p.detail, "code=ENCODING");
        assert_non_null(strstr(p.text, "row 3, column 2 'y', byte 10: 'z': "));
        assert_non_null(strstr(p.text, "; publish the file again"));

        buffer_init(&large, FILE_MAX);
        buffer_put_bytes(&large, BYTES_LIT("x\n"));
        for (size_t i = 0; i < 20000; i++)
                buffer_put_bytes(&large, BYTES_LIT("1\n"));
        describe_as(&l, "t", "csv", buffer_bytes(&large));
        assert_int_equal(make_image(&l.in, always, &image, &p), ENGINE_E_PROBLEM);
        assert_int_equal(p.outcome, OUTCOME_TIMEOUT);
}

static void expect_refused(const struct table *t, const char *name, const char *text) {
        struct fixture f = { .job.memory = 64 << 20 };
        struct engine_problem p = {};

        add(&f, t, true);
        (void) snprintf(f.job.inputs[0].name, sizeof(f.job.inputs[0].name), "%s", name);
        assert_int_equal(engine_sqlite.preload(NULL), 0);
        assert_int_equal(engine_sqlite.open(&f.job, &f.session, &p), ENGINE_E_PROBLEM);
        print_message("# %s: %s\n", p.detail, p.text);
        assert_int_equal(p.outcome, OUTCOME_REFUSED);
        assert_non_null(strstr(p.text, text));
}

static void test_not_an_import(void **state) {
        CLEANUP(buffer_donep) struct buffer file = {};
        CLEANUP(table_donep) struct table t = {};
        struct fixture f = {};
        uint8_t *root;

        (void) state;
        dice = 5;
        random_csv(&file);
        describe_as(&t, "t", "csv", buffer_bytes(&file));
        import_table(&t);
        expect_refused(&t, "json_each", "another with --data NAME=FILE");
        t.image.len--;
        expect_refused(&t, "t", "made anew");
        t.image.len -= IMAGE_PAGE - 1; /* without its root */
        expect_refused(&t, "t", "");
        t.image.len += IMAGE_PAGE;
        root = t.image.data + t.image.len - IMAGE_PAGE;
        root[0] ^= 0xff;
        expect_refused(&t, "t", "");
        root[0] ^= 0xff;

        /* Its catalogue is nobody's business: a trigger there is none. */
        memset(t.image.data, 0x5a, IMAGE_PAGE);
        add(&f, &t, true);
        fixture_open(&f);
        fixture_done(&f);
        expect_same(&t);
}

TEST_MAIN(cmocka_unit_test(test_same), cmocka_unit_test(test_random), cmocka_unit_test(test_heap),
          cmocka_unit_test(test_vector), cmocka_unit_test(test_bad),
          cmocka_unit_test(test_not_an_import))
