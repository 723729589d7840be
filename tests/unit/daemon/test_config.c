#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/daemon/config.h"
#include "tests/support/test.h"

struct sample {
        uint64_t count, size;
        nsec_t pause;
        bool on;
        char *name;
        int mode;
        struct config_list peers;
        char *network;
};

static const char *const modes[] = { "slow", "fast", NULL };

static const struct config_key keys[] = {
        CONFIG_INT(sample, count, "count", "3", 1, 64, "how many"),
        CONFIG_SIZE(sample, size, "size", "64K", 512, 1 << 30, "how large"),
        CONFIG_DURATION(sample, pause, "pause", "8s", 0, 3600 * NSEC_PER_SEC, "how long"),
        CONFIG_BOOL(sample, on, "on", "no", "whether"),
        CONFIG_STRING(sample, name, "name", "", "what it is called"),
        CONFIG_ENUM(sample, mode, "mode", "slow", modes, "how"),
        CONFIG_LIST(sample, peers, "peer", "whom to call first"),
        CONFIG_SECTION("network"),
        CONFIG_STRING(sample, network, "name", "main", "which grid"),
        {},
};

/* want NULL: accepted. */
static const struct {
        const char *name, *text;
        bool shared;
        const char *want;
} cases[] = {
        { "nothing", "", true, NULL },
        { "all kinds",
          "[dht]\ncount = 5\nsize=1M\npause = 250ms ; a comment\non = yes\nname = a b\nmode = "
          "fast\n"
          "peer = one\npeer = two\n[network]\nname = lab\n",
          true, NULL },
        { "no section needed in our own file", "count = 7\n", false, NULL },
        { "our own section in our own file", "[dht]\ncount = 7\n", false, NULL },
        { "another service's section", "[gossip]\nwhatever = 1\n", true, NULL },
        { "the coordinator's sections",
          "[query]\nreplicas = 3\n[host]\nslots = 1\n[trust]\nhalf-life = 7d\n", true, NULL },
        { "another reader's key of a shared section", "[network]\nport = 1\n", true, NULL },
        { "no section in the shared file", "count = 7\n", true,
          "f:1: count: stands before any [section], put it below one" },
        { "unknown section", "# x\n[dth]\ncount = 1\n", true,
          "f:2: [dth]: unknown section; `quorate config reference` lists them" },
        { "unknown empty section", "[dth]\n", true,
          "f:1: [dth]: unknown section; `quorate config reference` lists them" },
        { "another service in our own file", "[gossip]\nx = 1\n", false,
          "f:2: [gossip]: unknown section, this file is for one service" },
        { "unknown key", "[dht]\n\ncuont = 1\n", true,
          "f:3: [dht] cuont: unknown key, did you mean `count`; `quorate config reference dht` "
          "lists them" },
        { "repeated", "[dht]\ncount = 1\ncount = 1\n", true,
          "f:3: [dht] count: is there twice, keep one" },
        { "too large", "[dht]\ncount = 65\n", true,
          "f:2: [dht] count: \"65\" is not allowed, give a whole number from 1 to 64" },
        { "negative", "[dht]\ncount = -1\n", true,
          "f:2: [dht] count: \"-1\" is not allowed, give a whole number from 1 to 64" },
        { "no unit", "[dht]\nsize = 64\n", true,
          "f:2: [dht] size: \"64\" is not allowed, give a size with its unit (512B, 64K, 1M, 4G) "
          "from 512B to 1G" },
        { "duration out of range", "[dht]\npause = 2h\n", true,
          "f:2: [dht] pause: \"2h\" is not allowed, give a duration with its unit (250ms, 8s, "
          "5min, 2h, 7d) from 0 to 1h" },
        { "not a truth", "[dht]\non = maybe\n", true,
          "f:2: [dht] on: \"maybe\" is not allowed, give yes or no" },
        { "not a mode", "[dht]\nmode = Fast\n", true,
          "f:2: [dht] mode: \"Fast\" is not allowed, give one of slow fast" },
        { "neither", "[dht]\ncount\n", true, "f:2: neither \"[section]\" nor \"key = value\"" },
        { "continuation", "[dht]\nname = a\n  b\n", true,
          "f:3: starts with a blank; continuation lines are not supported" },
        { "control characters", "[dht]\nname = \033[2J\n", true, "f:2: control characters" },
};

static void check_values(struct config *c) {
        const struct sample *s = config_values(c);

        assert_int_equal(s->count, 5);
        assert_int_equal(s->size, 1 << 20);
        assert_int_equal(s->pause, 250 * NSEC_PER_MSEC);
        assert_true(s->on);
        assert_string_equal(s->name, "a b");
        assert_int_equal(s->mode, 1);
        assert_int_equal(s->peers.n_items, 2);
        assert_string_equal(s->peers.items[1], "two");
        assert_string_equal(s->network, "lab");
}

static void test_parse(void **state) {
        FOREACH_CASE (t, cases) {
                struct config *c = config_new("dht", keys, sizeof(struct sample));
                char error[CONFIG_ERROR_SIZE] = "";
                int r = config_parse(c, "f", BYTES_STR(t->text), t->shared, error);

                assert_string_equal(error, t->want ? t->want : "");
                assert_int_equal(r, t->want ? CONFIG_E_INVALID : 0);
                if (strcmp(t->name, "all kinds") == 0)
                        check_values(c);
                config_free(c);
        }
}

/* Who reads all of a section knows a wrong key in it. */
static void test_owned_section(void **state) {
        static const struct config_key of_query[] = {
                CONFIG_SECTION("query"),
                CONFIG_INT(sample, count, "count", "3", 1, 64, "how many"),
                {},
        };
        struct config *c = config_new("coordinator", of_query, sizeof(struct sample));
        char error[CONFIG_ERROR_SIZE] = "";

        assert_int_equal(config_parse(c, "f", BYTES_LIT("[query]\ncuont = 1\n"), true, error),
                         CONFIG_E_INVALID);
        assert_string_equal(error,
                            "f:2: [query] cuont: unknown key, did you mean `count`; `quorate "
                            "config reference coordinator` "
                            "lists them");
        assert_int_equal(config_parse(c, "f", BYTES_LIT("[network]\nx = 1\n"), true, error), 0);
        config_free(c);
}

static void test_defaults(void **state) {
        struct config *c = config_new("dht", keys, sizeof(struct sample));
        const struct sample *s = config_values(c);

        assert_int_equal(s->count, 3);
        assert_int_equal(s->size, 64 << 10);
        assert_string_equal(s->name, "");
        assert_int_equal(s->peers.n_items, 0);
        assert_string_equal(s->network, "main");
        config_free(c);
}

static void test_long_line(void **state) {
        struct config *c = config_new("dht", keys, sizeof(struct sample));
        char error[CONFIG_ERROR_SIZE], text[300] = "name = ";

        memset(text + 7, 'x', 198 - 7);
        assert_int_equal(config_parse(c, "f", BYTES_STR(text), false, error), 0);
        assert_int_equal(strlen(((struct sample *) config_values(c))->name), 198 - 7);
        memset(text + 7, 'x', 199 - 7);
        assert_int_equal(config_parse(c, "f", BYTES_STR(text), false, error), CONFIG_E_INVALID);
        assert_string_equal(error, "f:1: longer than 198 characters");
        config_free(c);
}

static void test_environment(void **state) {
        static const char *const good[] = { "PATH=/bin",
                                            "QUORATE_DHT_COUNT=9",
                                            "QUORATE_DHT_PEER=a b c",
                                            "QUORATE_NETWORK_NAME=lab",
                                            "QUORATE_GOSSIP_X=1",
                                            NULL };
        static const char *const bad[] = { "QUORATE_DHT_COUNT=0", NULL };
        static const char *const unknown[] = { "QUORATE_DHT_COUNTS=1", NULL };
        struct config *c = config_new("dht", keys, sizeof(struct sample));
        const struct sample *s = config_values(c);
        char error[CONFIG_ERROR_SIZE];

        assert_int_equal(config_environment(c, good, error), 0);
        assert_int_equal(s->count, 9);
        assert_int_equal(s->peers.n_items, 3);
        assert_string_equal(s->network, "lab");
        assert_int_equal(config_environment(c, bad, error), CONFIG_E_INVALID);
        assert_string_equal(error, "environment: [dht] count: \"0\" is not allowed, give a whole "
                                   "number from 1 to 64");
        assert_int_equal(config_environment(c, unknown, error), CONFIG_E_INVALID);
        assert_string_equal(error, "environment: QUORATE_DHT_COUNTS: unknown key; `quorate config "
                                   "reference dht` lists them");
        config_free(c);
}

static void put_file(const char *folder, const char *name, const char *text) {
        char path[256];
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
        assert_int_equal(fclose(f), 0);
}

static void take_away(const char *folder, const char *const *names) {
        char path[256];

        for (; *names; names++) {
                (void) snprintf(path, sizeof(path), "%s/%s", folder, *names);
                assert_int_equal(remove(path), 0);
        }
        assert_int_equal(rmdir(folder), 0);
}

static void test_files(void **state) {
        static const char *const made[] = { "quorate.conf",         "dht.conf",
                                            "dht.conf.d/20-b.conf", "dht.conf.d/10-a.conf",
                                            "dht.conf.d",           NULL };
        struct config *c = config_new("dht", keys, sizeof(struct sample));
        const struct sample *s = config_values(c);
        char folder[] = "/tmp/quorate-test-XXXXXX", error[CONFIG_ERROR_SIZE], path[64];

        assert_non_null(mkdtemp(folder));
        assert_int_equal(config_load(c, folder, error), 0); /* none at all is fine */
        (void) snprintf(path, sizeof(path), "%s/dht.conf.d", folder);
        assert_int_equal(mkdir(path, 0700), 0);
        put_file(folder, "quorate.conf", "[dht]\ncount = 10\nsize = 2M\nname = shared\n");
        put_file(folder, "dht.conf", "count = 20\npeer = x\npeer = y\n");
        put_file(folder, "dht.conf.d/10-a.conf", "count = 30\npeer = z\n");
        put_file(folder, "dht.conf.d/20-b.conf", "mode = fast\n");
        assert_int_equal(config_load(c, folder, error), 0);
        assert_int_equal(s->count, 30);
        assert_int_equal(s->size, 2 << 20);
        assert_string_equal(s->name, "shared");
        assert_int_equal(s->peers.n_items, 1); /* a later list replaces an earlier one */
        assert_int_equal(s->mode, 1);
        (void) snprintf(path, sizeof(path), "%s/absent.conf", folder);
        assert_int_equal(config_load(c, path, error), CONFIG_E_INVALID);
        assert_non_null(strstr(error, "No such file"));
        take_away(folder, made);
        config_free(c);
}

/* What --check-config prints is read back to the same values. */
static void test_print(void **state) {
        struct config *a = config_new("dht", keys, sizeof(struct sample));
        struct config *b = config_new("dht", keys, sizeof(struct sample));
        char error[CONFIG_ERROR_SIZE] = "", *text = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);

        assert_int_equal(config_parse(a, "f", BYTES_STR(cases[1].text), true, error), 0);
        config_print_values(a, f);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(config_parse(b, "f", BYTES(text, len), true, error), 0);
        check_values(b);
        free(text);
        config_free(a);
        config_free(b);
}

TEST_MAIN(cmocka_unit_test(test_parse), cmocka_unit_test(test_owned_section),
          cmocka_unit_test(test_defaults), cmocka_unit_test(test_long_line),
          cmocka_unit_test(test_environment), cmocka_unit_test(test_files),
          cmocka_unit_test(test_print))
