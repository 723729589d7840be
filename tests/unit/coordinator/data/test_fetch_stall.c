/* A provider that says nothing: what is told of it, and for how long it said nothing. */

#include "services/coordinator/data/fetch.h"
#include "tests/support/test.h"

/* Asked at 5 s for the manifest; then it says nothing. */
static const struct {
        const char *name;
        nsec_t closed; /* its stream ends then; 0: it does not */
        enum fetch_fault fault;
        const char *text;
} stalls[] = {
        { "silent to the end", 0, FETCH_FAULT_SILENT, "stalled (no bytes in 10 s)" },
        { "its transport gave it up", 8 * NSEC_PER_SEC, FETCH_FAULT_STALLED,
          "stalled (no bytes in 3 s)" },
        { "closed at once", 5 * NSEC_PER_SEC + NSEC_PER_MSEC, FETCH_FAULT_CLOSED,
          "closed the stream" },
};

static void test_stalled(void **state) {
        FOREACH_CASE (c, stalls) {
                static const struct fetch_sink sink; /* nothing arrives */
                const struct hash_value root = hash_of("test.root", BYTES_NONE);
                struct budget memory;
                struct fetch_config config = { 10 * NSEC_PER_SEC, 4, &memory };
                char text[FETCH_TEXT_SIZE];
                struct fetch_report report;
                struct fetch_action a;
                struct fetch *f;

                budget_init(&memory, 1 << 20, NULL);
                f = fetch_new(&root, &config, &sink, NULL);
                fetch_add_provider(f, &(struct peer_id){ .len = 1, .bytes = { 9 } }, NSEC_PER_SEC);
                assert_true(fetch_output(f, &a) && a.kind == FETCH_OPEN);
                fetch_opened(f, 0, 5 * NSEC_PER_SEC);
                assert_true(fetch_output(f, &a) && a.kind == FETCH_SEND);
                if (c->closed)
                        fetch_closed(f, 0, FETCH_FAULT_CLOSED, c->closed);
                else
                        fetch_expire(f, fetch_deadline(f));
                assert_int_equal(fetch_reports(f, &report, 1), 1);
                assert_int_equal(report.fault, c->fault);
                assert_string_equal(fetch_report_text(&report, text), c->text);
                assert_true(fetch_output(f, &a)); /* a reset only where a stream is left */
                assert_int_equal(a.kind, c->closed ? FETCH_FAILED : FETCH_DROP);
                fetch_free(f);
        }
}

TEST_MAIN(cmocka_unit_test(test_stalled))
