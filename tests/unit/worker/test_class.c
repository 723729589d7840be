/* What a class name is made of: whatever could change an answer changes it. */

#include <dlfcn.h>
#include <math.h>

#include "services/worker/engine.h"
#include "services/worker/numeric_probe.h"
#include "tests/support/test.h"

/* A mathematics library of which one function is off in its last bit, from `from` on. They stand
 * before the real ones, because a program's symbols come before those of libraries. */
static const char *off;
static double from;

static double shift(const char *name, double x, double y) {
        return off && !strcmp(off, name) && x >= from ? nextafter(y, -INFINITY) : y;
}

#define OFF(name)                                           \
        double name(double x) {                             \
                double (*next)(double);                     \
                                                            \
                *(void **) &next = dlsym(RTLD_NEXT, #name); \
                return shift(#name, x, next(x));            \
        }
OFF(cbrt);
OFF(asinh);
OFF(acosh);
OFF(atanh);
OFF(lgamma);
OFF(tgamma);
OFF(sin);
OFF(exp);

double atan2(double y, double x) {
        double (*next)(double, double);

        *(void **) &next = dlsym(RTLD_NEXT, "atan2");
        return shift("atan2", y, next(y, x));
}

static struct hash_value probe_with(const char *name, double least) {
        struct hash h;

        off = name;
        from = least;
        hash_begin(&h, "test");
        numeric_probe(&h);
        off = NULL;
        return hash_end(&h);
}

static void test_probe(void **state) {
        static const struct {
                const char *name;
                double from;
        } cases[] = { { "cbrt", 0 },   { "asinh", 0 },  { "acosh", 0 }, { "atanh", 0 },
                      { "lgamma", 0 }, { "tgamma", 0 }, { "atan2", 0 }, { "exp", 0 },
                      { "sin", 1e6 },  { "sin", 1e100 } };
        struct hash_value right = probe_with(NULL, 0), again = probe_with(NULL, 0);

        assert_memory_equal(right.bytes, again.bytes, sizeof(right.bytes));
        FOREACH_CASE (c, cases) {
                struct hash_value other = probe_with(c->name, c->from);

                print_message("# %s from %g on\n", c->name, c->from);
                assert_memory_not_equal(right.bytes, other.bytes, sizeof(right.bytes));
        }
}

/* Our own part has a revision, and it counts. */
static void test_revision(void **state) {
        struct hash_value ours, plain;
        struct hash h;

        engine_class_begin(&h);
        ours = hash_end(&h);
        hash_begin(&h, "quorate.build.1");
        plain = hash_end(&h);
        assert_memory_not_equal(ours.bytes, plain.bytes, sizeof(ours.bytes));
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_probe),
                                            cmocka_unit_test(test_revision) };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
