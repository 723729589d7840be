#include "services/ctl/services_file.h"

#include <unistd.h>

#include "tests/support/test.h"

/* As supervised_node_publish() writes it: a list of layers has commas. */
static void test_rows(void **state) {
        char folder[] = "/tmp/quorate-test-XXXXXX", path[64], text[400];
        struct services_file f;
        FILE *out;

        assert_non_null(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/services.json", folder);
        out = fopen(path, "w");
        assert_non_null(out);
        fprintf(out,
                "{\"supervisor\":%d,\"state_folder\":\"/a "
                "b/state\",\"services\":[{\"service\":\"dht\",\"pid\":7,\"state\":"
                "\"ready\",\"restarts\":0,\"uid\":12,\"isolation\":\"uid,net,mount,seccomp\"},"
                "{\"service\":\"worker@1\",\"pid\":8,\"state\":\"ended\",\"restarts\":2,\"uid\":0,"
                "\"isolation\":\"\"}]}\n",
                getpid());
        (void) fclose(out);
        assert_true(services_file_read(folder, &f));
        assert_string_equal(f.state, "/a b/state");
        assert_string_equal(f.config, "");
        assert_int_equal(f.n_rows, 2);
        assert_int_equal(f.rows[0].uid, 12);
        assert_true(services_row_has(&f.rows[0], "mount"));
        assert_string_equal(services_row_text(&f.rows[0], text),
                            "uid 12, namespaces net mount, no landlock, seccomp");
        assert_int_equal(f.rows[1].pid, 8);
        assert_string_equal(services_row_text(&f.rows[1], text),
                            "uid 0 (shared), namespaces none, no landlock, no seccomp");
        (void) unlink(path);
        (void) rmdir(folder);
}

TEST_MAIN(cmocka_unit_test(test_rows))
