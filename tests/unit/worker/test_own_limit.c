#include "services/worker/own_limit.h"

#include "tests/support/test.h"

/* 0 of what is agreed: the job has no such limit. */
static const struct {
        const char *name;
        uint64_t rows, bytes;               /* of the result */
        uint64_t own_rows, own_bytes;       /* what this host gives */
        uint64_t agreed_rows, agreed_bytes; /* what the job may have */
        const char *which;                  /* NULL: the job's, or none */
} cases[] = {
        { "within all", 10, 100, 10, 100, 10, 100, NULL },
        { "above the job's", 11, 100, 10, 1000, 10, 1000, NULL },
        { "above the job's bytes", 5, 101, 10, 100, 10, 100, NULL },
        { "above the host's, the job has none", 11, 100, 10, 1000, 0, 0, "rows" },
        { "above the host's bytes, the job has none", 5, 101, 10, 100, 0, 0, "bytes" },
        { "above the host's, within the job's", 11, 100, 10, 1000, 20, 1000, "rows" },
        { "above the host's bytes, within the job's", 5, 101, 10, 100, 10, 200, "bytes" },
        { "both at once: of the job", 11, 101, 10, 100, 10, 200, NULL },
        { "no limits at all", 1000, 1000, 0, 0, 0, 0, NULL },
};

static void test_cases(void **state) {
        FOREACH_CASE (c, cases) {
                Types__Limits own = TYPES__LIMITS__INIT, agreed = TYPES__LIMITS__INIT;
                const char *which;

                own.rows = c->own_rows;
                own.bytes = c->own_bytes;
                agreed.rows = c->agreed_rows;
                agreed.bytes = c->agreed_bytes;
                which = own_limit(&own, &agreed, c->rows, c->bytes);
                if (c->which)
                        assert_string_equal(which, c->which);
                else
                        assert_null(which);
        }
}

/* A run here, of which no host knows: what limits there are, are the job's. */
static void test_alone(void **state) {
        Types__Limits own = TYPES__LIMITS__INIT;

        own.rows = 10;
        assert_null(own_limit(&own, NULL, 11, 0));
        assert_null(own_limit(NULL, &own, 11, 0));
}

/* Which option it is that was hit, and no other one. */
static void test_said(void **state) {
        Types__Limits own = TYPES__LIMITS__INIT, agreed = TYPES__LIMITS__INIT;

        own.rows = own.bytes = 10;
        agreed.rows = agreed.bytes = 100;
        assert_non_null(strstr(job_limit(&own, &agreed, 101, 50), "--max-rows"));
        assert_null(strstr(job_limit(&own, &agreed, 101, 50), "--max-bytes"));
        assert_non_null(strstr(job_limit(&own, &agreed, 50, 101), "--max-bytes"));
        assert_null(job_limit(&own, &agreed, 50, 50)); /* above what this host gives alone */
        assert_non_null(strstr(job_limit(&own, NULL, 11, 5), "--max-rows"));
        assert_null(job_limit(NULL, NULL, 11, 11));
}

TEST_MAIN(cmocka_unit_test(test_said), cmocka_unit_test(test_cases), cmocka_unit_test(test_alone))
