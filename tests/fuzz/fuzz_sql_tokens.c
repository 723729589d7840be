#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/varint.h"
#include "services/worker/engine.h"
#include "services/worker/sqlite/sql_shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SQL_MAX 4096 /* the analysis may be quadratic in the nesting */

static const char *const creates[] = {
        "CREATE TABLE s(id INTEGER PRIMARY KEY, a INT, name TEXT, price REAL) STRICT",
        "CREATE TABLE l(id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, qty INTEGER, x)",
        "CREATE VIEW v AS SELECT id, a FROM s UNION ALL SELECT id, qty FROM l",
};

static struct engine_session *session(void) {
        static struct engine_session *s;
        static struct engine_job job = { .memory = 64 << 20, .n_inputs = 1 };
        static struct buffer schema;
        struct engine_problem p;

        if (s)
                return s;
        buffer_init(&schema, 4096);
        buffer_put_u8(&schema, 1);
        buffer_put_varint(&schema, ELEMENTSOF(creates));
        for (size_t i = 0; i < ELEMENTSOF(creates); i++)
                buffer_put_prefixed(&schema, BYTES_STR(creates[i]));
        memcpy(job.inputs[0].name, "main", 5);
        job.inputs[0].schema = buffer_bytes(&schema);
        check(engine_sqlite.preload(NULL) == 0);
        check(engine_sqlite.open(&job, &s, &p) == ENGINE_OK);
        return s;
}

static void on_fault(void *userdata, enum sql_fault fault, size_t token) {
        check(token < ((const struct sql_tokens *) userdata)->n);
}

/* Every other subquery takes its second token from around it; of the rest nothing is known. */
static bool on_outside(void *userdata, size_t open, struct sql_list *ret) {
        check(open < ((const struct sql_tokens *) userdata)->n);
        if (open % 2)
                return false;
        ret->items = xnew_n(struct sql_range, 1);
        ret->items[ret->n++] = (struct sql_range){ open + 1, open + 2 };
        return true;
}

static bool on_column(void *userdata, size_t select, size_t name) {
        const struct sql_tokens *t = userdata;

        check(select < t->n && name < t->n && name != select);
        return name % 2;
}

/* Tokens lie in order, inside the text, with sound partners; whatever they are, the
 * shape and the faults stay inside them. */
static void check_tokens(struct bytes sql) {
        CLEANUP(sql_tokens_donep) struct sql_tokens t = {};
        CLEANUP(sql_shape_donep) struct sql_shape s = {};
        struct sql_names names = { .outside = on_outside, .is_column = on_column };
        size_t end = 0;

        check(sql_tokens_read(sql, &t) == SQL_TOKENS_OK);
        for (size_t i = 0; i < t.n; i++) {
                const struct sql_token *k = &t.tokens[i];

                check(k->len > 0 && k->start >= end && k->start + k->len <= sql.len);
                check(k->match < t.n && t.tokens[k->match].match == i);
                end = k->start + k->len;
        }
        names.userdata = &t;
        if (!t.is_balanced)
                return;
        sql_shape_read(&t, &s);
        sql_faults_find(&t, s.end, &names, on_fault, &t);
}

/* What the analysis would have dispatched, it analyses to the same again. */
static void check_analysis(struct bytes sql) {
        CLEANUP(engine_analysis_donep) struct engine_analysis a = {}, b = {};
        struct engine_problem p;

        if (engine_sqlite.analyse(session(), sql, false, &a, &p) != ENGINE_OK)
                return;
        for (size_t i = 0; i < a.n_findings; i++)
                check(a.findings[i].why && a.findings[i].position < (int32_t) sql.len);
        if (engine_sqlite.analyse(session(), BYTES_STR(a.rewrite), true, &b, &p) != ENGINE_OK)
                return; /* too long by what was appended */
        check(a.class == b.class && a.is_ordered == b.is_ordered);
        check(bytes_equal(buffer_bytes(&a.schema), buffer_bytes(&b.schema)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes sql = BYTES(data, size < SQL_MAX ? size : SQL_MAX);

        check_tokens(sql);
        check_analysis(sql);
        return 0;
}
